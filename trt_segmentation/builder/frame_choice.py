# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Which frames of a recording to calibrate on: some of every light and every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..untrusted.output_files import write_figure, write_image

CLUSTERS = 8
THUMBNAIL = (160, 90)
Image = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FrameFeatures:
    """What a frame looks like, as far as choosing needs it.

    :param name: where it is from, such as ``drive.mcap 12.300``.
    :param features: (3,) mean and spread of lightness and mean of saturation, all 0 to 1.
    :param thumbnail: (90, 160, 3) uint8 BGR.
    """

    name: str
    features: Numbers
    thumbnail: Image


@dataclass(frozen=True)
class FrameChoice:
    """Frames chosen of a recording.

    :param looks: of every frame examined, in the order of the recording.
    :param cluster: (frames,) which kind of light each has; 0 is the darkest.
    :param chosen: positions, ascending.
    """

    looks: Sequence[FrameFeatures]
    cluster: npt.NDArray[np.intp]
    chosen: npt.NDArray[np.intp]

    @property
    def names(self) -> list[str]:
        """Names of the frames chosen."""
        return [self.looks[i].name for i in self.chosen]


def look(name: str, bgr: Image) -> FrameFeatures:
    """FrameFeatures at a frame, (height, width, 3) uint8 BGR."""
    small = cv2.resize(bgr, THUMBNAIL, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
    light = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    features = np.array([light.mean(), light.std() * 2, hsv[..., 1].mean()]) / 255
    return FrameFeatures(name, features, np.asarray(small, np.uint8))


def choose(looks: Sequence[FrameFeatures], count: int) -> FrameChoice:
    """Choose frames that cover a recording; the same recording gives the same frames.

    Frames are grouped by light, every group gives as many as the others as far as it can, and
    within a group they are spread evenly over its time. So the ten seconds of tunnel in an
    hour of sun count as much as the sun, which the first 300 frames would never show.

    :param looks: in order of time, at least one.
    :param count: frames wanted; all are taken where there are fewer.
    """
    cluster = _clusters(np.stack([frame.features for frame in looks]))
    sizes = np.bincount(cluster)
    chosen = []
    for index, share in enumerate(_shares(sizes, count)):
        members = np.flatnonzero(cluster == index)
        # the middles of `share` equal stretches
        chosen.append(members[((np.arange(share) + 0.5) * len(members) / share).astype(int)]
                      if share else members[:0])
    return FrameChoice(looks, cluster, np.sort(np.concatenate(chosen)))


def _clusters(features: Numbers) -> npt.NDArray[np.intp]:
    points = features.astype(np.float32)
    count = min(CLUSTERS, len(np.unique(points, axis=0)))
    if count == 1:
        return np.zeros(len(points), np.intp)
    cv2.setRNGSeed(0)
    _, labels, centres = cv2.kmeans(
        points, count, np.empty(0, np.int32),
        (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4), 5,
        cv2.KMEANS_PP_CENTERS)
    rank = np.argsort(np.argsort(centres[:, 0]))
    numbered: npt.NDArray[np.intp] = rank[labels[:, 0]]
    return numbered


def _shares(sizes: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.intp]:
    """Deal ``count`` out evenly among groups, none above its size."""
    shares = np.zeros_like(sizes)
    left = min(count, int(sizes.sum()))
    while left:
        open_groups = np.flatnonzero(shares < sizes)
        # what does not divide goes to the largest groups
        order = open_groups[np.argsort(-sizes[open_groups], kind='stable')]
        deal = np.full(len(order), left // len(order))
        deal[:left % len(order)] += 1
        taken = np.minimum(deal, sizes[order] - shares[order])
        shares[order] += taken
        left -= int(taken.sum())
    return shares


def write_contact_sheet(choice: FrameChoice, path: Path, columns: int = 20) -> None:
    """Write a PNG of the thumbnails of the frames chosen, the darkest group first."""
    order = choice.chosen[np.argsort(choice.cluster[choice.chosen], kind='stable')]
    tiles = [choice.looks[i].thumbnail for i in order]
    columns = min(columns, len(tiles))
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i:i + columns]) for i in range(0, len(tiles), columns)]
    write_image(path, np.asarray(np.vstack(rows), np.uint8))


def write_histogram(choice: FrameChoice, path: Path) -> None:
    """Write a PNG of the light of every frame, of those chosen, and of each group's share."""
    from matplotlib.figure import Figure
    light = np.array([frame.features[0] for frame in choice.looks])
    figure = Figure(figsize=(11, 4), layout='tight')
    left, right = figure.subplots(1, 2)
    bins = list(np.linspace(0, 1, 41))
    left.hist(light, bins, label=f'all {len(light)}', color='0.75', density=True)
    left.hist(light[choice.chosen], bins, label=f'chosen {len(choice.chosen)}', density=True,
              histtype='step', color='tab:blue', linewidth=1.5)
    left.set(xlabel='mean lightness of the frame', ylabel='density')
    left.legend()
    groups = np.arange(choice.cluster.max() + 1)
    right.bar(groups - 0.2, np.bincount(choice.cluster, minlength=len(groups)), 0.4,
              label='all', color='0.75')
    right.bar(groups + 0.2, np.bincount(choice.cluster[choice.chosen], minlength=len(groups)),
              0.4, label='chosen', color='tab:blue')
    right.set(xlabel='group of light, darkest first', ylabel='frames', yscale='log',
              xticks=groups)
    right.legend()
    write_figure(path, figure, dpi=100)
