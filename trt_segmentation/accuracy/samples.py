# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read images with their true labels, and score a pipeline with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import street
from ..errors import EvaluationError, FrameError, LabelError, LabelValueError, PictureError
from ..frame import Frame, Segmentation, Wanted
from ..host.pictures import IMAGES, read_ids, read_picture
from ..model.card import ModelCard
from ..pipeline import Pipeline, segment_one
from ..untrusted.terminal_text import did_you_mean
from .label_counts import LabelCounts
from .label_values import LabelValues
from .metrics import Scores, size

FIRST_SEED = 1_000_000
"""Seed of the first street scene for measurements. Training uses only smaller seeds."""

SCENE_SIZE = (1280, 720)
"""Width and height of the street scenes, in pixels."""


@dataclass(frozen=True)
class Sample:
    """One image with which the accuracy of a network is measured.

    :param name: says where the image comes from. Messages and reports contain this name.
    :param image: (height, width, 3) uint8 BGR.
    :param truth: (height, width) uint8 or uint16. Each pixel has its true class id, in the card's
        order of classes. None if the truth is unknown.
    :param condition: light or weather in the image, such as ``night``; empty if unknown.
    """

    name: str
    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[Any] | None = None
    condition: str = ''


def evaluate(pipeline: Pipeline, samples: Iterable[Sample], wanted: Wanted = Wanted(),
             observe: Callable[[Segmentation], None] = lambda segmentation: None) -> Scores:
    """Segment every sample and score all samples together.

    :param pipeline: a pipeline without pending batches. A batch is pending from its submission
        until it is collected.
    :param wanted: what to compute besides the labels. If ``wanted`` includes the confidence, the
        scores contain the calibration error of the confidence.
    :param observe: called with every segmentation before it is released.
    :raises EvaluationError: if a sample has no truth, or if the truth does not fit the image or
        the classes. The message names the sample.
    :raises EngineError: if the engine fails.
    """
    classes = pipeline.card.classes
    counts = LabelCounts(len(classes))
    for sample in samples:
        if sample.truth is None:
            raise EvaluationError(f'{sample.name} has no truth. Evaluate only labelled images')
        try:
            with closing_segmentation(pipeline, sample.image, wanted) as segmentation:
                counts.add_image(sample.truth, segmentation.labels, segmentation.confidence)
                observe(segmentation)
        except (FrameError, LabelError) as error:
            raise EvaluationError(f'{sample.name}: {error}') from error
    return counts.scores(classes)


