# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures the cameras send, and what the host pipeline answers to each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trt_segmentation.frame import Frame
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card
from trt_segmentation.pipeline import segment_one
from trt_segmentation.street import CONDITIONS, Drive

PICTURES = 4
"""Pictures a camera sends in turn."""
APART = 45
"""Frames of the drive between two of them, so that their label maps differ."""


@dataclass(frozen=True)
class Pictures:
    """What is sent and what has to come back, by camera and picture.

    :param files: .npy, (height, width, 3) uint8 BGR.
    :param answers: (height, width) class ids.
    """

    files: list[list[Path]]
    answers: list[list[npt.NDArray[np.generic]]]

    def confusable(self) -> float:
        """Share of pixels on which the answers of the two most alike pictures agree."""
        every = [answer for answers in self.answers for answer in answers]
        return max(float((a == b).mean()) for a, b in combinations(every, 2))


def render(folder: Path, cameras: int, size: tuple[int, int], model: str) -> Pictures:
    """Draw each camera a street of its own and let the host pipeline answer every picture.

    :param size: width and height.
    """
    width, height = size
    pipeline = HostPipeline(load_card(model))
    pictures = Pictures([], [])
    for camera in range(cameras):
        drive = Drive(camera, CONDITIONS[camera % len(CONDITIONS)], width, height)
        pictures.files.append([])
        pictures.answers.append([])
        for index in range(PICTURES):
            image = np.ascontiguousarray(drive.frame(index * APART).image)
            path = folder / f'camera{camera}_{index}.npy'
            np.save(path, image)
            answer = segment_one(
                pipeline, Frame(image.reshape(-1), 'bgr8', height, width, 3 * width))
            pictures.files[-1].append(path)
            pictures.answers[-1].append(answer.labels.copy())
    pipeline.close()
    return pictures
