# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the parameters whose valid values depend on the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.card import ModelCard
from ..pipeline import Pipeline

MODEL_DEPENDENT = ('confidence', 'palette')
"""Parameters whose valid values depend on the model."""


def check_against_model(name: str, value: Any, pipeline: Pipeline) -> str:
    """Return why a parameter cannot have a value with the pipeline's model. Empty if it can.

    :param name: name of any parameter. Only a parameter in :data:`MODEL_DEPENDENT` is checked.
    """
    model, classes = pipeline.card.name, len(pipeline.card.classes)
    if name == 'confidence' and value and not pipeline.gives_confidence:
        return (f'model {model} gives class ids, which have no confidence; set confidence to '
                'false, or export the model with its logits as output')
    if name == 'palette' and value and len(value) != classes:
        return (f'{len(value)} colours for the {classes} classes of model {model}; give one '
                "for each class, or [] for the card's colours")
    return ''


def overlay_palette(colors: Sequence[str], card: ModelCard) -> npt.NDArray[np.uint8]:
    """Return the overlay's colours, (classes, 3) uint8 RGB.

    :param colors: #rrggbb strings, one for each class. Empty for the colours of the card.
    """
    if not colors:
        return card.palette
    return np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)
