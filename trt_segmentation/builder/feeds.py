# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Turn frames of a recording into the input tensors of a calibration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from .frame_choice import choose_by_light, extract_features, FrameChoice
from .settings import CALIBRATION_FRAMES

NamedFrame = tuple[str, Frame]
"""The name and the frame. The name says where the frame comes from."""


@dataclass(frozen=True)
class Feeds:
    """The frames chosen from a recording, as input tensors.

    Each call of this object reads the recording once more.

    :param source: all frames of the recording. Each iteration must give the same frames.
    :param choice: tells which of these frames are chosen.
    """

    card: ModelCard
    source: Iterable[NamedFrame]
    choice: FrameChoice

    def __call__(self) -> Iterator[Tensor]:
        """Yield one input tensor for each chosen frame.

        Each tensor has the shape (1, …) and the dtype of the network's input.
        """
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


def choose_frames(card: ModelCard, source: Iterable[NamedFrame],
                  count: int = CALIBRATION_FRAMES) -> Feeds:
    """Read every frame of a recording, and choose frames for the calibration.

    :param count: number of frames to choose. If the recording has fewer frames, all are chosen.
    :raises GraphError: if the recording has no frames.
    """
    frames = [extract_features(name, decode(frame).bgr()) for name, frame in source]
    if not frames:
        raise GraphError('the recording for the calibration has no frames')
    return Feeds(card, source, choose_by_light(frames, count))
