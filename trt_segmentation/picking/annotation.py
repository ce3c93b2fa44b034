# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Writes images with pre-labels that CVAT and Label Studio can import.

Pre-labels are the labels of a model. A person corrects these labels in CVAT or Label Studio.

The folder ``images`` has the images. For CVAT, ``cvat_labels.json`` has the classes,
and ``cvat_masks.zip`` has the masks in CVAT's format "Segmentation mask 1.1". For Label Studio,
``label_studio.xml`` is the labelling interface, and ``label_studio_0000.json`` has the first
tasks. A task is an image with its pre-labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
import json
from typing import Any
from xml.sax.saxutils import quoteattr
import zipfile

import cv2
import numpy as np
import numpy.typing as npt

from ..fleet.store import Store
from ..model.card import ModelCard, spread_palette
from ..segmented_image import SegmentedImage

TASKS = 25
"""Largest number of images in one file for Label Studio. Masks in JSON are large."""
_SIZES = (3, 4, 8, 16)
"""Label Studio stores the length of a run (a row of equal values) in one of these numbers of bits.
The smallest number that fits is used."""
_BACKGROUND = 'background'


def write_annotation_folder(store: Store, folder: str, card: ModelCard,
                            items: Iterable[tuple[str, SegmentedImage]]) -> int:
    """Write images and their pre-labels.

    :param folder: name of the folder in the store.
    :param items: for each image, its name without a suffix, and its segmentation.
    :returns: number of images.
    :raises OutputError: if a file cannot be written.
    """
    colors = _choose_colors(card)
    masks: list[tuple[str, bytes]] = []
    tasks: list[dict[str, Any]] = []
    count = 0
    for count, (name, answer) in enumerate(items, 1):
        store.write(f'{folder}/images/{name}.png', _png(answer.image))
        masks.append((name, _png(_paint(answer.labels, colors))))
        tasks.append(_make_task(f'{folder}/images/{name}.png', answer, card))
        if len(tasks) == TASKS:
            _write_tasks(store, folder, count, tasks)
    if tasks:
        _write_tasks(store, folder, count + TASKS - 1, tasks)
    store.write(f'{folder}/cvat_labels.json', json.dumps(
        [{'name': name, 'color': f'#{bytes(color).hex()}', 'attributes': []}
         for name, color in zip(card.classes, colors.tolist())], indent=1).encode())
    store.write(f'{folder}/cvat_masks.zip', _zip_masks(card, colors, masks))
    labels = '\n'.join(
        f'    <Label value={quoteattr(name)} background="#{bytes(color).hex()}"/>'
        for name, color in zip(card.classes, colors.tolist()))
    store.write(f'{folder}/label_studio.xml', (
        f'<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <BrushLabels name="labels" toName="image">\n{labels}\n  </BrushLabels>\n</View>\n'
    ).encode())
    return count


def encode_brush(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Return the run-length code of a mask in the format of Label Studio, as a list of bytes.

    The format is for RGBA images. Here, the four channels are equal.

    :param mask: (height, width).
    """
    flat = np.repeat(mask.reshape(-1), 4)
    edges = np.flatnonzero(np.diff(flat)) + 1
    begins = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([begins, [flat.size]]))
    bits = [f'{flat.size:032b}{8 - 1:05b}', *(f'{size - 1:04b}' for size in _SIZES)]
    for begin, length in zip(begins.tolist(), lengths.tolist()):
        value = '11111111' if flat[begin] else '00000000'
        while length:
            part = min(length, 1 << _SIZES[-1])
            index = next(i for i, size in enumerate(_SIZES) if part <= 1 << size)
            bits.append(f'1{index:02b}{part - 1:0{_SIZES[index]}b}{value}')
            length -= part
    digits = np.frombuffer(''.join(bits).encode(), np.uint8) - ord('0')
    return np.packbits(digits).tolist()


def _choose_colors(card: ModelCard) -> npt.NDArray[np.uint8]:
    """Return the card's colours. If two are equal, or if one is black, return other colours."""
    # CVAT finds the class of a pixel by the colour of the pixel. Black is CVAT's background.
    different = {tuple(color) for color in card.palette.tolist()} - {(0, 0, 0)}
    return card.palette if len(different) == len(card.classes) else spread_palette(
        len(card.classes))


def _paint(labels: npt.NDArray[Any], colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a label map as a BGR image. Pixels without a class are black."""
    table = np.zeros((np.iinfo(labels.dtype).max + 1, 3), np.uint8)
    table[:len(colors)] = colors[:, ::-1]
    return np.asarray(table[labels])


def _zip_masks(card: ModelCard, colors: npt.NDArray[np.uint8], masks: list[tuple[str, bytes]]
               ) -> bytes:
    lines = [f'{name}:{",".join(map(str, color))}::' for name, color in [
        *zip(card.classes, colors.tolist()),
        *([] if _BACKGROUND in card.classes else [(_BACKGROUND, [0, 0, 0])])]]
    data = BytesIO()
    with zipfile.ZipFile(data, 'w') as archive:
        # A ZipInfo has a fixed date, so equal masks give equal ZIP files.
        def add(name: str, content: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name), content)

        add('labelmap.txt', '\n'.join(['# label:color_rgb:parts:actions', *lines, '']).encode())
        add('ImageSets/Segmentation/default.txt', ''.join(f'{n}\n' for n, _ in masks).encode())
        for name, png in masks:
            add(f'SegmentationClass/{name}.png', png)
    return data.getvalue()


def _make_task(path: str, answer: SegmentedImage, card: ModelCard) -> dict[str, Any]:
    height, width = answer.labels.shape
    result = [{
        'type': 'brushlabels', 'from_name': 'labels', 'to_name': 'image',
        'original_width': width, 'original_height': height, 'image_rotation': 0,
        'value': {'format': 'rle', 'rle': encode_brush(answer.labels == label),
                  'brushlabels': [card.classes[label]]}}
        for label in np.unique(answer.labels).tolist() if label < len(card.classes)]
    return {'data': {'image': f'/data/local-files/?d={path}'},
            'predictions': [{'model_version': card.name, 'result': result}]}


def _write_tasks(store: Store, folder: str, count: int, tasks: list[dict[str, Any]]) -> None:
    name = f'{folder}/label_studio_{count // TASKS - 1:04d}.json'
    store.write(name, json.dumps(tasks).encode())
    tasks.clear()


def _png(picture: npt.NDArray[Any]) -> bytes:
    return cv2.imencode('.png', picture)[1].tobytes()
