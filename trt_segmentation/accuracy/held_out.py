# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read images to measure the accuracy of a network in a precision, such as int8.

Calibration must not use these images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..builder.feeds import Feeds, NamedFrame
from ..builder.settings import HELD_OUT_FRAMES
from ..errors import GraphError
from ..host.decode_raw import decode
from ..model.card import find_card, ModelCard
from ..street import CONDITIONS
from .label_values import LabelValues
from .recordings import open_recordings
from .samples import draw_street_samples, pair_files, read_folder_samples, Sample

NO_LABELS = '-'
"""This text in ``--hold-out-labels`` means that a source has no label maps."""


def read_held_out(card: ModelCard, sources: Sequence[str], labels: Sequence[str] = (),
                  values: LabelValues = LabelValues(), count: int = HELD_OUT_FRAMES,
                  topic: str | None = None) -> list[Sample]:
    """Read images from each source. The images are spread evenly over the source.

    A condition is a group of images in the report. Each source is one condition. Only the source
    ``street`` has several conditions, such as ``night``.

    :param sources: bags, folders of images, or ``street`` for street scenes. If the card has all
        classes of these scenes, the true class ids of the scenes are known.
    :param labels: folder of label maps for each source, or ``-`` if a source has no label maps.
        Empty if no source has label maps.
    :param count: largest number of images from each source. For ``street``, the number is rounded
        up, see :func:`draw_held_out`.
    :param topic: image topic of the bags; None if each bag has only one image topic.
    :raises GraphError: if a source cannot be read, or if a source with labels is not a folder.
    :raises EvaluationError: if an image and its label map do not fit together.
    """
    found: list[Sample] = []
    for name, truth, condition in zip(sources, labels or [NO_LABELS] * len(sources),
                                      _name_conditions(sources), strict=True):
        if truth != NO_LABELS:
            if not Path(name).is_dir():
                raise GraphError(f'--hold-out {name} is not a folder of images, so it cannot have '
                                 f'label maps. Give - instead of {truth} in --hold-out-labels')
            found += _read_labelled(card, Path(name), Path(truth), values, count, condition)
        elif name == 'street':
            found += draw_held_out(card, count)
        else:
            source = open_recordings([name], topic)
            positions = spread_evenly(sum(1 for _ in source), count)
            found += read_positions(source, positions, condition)
    return found


def _name_conditions(sources: Sequence[str]) -> list[str]:
    short = [Path(name).name for name in sources]
    return short if len(set(short)) == len(short) else list(sources)


def read_left_out(feeds: Feeds, count: int = HELD_OUT_FRAMES) -> list[Sample]:
    """Read frames that calibration did not choose, spread evenly over the recording.

    :returns: samples without true class ids; empty if calibration chose every frame.
    """
    left = np.setdiff1d(np.arange(len(feeds.choice.frames)), feeds.choice.chosen)
    return list(read_positions(feeds.source, left[spread_evenly(len(left), count)], ''))


def draw_held_out(card: ModelCard, count: int) -> Iterator[Sample]:
    """Draw at least ``count`` street scenes that neither training nor calibration uses.

    Each condition has the same number of scenes.
    """
    for condition in CONDITIONS:
        yield from draw_street_samples(card, -(-count // len(CONDITIONS)), condition,
                                       needs_truth=False)


def warn_of_scenes(card: ModelCard) -> str:
    """Return a warning that drawn scenes are not camera images; empty for the demo model."""
    if card.source == find_card('street'):
        return ''
    return ('This accuracy was measured on drawn street scenes, not on images of your '
            'camera. The loss on your images may differ, but --max-miou-drop limits the loss on '
            'these scenes. To measure on your own images, give --hold-out')


def _read_labelled(card: ModelCard, images: Path, labels: Path, values: LabelValues, count: int,
                   condition: str) -> Iterator[Sample]:
    wanted = set(spread_evenly(len(pair_files(images, labels)), count).tolist())
    samples = read_folder_samples(images, labels, len(card.classes), values)
    for index, sample in enumerate(samples):
        if index in wanted:
            yield replace(sample, condition=condition)


def read_positions(source: Iterable[NamedFrame], positions: npt.NDArray[np.intp],
                   condition: str) -> Iterator[Sample]:
    """Read the frames at some positions of a source, as samples without true class ids."""
    wanted = set(positions.tolist())
    for index, (name, frame) in enumerate(source):
        if index in wanted:
            yield Sample(name, decode(frame).bgr(), condition=condition)


def spread_evenly(total: int, count: int) -> npt.NDArray[np.intp]:
    """Return up to ``count`` of ``total`` positions, spread evenly from the first to the last."""
    return np.unique(np.linspace(0, total - 1, min(total, count)).round().astype(np.intp))
