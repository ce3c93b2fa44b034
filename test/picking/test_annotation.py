# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""CVAT and Label Studio get exactly the label maps. Decoders of their formats are written here."""

from __future__ import annotations

from contextlib import closing
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
import zipfile

import cv2
from fleets import colors_model
import numpy as np
import pytest

from trt_segmentation.fleet.run_folder import open_store
from trt_segmentation.model.card import load_card
from trt_segmentation.picking import annotation
from trt_segmentation.picking.annotation import encode_brush, write_annotation_folder
from trt_segmentation.segmented_image import SegmentedImage

CARD = load_card(colors_model())


def decode_brush(code: list[int]) -> np.ndarray:
    """Decode runs as the package rle-pack of Label Studio's web page does."""
    bits = ''.join(f'{byte:08b}' for byte in code)
    at = 0

    def read(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count:at], 2)

    total, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    out: list[int] = []
    while len(out) < total:
        is_run, length = read(1), read(sizes[read(2)]) + 1
        out += [read(word)] * length if is_run else [read(word) for _ in range(length)]
    return np.array(out, np.uint8)


@pytest.mark.parametrize('shape', [(1, 1), (3, 5), (48, 64), (200, 300)])
def test_a_brush_mask_survives(shape: tuple[int, int]) -> None:
    for seed in range(3):
        coarse = np.random.default_rng(seed).random((7, 9)) < seed / 2
        mask = cv2.resize(coarse.astype(np.uint8), shape[::-1]).astype(bool)
        pixels = decode_brush(encode_brush(mask)).reshape(*shape, 4)
        assert np.array_equal(pixels, np.repeat(mask[..., None], 4, 2) * 255)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write three pictures in files of two tasks."""
    monkeypatch.setattr(annotation, 'TASKS', 2)
    answers = [SegmentedImage('', '', np.full((6, 8, 3), i, np.uint8), labels(i), None, None,
                              CARD.classes) for i in range(3)]
    with closing(open_store(str(tmp_path))) as store:
        assert write_annotation_folder(store, 'picks', CARD, zip('abc', answers)) == 3
    return tmp_path / 'picks'


def labels(number: int) -> np.ndarray:
    found = np.full((6, 8), number, np.uint8)
    found[0], found[1] = 7, 255
    return found


def test_cvat_gets_labels_and_masks(folder: Path) -> None:
    entries = json.loads((folder / 'cvat_labels.json').read_bytes())
    assert [entry['name'] for entry in entries] == list(CARD.classes)
    with zipfile.ZipFile(folder / 'cvat_masks.zip') as archive:
        lines = archive.read('labelmap.txt').decode().splitlines()
        names = archive.read('ImageSets/Segmentation/default.txt').decode().split()
        masks = [cv2.imdecode(np.frombuffer(archive.read(f'SegmentationClass/{name}.png'),
                                            np.uint8), cv2.IMREAD_COLOR) for name in names]
    colors = {tuple(map(int, color.split(','))): name
              for name, color, _, _ in (line.split(':') for line in lines[1:])}
    assert names == ['a', 'b', 'c'] and len(colors) == 9 and colors[0, 0, 0] == 'background'
    assert {name: f'#{bytes(color).hex()}' for color, name in colors.items()} == {
        'background': '#000000', **{entry['name']: entry['color'] for entry in entries}}
    for number, mask in enumerate(masks):
        assert mask is not None
        found = np.array([[colors[tuple(pixel)] for pixel in row]
                          for row in mask[..., ::-1].tolist()])
        expected = np.array([*CARD.classes, *['background'] * 248])[labels(number)]
        assert (found == expected).all()


def test_label_studio_gets_tasks_in_several_files(folder: Path) -> None:
    files = sorted(folder.glob('label_studio_*.json'))
    assert [file.name[-9:-5] for file in files] == ['0000', '0001']
    tasks = [task for file in files for task in json.loads(file.read_bytes())]
    assert [task['data']['image'] for task in tasks] == [
        f'/data/local-files/?d=picks/images/{name}.png' for name in 'abc']
    for number, task in enumerate(tasks):
        found = np.full((6, 8), 255)
        for result in task['predictions'][0]['result']:
            mask = decode_brush(result['value']['rle']).reshape(6, 8, 4)[..., 3] > 0
            found[mask] = CARD.classes.index(result['value']['brushlabels'][0])
        assert np.array_equal(found, labels(number))
    view = ElementTree.fromstring((folder / 'label_studio.xml').read_text())
    assert [label.get('value') for label in view.iter('Label')] == list(CARD.classes)


def test_the_pictures_are_exact(folder: Path) -> None:
    found: list[Any] = [cv2.imread(str(p)) for p in sorted((folder / 'images').iterdir())]
    assert [int(image.min()) for image in found] == [0, 1, 2] and found[0].shape == (6, 8, 3)
    assert io.BytesIO((folder / 'images/a.png').read_bytes()).read(4) == b'\x89PNG'