def label_image(pipeline: Pipeline, image: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Return the (height, width) label map of one image. The caller owns the label map.

    :param pipeline: a pipeline without pending batches.
    :param image: (height, width, 3) uint8 BGR.
    """
    with closing_segmentation(pipeline, image) as segmentation:
        labels: npt.NDArray[Any] = segmentation.labels.copy()
    return labels


@contextmanager
def closing_segmentation(pipeline: Pipeline, image: npt.NDArray[np.uint8],
                         wanted: Wanted = Wanted()) -> Iterator[Segmentation]:
    """Segment one (height, width, 3) uint8 BGR image.

    The segmentation is released at the end of the ``with`` block.

    :param pipeline: a pipeline without pending batches.
    """
    segmentation = segment_one(pipeline, make_frame(image), wanted)
    try:
        yield segmentation
    finally:
        segmentation.release()


def make_frame(image: npt.NDArray[np.uint8]) -> Frame:
    """Make a ``bgr8`` frame of a (height, width, 3) uint8 BGR image.

    If the array is contiguous, the frame uses the memory of the array.
    """
    height, width = image.shape[:2]
    return Frame(np.ascontiguousarray(image).reshape(-1), 'bgr8', height, width, 3 * width)


def draw_street_samples(card: ModelCard, count: int, condition: str,
                        needs_truth: bool = True,
                        drive: tuple[int, float] | None = None) -> Iterator[Sample]:
    """Draw street scenes that training does not use, or the frames of one drive along a street.

    The truth has the card's class ids. If the card lacks a class of the scenes, the samples have
    no truth.

    :param condition: one of :data:`.street.CONDITIONS`.
    :param needs_truth: whether samples without truth are an error.
    :param drive: seed and frames per second of a drive, whose first frames are the samples. With
        the same two numbers, the node ``street_camera`` publishes the same frames. None for
        separate scenes.
    :raises EvaluationError: if the condition is unknown, or if ``needs_truth`` is True and the
        card lacks a class.
    """
    if condition not in street.CONDITIONS:
        near = did_you_mean(condition, street.CONDITIONS)
        raise EvaluationError(
            f'there is no condition {condition!r}{near or "."} The conditions '
            f'are {", ".join(street.CONDITIONS)}')
    missing = [name for name in street.CLASSES if name not in card.classes]
    if missing and needs_truth:
        raise EvaluationError(
            f'street scenes have classes that {card.name} lacks: {", ".join(missing)}. Evaluate '
            f'{card.name} on labelled images with --images and --labels')
    ids = None if missing else np.array(
        [card.classes.index(name) for name in street.CLASSES], card.label_dtype)
    one = None if drive is None else street.Drive(drive[0], condition, *SCENE_SIZE, drive[1])
    for number in range(count):
        scene = (one.frame(number) if one else
                 street.scene(FIRST_SEED + number, condition, *SCENE_SIZE))
        name = f'frame {number} of drive {drive[0]}' if drive else f'scene {FIRST_SEED + number}'
        truth = None if ids is None else ids[scene.truth]
        yield Sample(f'{condition} {name}', scene.image, truth, condition)


def read_folder_samples(images: Path, labels: Path, classes: int,
                        values: LabelValues = LabelValues()) -> Iterator[Sample]:
    """Read a folder of images and a folder of label maps, in the order of the image names.

    An image and its label map have the same file stem. A label map is a PNG with 8 or 16 bits of
    grey, or with a colour table as in Pascal VOC. This call checks the values of all label maps.
    An image is checked when the iterator yields its sample.

    :raises EvaluationError: if a file has no partner or is not usable. The message names the file.
    """
    pairs = pair_files(images, labels)
    try:
        values.check_label_maps((label_path for _, label_path in pairs), read_ids, classes)
    except PictureError as error:
        raise EvaluationError(str(error)) from error
    except LabelValueError as error:
        raise EvaluationError(f'{labels}: {error}') from error
    return (read_sample(*pair, classes, values) for pair in pairs)


def read_sample(image_path: Path, label_path: Path, classes: int,
                values: LabelValues) -> Sample:
    """Read an image and its label map.

    :raises EvaluationError: if a file cannot be used, or if the sizes differ.
    :raises LabelValueError: if a value in the label map has no class.
    """
    try:
        image, truth = read_picture(image_path), read_ids(label_path)
    except PictureError as error:
        raise EvaluationError(str(error)) from error
    if truth.shape != image.shape[:2]:
        raise EvaluationError(f'{label_path} is {size(truth)}, but its image {image_path} is '
                              f'{size(image)}')
    return Sample(image_path.name, image, values.to_class_ids(truth, classes))


def pair_files(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Pair each image of one folder with the label map of the same stem in another folder.

    :returns: paths of an image and its label map, in the order of the image names.
    :raises EvaluationError: if a file has no partner. The message names the file.
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise EvaluationError(f'{folder} is not a folder')
    image_paths = {p.stem: p for p in sorted(images.iterdir()) if p.suffix.lower() in IMAGES}
    label_paths = {p.stem: p for p in labels.iterdir() if p.suffix.lower() == '.png'}
    if not image_paths:
        raise EvaluationError(f'the folder {images} has no images; expected files with the '
                              f'endings {", ".join(IMAGES)}')
    for files, partners, folder in ((image_paths, label_paths, labels),
                                    (label_paths, image_paths, images)):
        alone = [path for stem, path in sorted(files.items()) if stem not in partners]
        if alone:
            near = get_close_matches(alone[0].stem, partners, n=1)
            if near and re.sub('[0-9]', '', near[0]) == re.sub('[0-9]', '', alone[0].stem):
                near = []       # a file with another number belongs to another image
            raise EvaluationError(
                f'{alone[0]} has no partner in {folder}'
                + (f', did you mean {partners[near[0]].name}?' if near else '.')
                + f' {len(alone)} of {len(files)} files have no partner. An image and its label '
                'map (PNG) must have the same name before the ending')
    return [(path, label_paths[stem]) for stem, path in image_paths.items()]
