# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Each image of a shard gets the label map with its stamp, in whichever shard this map lies."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
from fleets import draw_truths, TRUTH, write_labelled_bag
import numpy as np
import pytest
from recordings import FIRST, pictures, TOPIC

from trt_segmentation.accuracy.label_values import LabelValues
from trt_segmentation.bags.reader import Recorded
from trt_segmentation.errors import EvaluationError
from trt_segmentation.fleet.jobs.truth import MOST_APART, pair_messages, read_labelled
from trt_segmentation.fleet.recordings import Recording
from trt_segmentation.fleet.shards import Shard
from trt_segmentation.sources.image import BadImage, SourceImage

RECORDING = Recording('drive', 'file:///drive', '0' * 40, 0)
LATE = 250_000_000
"""Nanoseconds between the log times of an image and of its label map: two and a half images."""


def shard(begin: int = 0, end: int = 10 ** 19, topic: str = TOPIC) -> Shard:
    return Shard(RECORDING, topic, 0, begin, end, 1)


def message(topic: str, stamp: int | None, log_time: int) -> Recorded:
    """Return a message with only a stamp, or without one."""
    data = b'' if stamp is None else b'\0\1\0\0' + stamp.to_bytes(8, 'little')
    return Recorded(topic, 'sensor_msgs/msg/Image', 1, log_time, data)


def pair(*messages: Recorded, begin: int = 0, end: int = 10 ** 19) -> list[tuple[int, int | None]]:
    """Return the log times of the pairs."""
    return [(image.log_time_ns, None if label is None else label.log_time_ns)
            for image, label in pair_messages(messages, shard(begin, end))]


def test_a_label_map_may_be_before_or_after_its_image() -> None:
    assert pair(message(TRUTH, 1, 5), message(TOPIC, 1, 6), message(TOPIC, 2, 7),
                message(TRUTH, 3, 8), message(TRUTH, 2, 9)) == [(6, 5), (7, 9)]


def test_images_without_label_map_come_once() -> None:
    far = MOST_APART + 10
    assert pair(message(TOPIC, 1, 5), message(TOPIC, None, 6), message(TRUTH, None, 7),
                message(TRUTH, 1, far), message(TOPIC, 2, far + 1)) == [
        (6, None), (5, None), (far + 1, None)]


def test_a_label_map_is_used_only_if_the_log_times_are_near() -> None:
    assert pair(message(TRUTH, 1, 0), message(TOPIC, 1, MOST_APART)) == [(MOST_APART, 0)]
    assert pair(message(TRUTH, 1, 0), message(TOPIC, 1, MOST_APART + 1)) == [
        (MOST_APART + 1, None)]


def test_images_of_other_shards_are_left_out() -> None:
    messages = [message(topic, stamp, stamp) for stamp in (10, 20, 30) for topic in (TOPIC, TRUTH)]
    assert pair(*messages, begin=20, end=30) == [(20, 20)]


@pytest.mark.parametrize('delay', [0, LATE, -LATE])
def test_the_parts_of_a_bag_give_each_frame_once(tmp_path: Path, delay: int) -> None:
    path = write_labelled_bag(tmp_path / 'drive', 3, frames=9, every=2, delay_ns=delay)
    images, truths = pictures(9, seed=3), draw_truths(3, 9)
    cuts = [0, FIRST + 320_000_000, FIRST + 500_000_000, FIRST + 10 ** 10]
    found = [pair for begin, end in pairwise(cuts) for pair in read_labelled(
        shard(begin, end), path, TRUTH, LabelValues(), 8)]
    labelled = {image.time_ns: (image.image, truth) for image, truth in found
                if isinstance(image, SourceImage)}
    assert sorted(labelled) == [FIRST + 200_000_000 * index for index in range(5)]
    for index, stamp in enumerate(sorted(labelled)):
        np.testing.assert_array_equal(labelled[stamp][0], images[2 * index])
        np.testing.assert_array_equal(labelled[stamp][1], truths[2 * index])
    bad = [image.error for image, truth in found if isinstance(image, BadImage) and truth is None]
    assert len(found) == 9 and len(bad) == 4
    assert all(isinstance(error, EvaluationError) and 'has no label map' in str(error)
               for error in bad)


def test_a_value_without_a_class_names_the_frame(tmp_path: Path) -> None:
    path = write_labelled_bag(tmp_path / 'drive', 0)
    with pytest.raises(EvaluationError, match=rf'^drive {TOPIC} {FIRST + 7_000_000}: .* have '
                                              r'values that are no class ids.* 7 \('):
        list(read_labelled(shard(), path, TRUTH, LabelValues(), 7))
    (found, *_) = read_labelled(shard(), path, TRUTH, LabelValues((range(7, 8),)), 7)
    expected = draw_truths(0, 4)[0]
    assert found[1] is not None and set(expected[found[1] == 255]) == {7, 255}


def test_a_shard_of_a_folder_is_a_part_of_its_images(tmp_path: Path) -> None:
    truths = draw_truths(0, 3)
    for name in ('images', 'labels'):
        (tmp_path / name).mkdir()
    for index, image in enumerate(pictures(3)):
        cv2.imwrite(str(tmp_path / f'images/{index}.png'), image)
        cv2.imwrite(str(tmp_path / f'labels/{index}.png'), truths[index])
    found = list(read_labelled(shard(1_000_000_000, 3_000_000_000, ''), tmp_path, None,
                               LabelValues(), 8))
    assert [image.origin for image, _ in found] == ['1.png', '2.png']
    for (labelled, truth), index in zip(found, (1, 2), strict=True):
        assert isinstance(labelled, SourceImage)
        np.testing.assert_array_equal(labelled.image, pictures(3)[index])
        np.testing.assert_array_equal(truth, truths[index])
    (tmp_path / 'labels/2.png').unlink()
    with pytest.raises(EvaluationError, match=r'2\.png has no partner'):
        list(read_labelled(shard(0, 10 ** 9, ''), tmp_path, TRUTH, LabelValues(), 8))
