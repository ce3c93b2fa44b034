# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The three formats hold the same label maps, and other programs can read them."""

from __future__ import annotations

from contextlib import closing
import json
from pathlib import Path
from typing import Any

import cv2
from fleets import make_job, NAMES, PALETTE, run_fleet
import numpy as np
import pytest
from recordings import FIRST, image_messages, write_bag

from trt_segmentation.bags.reader import BagReader
from trt_segmentation.errors import FleetError
from trt_segmentation.fleet.formats import FORMATS, read_labels


@pytest.fixture(scope='module')
def truth() -> np.ndarray:
    """Return the labels of four pictures with areas of one colour."""
    coarse = np.random.default_rng(1).integers(0, 8, (4, 6, 8), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope='module')
def shards(truth: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Label the pictures in each format, and return the folder of the shard for each format."""
    folder = tmp_path_factory.mktemp('formats')
    write_bag(folder / 'in/drive', image_messages(
        [np.ascontiguousarray(PALETTE[labels][..., ::-1]) for labels in truth]))
    found = {}
    for name in FORMATS:
        result = run_fleet(make_job(folder / name, label_format=name), folder / 'in')
        found[name] = folder / name / 'shards' / result.shards[0]
    return found


@pytest.mark.parametrize('name', FORMATS)
def test_the_label_maps_are_exact(truth: np.ndarray, shards: dict[str, Path], name: str) -> None:
    assert np.array_equal(list(read_labels(shards[name], name, 255)), truth)


def test_a_bag_has_the_stamps_and_frame_ids_of_the_images(shards: dict[str, Path]) -> None:
    with closing(BagReader(shards['bag'] / 'bag')) as bag:
        (topic,) = bag.image_topics()
        messages = list(bag.messages([topic]))
    assert topic == '/segmentation/label_map/compressed'
    assert [m.stamp_ns for m in messages] == [FIRST + 100_000_000 * i for i in range(4)]
    assert [m.log_time_ns - (m.stamp_ns or 0) for m in messages] == [7_000_000] * 4
    assert [m.frame().frame_id for m in messages] == ['camera'] * 4


def test_png_names_have_the_number_and_the_stamp(truth: np.ndarray,
                                                 shards: dict[str, Path]) -> None:
    files = sorted((shards['png'] / 'labels').iterdir())
    assert [file.name for file in files] == [
        f'{i + 1:06d}_{FIRST + 100_000_000 * i}.png' for i in range(4)]
    assert np.array_equal(cv2.imread(str(files[2]), cv2.IMREAD_UNCHANGED), truth[2])


def test_pycocotools_reads_the_coco_file(truth: np.ndarray, shards: dict[str, Path]) -> None:
    coco: Any = pytest.importorskip('pycocotools.coco').COCO(str(shards['coco'] / 'coco.json'))
    assert [entry['name'] for entry in coco.loadCats(coco.getCatIds())] == NAMES
    assert coco.getImgIds() == [1, 2, 3, 4]
    for image_id, labels in enumerate(truth, 1):
        found = np.full_like(labels, 255)
        for entry in coco.loadAnns(coco.getAnnIds([image_id])):
            mask = coco.annToMask(entry) == 1
            assert (found[mask] == 255).all() and mask.sum() == entry['area']
            found[mask] = entry['category_id'] - 1
        assert np.array_equal(found, labels)


def test_done_lists_every_other_file(shards: dict[str, Path]) -> None:
    for folder in shards.values():
        listed = json.loads((folder / 'DONE').read_bytes())['sha256']
        assert set(listed) == {str(p.relative_to(folder)) for p in folder.rglob('*')
                               if p.is_file()} - {'DONE'}


def test_a_damaged_coco_file_is_named(tmp_path: Path) -> None:
    (tmp_path / 'coco.json').write_text('{"images": [')
    with pytest.raises(FleetError, match=f'{tmp_path}/coco.json is damaged .* Delete the folder'):
        list(read_labels(tmp_path, 'coco', 255))


def test_a_damaged_png_is_named(tmp_path: Path) -> None:
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels' / '000001_5.png').write_bytes(b'\x89PNG\r\n\x1a\n')
    with pytest.raises(FleetError, match=r'000001_5\.png is damaged or is not a PNG\. Delete'):
        list(read_labels(tmp_path, 'png', 255))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=f'{tmp_path} is not complete'):
        list(read_labels(tmp_path, 'png', 255))
