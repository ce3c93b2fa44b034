# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the model card and the input tensor for a trial, a process that measures a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.card import InputCard, ModelCard, OutputCard, spread_palette
from ..model.network_input import ImageInput

BLOCK = 16
"""Side of the random blocks in the image, in pixels."""


def card_tree(card: ModelCard) -> dict[str, Any]:
    """Return the part of a card that the trial needs. The result can be written as JSON."""
    output = asdict(card.output)
    del output['temperature']   # a new temperature does not change the fastest options
    return {'model': str(card.model.resolve()), 'classes': len(card.classes),
            'input': asdict(card.input), 'output': output}


def read_card(tree: Mapping[str, Any]) -> ModelCard:
    """Make a card from the result of :func:`card_tree`. JSON may have turned tuples into lists."""
    count = tree['classes']
    image: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in tree['input'].items()}
    return ModelCard('trial', Path(tree['model']), tuple(map(str, range(count))),
                     spread_palette(count), InputCard(**image), OutputCard(**tree['output']))


def make_picture(image: ImageInput, card: InputCard) -> npt.NDArray[np.generic]:
    """Make an input tensor from an image of random blocks, normalised like a camera image."""
    shape = image.shape(image.batch or 1)
    axes = (2, 3) if image.layout == 'nchw' else (1, 2)
    picture = np.random.default_rng(0).integers(0, 256, [
        -(-side // BLOCK) if axis in axes else side for axis, side in enumerate(shape)])
    for axis in axes:
        picture = np.repeat(picture, BLOCK, axis).take(range(shape[axis]), axis)
    if image.dtype == 'uint8':
        return picture.astype(np.uint8)
    along = (1, -1, 1, 1) if image.layout == 'nchw' else (1, 1, 1, -1)
    mean, std = (np.reshape(values, along) for values in (card.mean, card.std))
    return np.asarray((picture / 255 - mean) / std).astype(image.dtype)
