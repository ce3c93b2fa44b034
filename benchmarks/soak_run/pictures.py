# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the cameras, and their label maps from the host pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trt_segmentation.accuracy.samples import label_image
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card
from trt_segmentation.street import CONDITIONS, Drive

PICTURES = 4
"""Number of pictures of a camera."""
APART = 45
"""Number of frames of the drive between two pictures, so that their label maps differ."""


@dataclass(frozen=True)
class Pictures:
    """Pictures and expected label maps. The indices are the camera and its picture.

    :param files: .npy files, (height, width, 3) uint8 BGR.
    :param label_maps: (height, width) class ids.
    """

    files: list[list[Path]]
    label_maps: list[list[npt.NDArray[np.generic]]]

    def confusable(self) -> float:
        """Return the fraction of pixels that are equal in the two most similar label maps."""
        every = [label_map for label_maps in self.label_maps for label_map in label_maps]
        return max(float((a == b).mean()) for a, b in combinations(every, 2))


def render(folder: Path, cameras: int, size: tuple[int, int], model: str) -> Pictures:
    """Draw a different street for each camera, and segment every picture on the host."""
    width, height = size
    pipeline = HostPipeline(load_card(model))
    pictures = Pictures([], [])
    for camera in range(cameras):
        drive = Drive(camera, CONDITIONS[camera % len(CONDITIONS)], width, height)
        pictures.files.append([])
        pictures.label_maps.append([])
        for index in range(PICTURES):
            image = np.ascontiguousarray(drive.frame(index * APART).image)
            path = folder / f'camera{camera}_{index}.npy'
            np.save(path, image)
            pictures.files[-1].append(path)
            pictures.label_maps[-1].append(label_image(pipeline, image))
    pipeline.close()
    return pictures
