# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded frames as the tensors a network is calibrated on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..engines.onnxruntime_cpu import OnnxRuntimeEngine
from ..errors import GraphError
from ..frame import Frame
from ..host.decode_raw import decode
from ..host.preprocess import Preprocess
from ..model.card import ModelCard
from ..model.geometry import fit
from .calibration import Tensor
from .frame_choice import choose, FrameChoice, look

Named = tuple[str, Frame]


@dataclass(frozen=True)
class Feeds:
    """The frames of a recording that were chosen, as tensors; may be read again and again.

    :param source: named frames, the same ones each time it is iterated.
    """

    card: ModelCard
    source: Iterable[Named]
    choice: FrameChoice

    def __call__(self) -> Iterator[Tensor]:
        """Give (1, …) tensors as the network takes them, one at a time."""
        image = OnnxRuntimeEngine(self.card, 'calibration').signature.input
        preprocess = Preprocess(self.card.input, image)
        wanted = set(self.choice.chosen.tolist())
        for index, (_, frame) in enumerate(self.source):
            if index in wanted:
                tensor = np.empty(image.shape(1), image.dtype)
                geometry = fit(self.card.input.resize, (frame.height, frame.width),
                               (image.height, image.width))
                preprocess(decode(frame), geometry, tensor[0])
                yield tensor


class Joined:
    """Several recordings one after the other."""

    def __init__(self, sources: Sequence[Iterable[Named]]) -> None:
        self._sources = sources

    def __iter__(self) -> Iterator[Named]:
        """Every frame of every recording."""
        for source in self._sources:
            yield from source


def choose_frames(card: ModelCard, source: Iterable[Named], count: int = 300) -> Feeds:
    """Look at every frame of a recording and choose those to calibrate on.

    :param source: named frames, the same ones each time it is iterated.
    :raises GraphError: where there is not one.
    """
    looks = [look(name, decode(frame).bgr()) for name, frame in source]
    if not looks:
        raise GraphError('the recording to calibrate on has no frames')
    return Feeds(card, source, choose(looks, count))
