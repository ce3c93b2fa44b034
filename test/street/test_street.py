# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Street scenes are drawn with their truth."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from trt_segmentation.street import CLASSES, CONDITIONS, Drive, scene

SIZE = (512, 288)
SEEDS = range(8)


def test_names() -> None:
    assert CLASSES == (
        'road', 'lane marking', 'sidewalk', 'building', 'vegetation', 'sky', 'person', 'vehicle',
        'pole', 'traffic sign')
    assert CONDITIONS == ('day', 'night', 'rain', 'snow')


@pytest.mark.parametrize('condition', CONDITIONS)
@pytest.mark.parametrize('size', [(512, 288), (320, 240), (65, 130)])
def test_shape_and_ids(condition: str, size: tuple[int, int]) -> None:
    result = scene(5, condition, *size)
    assert result.condition == condition
    assert result.image.shape == (size[1], size[0], 3) and result.image.dtype == np.uint8
    assert result.truth.shape == (size[1], size[0]) and result.truth.dtype == np.uint8
    assert result.truth.max() < len(CLASSES)
    assert result.image.flags.c_contiguous and result.truth.flags.c_contiguous


@pytest.mark.parametrize('condition', CONDITIONS)
def test_deterministic(condition: str) -> None:
    first, second = scene(3, condition, *SIZE), scene(3, condition, *SIZE)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.truth, second.truth)


def test_random_access_from_threads() -> None:
    drive = Drive(4, 'night', *SIZE)
    forth = [drive.frame(index) for index in (0, 7, 300)]
    with ThreadPoolExecutor(3) as pool:
        back = list(pool.map(Drive(4, 'night', *SIZE).frame, (300, 7, 0)))
    for one, other in zip(forth, reversed(back)):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.truth, other.truth)


def test_condition_changes_image_only() -> None:
    for seed in (0, 1, 2):
        scenes = [scene(seed, condition, *SIZE) for condition in CONDITIONS]
        for index, one in enumerate(scenes):
            assert np.array_equal(one.truth, scenes[0].truth)
            for other in scenes[index + 1:]:
                difference = cv2.absdiff(one.image, other.image)
                assert float(difference.mean()) > 12


def test_every_class_occurs() -> None:
    share = np.zeros(len(CLASSES))
    for seed in SEEDS:
        truth = scene(seed, 'day', *SIZE).truth
        share += np.bincount(truth.ravel(), minlength=len(CLASSES)) / truth.size / len(SEEDS)
    least = (0.12, 0.006, 0.02, 0.04, 0.03, 0.03, 0.002, 0.02, 0.003, 0.0005)
    for name, found, expected in zip(CLASSES, share, least):
        assert expected < found < 0.6, f'{name}: {found:.4f}'


def test_night_is_dark_and_snow_is_bright() -> None:
    level = {condition: np.mean([scene(seed, condition, *SIZE).image.mean() for seed in SEEDS])
             for condition in CONDITIONS}
    assert level['night'] < level['rain'] < level['snow']
    assert level['night'] < 0.6 * level['day']


@pytest.mark.parametrize('seed', [1, 6])
def test_same_scene_at_any_size(seed: int) -> None:
    large, small = scene(seed, 'day', 1280, 720), scene(seed, 'day', 640, 360)
    halved = cv2.resize(large.truth, (640, 360), interpolation=cv2.INTER_NEAREST)
    assert float((halved == small.truth).mean()) > 0.95


@pytest.mark.parametrize('seed', [0, 3])
def test_moves_smoothly(seed: int) -> None:
    drive = Drive(seed, 'day', *SIZE)
    here, after, later = (drive.frame(index).truth for index in (90, 91, 240))
    assert 0.9 < float((here == after).mean()) < 1
    assert float((here == later).mean()) < float((here == after).mean()) - 0.02


def test_rate_sets_the_time_between_frames() -> None:
    slow, fast = Drive(2, 'day', *SIZE, fps=15.0), Drive(2, 'day', *SIZE, fps=30.0)
    assert np.array_equal(slow.frame(20).truth, fast.frame(40).truth)


def test_seeds_differ() -> None:
    assert not np.array_equal(scene(0, 'day', *SIZE).truth, scene(1, 'day', *SIZE).truth)


def test_intrinsics_scale() -> None:
    fx, fy, cx, cy = Drive(0, 'day', 1280, 720).intrinsics
    assert fx == fy and 700 < fx < 1300 and (cx, cy) == (639.5, 359.5)
    assert Drive(0, 'day', 640, 360).intrinsics[0] == pytest.approx(fx / 2)


@pytest.mark.parametrize('arguments, word', [
    ({'seed': -1}, 'seed'), ({'condition': 'fog'}, 'fog'), ({'width': 63}, 'width'),
    ({'height': 0}, 'height'), ({'fps': 0.0}, 'fps'), ({'fps': float('nan')}, 'fps')])
def test_bad_arguments(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Drive(**{'seed': 0, **arguments})  # type: ignore[arg-type]


def test_bad_index() -> None:
    with pytest.raises(ValueError, match='index'):
        Drive(0, 'day', *SIZE).frame(-1)
