# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the label maps of a shard to a bag, to PNG files or to a COCO file, and reads them.

A shard is a part of a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
import json
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from ..bags.reader import BagReader
from ..bags.writer import BagWriter, EncodedResult
from ..errors import FleetError
from ..frame import Segmentation
from ..host.label_png import encode_label_png
from ..model.card import ModelCard
from ..segmented_image import SegmentedImage
from ..sources.image import as_frame
from ..untrusted.output_files import raise_output_errors
from .frames import ShardFrame
from .store import dump_json

FORMATS = ('bag', 'png', 'coco')
BAG, LABELS, COCO = 'bag', 'labels', 'coco.json'
"""Names of the bag, the folder of PNG files and the COCO file in the folder of a shard."""
_TOPIC = '/segmentation/label_map/compressed'


class LabelWriter(Protocol):
    """Writes the label maps of one shard. Close the writer after the last frame."""

    def encode(self, frame: ShardFrame, answer: SegmentedImage) -> Any:
        """Encode a label map for :meth:`write`. Any thread may call this method."""

    def write(self, frame: ShardFrame, encoded: Any) -> None:
        """Write one label map. Call this method in one thread and in the order of the frames.

        :raises OutputError: if the file cannot be written.
        """

    def close(self) -> None:
        """Finish and close the files."""


def open_writer(label_format: str, folder: Path, card: ModelCard) -> LabelWriter:
    """Open a writer for the label maps of one shard.

    :param label_format: one of :data:`FORMATS`, or ``none`` to write no label maps.
    :param folder: empty folder of the shard.
    """
    writers: dict[str, Callable[[Path, ModelCard], LabelWriter]] = {
        'bag': BagLabels, 'png': PngLabels, 'coco': CocoLabels, 'none': NoLabels}
    return writers[label_format](folder, card)


class BagLabels(LabelWriter):
    """Writes a bag. Each label map is a PNG with the stamp and the log time of its image."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self._bag = BagWriter(folder / BAG, card, overlay=False, png=True)

    def encode(self, frame: ShardFrame, answer: SegmentedImage) -> EncodedResult:
        header = replace(as_frame(answer.image), stamp_ns=frame.stamp_ns or 0,
                         frame_id=frame.frame_id)
        return self._bag.encode(frame.log_time_ns, Segmentation(header, answer.labels))

    def write(self, frame: ShardFrame, encoded: EncodedResult) -> None:
        self._bag.write(encoded)

    def close(self) -> None:
        self._bag.__exit__()


class PngLabels(LabelWriter):
    """Writes a PNG of class ids for each frame. Its name has the frame number and the stamp."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self._folder = folder / LABELS
        with raise_output_errors(self._folder):
            self._folder.mkdir()

    def encode(self, frame: ShardFrame, answer: SegmentedImage) -> bytes:
        return encode_label_png(answer.labels)

    def write(self, frame: ShardFrame, encoded: bytes) -> None:
        path = self._folder / f'{frame.number:06d}_{frame.stamp_ns}.png'
        with raise_output_errors(path):
            path.write_bytes(encoded)


class NoLabels(LabelWriter):
    """Writes no label maps. The only result of the run is the table of the frames (manifest)."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        pass


class CocoLabels(LabelWriter):
    """Writes one COCO file of "stuff" annotations.

    Each class in a frame has one run-length mask. A category id is the class id plus 1, because
    COCO has no category 0.
    """

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self._path = folder / COCO
        self._card = card
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def encode(self, frame: ShardFrame, answer: SegmentedImage
               ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        from pycocotools import mask as masks
        height, width = answer.labels.shape
        annotations = []
        for label in np.unique(answer.labels).tolist():
            if label < len(self._card.classes):
                coded = masks.encode(np.asfortranarray(answer.labels == label, np.uint8))
                annotations.append({
                    'image_id': frame.number, 'category_id': label + 1, 'iscrowd': 0,
                    'area': int(masks.area(coded)), 'bbox': masks.toBbox(coded).tolist(),
                    'segmentation': {'size': [height, width],
                                     'counts': coded['counts'].decode('ascii')}})
        return {'id': frame.number, 'width': width, 'height': height,
                'file_name': f'{frame.number:06d}_{frame.stamp_ns}.png'}, annotations

    def write(self, frame: ShardFrame,
              encoded: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
        image, annotations = encoded
        self._images.append(image)
        for annotation in annotations:
            self._annotations.append({'id': len(self._annotations) + 1, **annotation})

    def close(self) -> None:
        tree = {'info': {'description': f'label maps of {self._card.name}'},
                'images': self._images, 'annotations': self._annotations,
                'categories': [{'id': index + 1, 'name': name, 'supercategory': 'stuff'}
                               for index, name in enumerate(self._card.classes)]}
        with raise_output_errors(self._path):
            self._path.write_bytes(dump_json(tree))


def read_labels(folder: Path, label_format: str, unlabelled: int) -> Iterator[npt.NDArray[Any]]:
    """Yield the label maps of a shard, in the order of the frames.

    A frame that could not be decoded has no label map, and is left out.

    :param folder: folder of a complete shard.
    :param label_format: one of :data:`FORMATS`.
    :param unlabelled: value of the pixels without a class. Only ``coco`` needs this value, because
        the label maps of the other formats contain it.
    :raises FleetError: if a file of the shard is missing, or if a PNG or COCO file is damaged.
    :raises BagError, FrameError: if the bag or one of its label maps is damaged.
    """
    reader = {'bag': _read_bag, 'png': _read_png}.get(label_format)
    try:
        yield from reader(folder) if reader else _read_coco(folder, unlabelled)
    except OSError as error:
        raise FleetError(f'{folder} is not complete: {error}') from error


def _read_bag(folder: Path) -> Iterator[npt.NDArray[Any]]:
    with closing(BagReader(folder / BAG)) as bag:
        for message in bag.messages([_TOPIC]):
            yield message.labels()


def _read_png(folder: Path) -> Iterator[npt.NDArray[Any]]:
    for path in sorted((folder / LABELS).iterdir()):
        labels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        if labels is None:
            raise FleetError(f'{path} is damaged or is not a PNG. Delete the folder of this '
                             'shard, and run `trt_seg label` again')
        yield labels


def _read_coco(folder: Path, unlabelled: int) -> Iterator[npt.NDArray[Any]]:
    from pycocotools import mask as masks
    try:
        tree = json.loads((folder / COCO).read_bytes())
    except ValueError as error:
        raise FleetError(f'{folder / COCO} is damaged ({error}). Delete the folder of this shard, '
                         'and run `trt_seg label` again') from error
    for image in tree['images']:
        labels = np.full((image['height'], image['width']), unlabelled,
                         np.uint8 if unlabelled == 255 else np.uint16)
        for entry in tree['annotations']:
            if entry['image_id'] == image['id']:
                labels[masks.decode(entry['segmentation']) == 1] = entry['category_id'] - 1
        yield labels
