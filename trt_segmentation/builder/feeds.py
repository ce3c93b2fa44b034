# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The frames of a recording as the input tensors that calibration runs the network on."""

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

NamedFrame = tuple[str, Frame]
"""A frame of a recording, and a name that says where the frame comes from."""


@dataclass(frozen=True)
class Feeds:
    """The frames chosen from a recording, as input tensors.

    Each call reads the tensors once more from the recording.

    :param card: the model; its input section says how frames are preprocessed.
    :param source: frames of the recording, the same frames at each iteration.
    :param choice: positions of the chosen frames in ``source``.
    """

    card: ModelCard
    source: Iterable[NamedFrame]
    choice: FrameChoice

    def __call__(self) -> Iterator[Tensor]:
        """Yield one input tensor at a time, of shape (1, …) and the dtype of the network."""
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


def choose_frames(card: ModelCard, source: Iterable[NamedFrame], count: int = 300) -> Feeds:
    """Read every frame of a recording and choose the frames to calibrate on.

    :param source: frames of the recording, the same frames at each iteration.
    :param count: number of frames to choose; all frames if the recording has fewer.
    :raises GraphError: if the recording has no frames.
    """
    frames = [extract_features(name, decode(frame).bgr()) for name, frame in source]
    if not frames:
        raise GraphError('the recording to calibrate on has no frames')
    return Feeds(card, source, choose_by_light(frames, count))
