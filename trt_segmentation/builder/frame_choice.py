# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Choose frames of a recording for the calibration. The frames cover every kind of light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..untrusted.output_files import make_folder, write_figure, write_image
from .settings import CALIBRATION_FRAMES, FEW_FRAMES

MAX_GROUPS = 8
"""Frames are divided into at most this many groups of similar light."""
THUMBNAIL = (160, 90)
"""Width and height of a thumbnail, in pixels."""
CAPTION = 24
"""Height of the caption below the thumbnails, in pixels."""
_ALL, _CHOSEN = '#c9ced4', '#33658a'
Image = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FrameFeatures:
    """The light of a frame, and a thumbnail of the frame.

    :param name: where the frame comes from, such as ``drive.mcap 12.300000000``. The number is the
        frame's stamp in seconds.
    :param light: (3,) float64: mean lightness, twice the standard deviation of the lightness, and
        mean saturation. Lightness and saturation are 0 to 1.
    :param thumbnail: (90, 160, 3) uint8 BGR.
    """

    name: str
    light: Numbers
    thumbnail: Image


@dataclass(frozen=True)
class FrameChoice:
    """The frames chosen from a recording.

    :param frames: features of every frame, in the order of the recording.
    :param group: (frames,) result of :func:`group_by_light`.
    :param chosen: indices of the chosen frames, ascending.
    """

    frames: Sequence[FrameFeatures]
    group: npt.NDArray[np.intp]
    chosen: npt.NDArray[np.intp]


def extract_features(name: str, bgr: Image) -> FrameFeatures:
    """Extract the features of a frame. ``bgr`` is (height, width, 3) uint8 BGR."""
    small = cv2.resize(bgr, THUMBNAIL, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
    gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    light = np.array([gray.mean(), gray.std() * 2, hsv[..., 1].mean()]) / 255
    return FrameFeatures(name, light, np.asarray(small, np.uint8))


def choose_by_light(frames: Sequence[FrameFeatures], count: int) -> FrameChoice:
    """Choose frames that cover every kind of light. Equal input gives equal output.

    The frames are divided into groups of similar light. Each group gives the same number of
    frames, so rare light is well covered. A group that is too small gives all its frames, and the
    other groups give more. The chosen frames of a group are spread evenly over time.

    :param frames: features of all frames, the oldest frame first; at least one frame.
    :param count: number of frames to choose. If ``frames`` has fewer frames, all are chosen.
    """
    group = group_by_light(np.stack([frame.light for frame in frames]))
    chosen = []
    for index, share in enumerate(_deal_out(np.bincount(group), count)):
        members = np.flatnonzero(group == index)
        # Cut the group into `share` equal parts. Choose the frame in the middle of each part.
        chosen.append(members[((np.arange(share) + 0.5) * len(members) / share).astype(int)]
                      if share else members[:0])
    return FrameChoice(frames, group, np.sort(np.concatenate(chosen)))


def group_by_light(light: Numbers) -> npt.NDArray[np.intp]:
    """Divide frames into groups of similar light.

    :param light: (frames, 3) :attr:`FrameFeatures.light` of each frame.
    :returns: (frames,) index of each frame's group. Group 0 is the darkest group.
    """
    points = light.astype(np.float32)
    count = min(MAX_GROUPS, len(np.unique(points, axis=0)))
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


def _deal_out(sizes: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.intp]:
    """Divide ``count`` frames evenly among groups. Group ``i`` has only ``sizes[i]`` frames."""
    shares = np.zeros_like(sizes)
    left = min(count, int(sizes.sum()))
    while left:
        open_groups = np.flatnonzero(shares < sizes)
        # If the division leaves a remainder, each of the largest groups gets one more frame.
        order = open_groups[np.argsort(-sizes[open_groups], kind='stable')]
        deal = np.full(len(order), left // len(order))
        deal[:left % len(order)] += 1
        taken = np.minimum(deal, sizes[order] - shares[order])
        shares[order] += taken
        left -= int(taken.sum())
    return shares


def warn_few_frames(count: int) -> str:
    """Return a warning if a calibration has few frames; otherwise an empty text."""
    if count >= FEW_FRAMES:
        return ''
    return (f'warning: the calibration has only {count} frames. The ranges cover only what these '
            f'frames show, so INT8 may be wrong on other images. Give recordings with '
            f'{CALIBRATION_FRAMES} frames or more, of every kind of light')


def write_choice(choice: FrameChoice, folder: Path) -> str:
    """Write ``contact_sheet.png`` and ``histogram.png``, and return their paths as text.

    :param folder: created if it does not exist.
    :raises OutputError: if the folder or a file cannot be written.
    """
    make_folder(folder, '--report')
    write_contact_sheet(choice, folder / 'contact_sheet.png')
    write_histogram(choice, folder / 'histogram.png')
    return f'{folder / "contact_sheet.png"}, {folder / "histogram.png"}'


def write_contact_sheet(choice: FrameChoice, path: Path, columns: int = 20) -> None:
    """Write a PNG with the thumbnails of the chosen frames, the darkest group first.

    Each thumbnail shows the index of the frame's group and the end of the frame's name.

    :raises OutputError: if the file cannot be written.
    """
    order = choice.chosen[np.argsort(choice.group[choice.chosen], kind='stable')]
    tiles = [_label_thumbnail(choice.frames[i], int(choice.group[i])) for i in order]
    columns = min(columns, max(len(tiles), 4))      # the caption is about four tiles wide
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i:i + columns]) for i in range(0, len(tiles), columns)]
    caption = np.zeros((CAPTION, rows[0].shape[1], 3), np.uint8)
    _write_text(caption, f'{len(order)} of {len(choice.frames)} frames, sorted by light. '
                'Group 0 is the darkest.', 0.5)
    write_image(path, np.asarray(np.vstack([*rows, caption]), np.uint8))


def _label_thumbnail(frame: FrameFeatures, group: int) -> Image:
    tile = frame.thumbnail.copy()
    tile[-16:] //= 4
    _write_text(tile, f'{group}: {frame.name[-20:]}', 0.35)
    return tile


def _write_text(image: Image, text: str, size: float) -> None:
    cv2.putText(image, text, (4, len(image) - 5), cv2.FONT_HERSHEY_SIMPLEX, size,
                (255, 255, 255), 1, cv2.LINE_AA)


def write_histogram(choice: FrameChoice, path: Path) -> None:
    """Write a PNG with two histograms: lightness of the frames, and number of frames per group.

    :raises OutputError: if the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter
    lightness = np.array([frame.light[0] for frame in choice.frames])
    figure = Figure(figsize=(11, 4.6), layout='constrained')
    left, right = figure.subplots(1, 2)
    bins = list(np.linspace(0, 1, 41))
    left.hist(lightness, bins, label=f'all {len(lightness)} frames', color=_ALL, density=True)
    left.hist(lightness[choice.chosen], bins, label=f'the {len(choice.chosen)} chosen frames',
              density=True, histtype='step', color=_CHOSEN, linewidth=1.5)
    left.set(xlabel='mean lightness of the frame, 0 is black', ylabel='density')
    groups = np.arange(choice.group.max() + 1)
    right.bar(groups - 0.2, np.bincount(choice.group, minlength=len(groups)), 0.4,
              label='all frames', color=_ALL)
    right.bar(groups + 0.2, np.bincount(choice.group[choice.chosen], minlength=len(groups)),
              0.4, label='chosen frames', color=_CHOSEN)
    right.set(xlabel='group of light, 0 is the darkest', ylabel='frames (logarithmic)',
              yscale='log', xticks=groups)
    right.set_ylim(bottom=0.7)
    right.yaxis.set_major_formatter(ScalarFormatter())
    right.yaxis.set_minor_formatter(NullFormatter())
    for axes, title in ((left, 'How light the frames are'), (right, 'Frames of each group')):
        axes.set_title(title, loc='left', fontweight='bold')
        axes.spines[['top', 'right']].set_visible(False)
        axes.legend(frameon=False)
    figure.supxlabel('Each group of light gives about the same number of frames to the '
                     'calibration, so that rare light counts too.', x=0.01, ha='left', fontsize=10,
                     color='#6e7278')
    write_figure(path, figure, dpi=100)
