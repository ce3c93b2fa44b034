# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Bags and videos are sources of frames."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from recordings import compressed, FIRST, image_messages, Message, pictures, TOPIC, write_bag

from trt_segmentation.bags.reader import COMPRESSED, IMAGE
from trt_segmentation.errors import BagError, VideoError
from trt_segmentation.sources.image import BadImage
from trt_segmentation.sources.sequences import BagImages, VideoImages
from trt_segmentation.video.damage import DamagedPart
from trt_segmentation.video.writer import VideoWriter


@pytest.fixture
def video(tmp_path):
    """Write a video of 10 gray frames. Each frame is brighter than the last."""
    pytest.importorskip('av', reason='PyAV is not installed: pip install av')
    path = tmp_path / 'drive.mp4'
    with VideoWriter(path, (48, 64), Fraction(20)) as writer:
        for number in range(10):
            writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    return path


@pytest.mark.parametrize('every, numbers', [(1, range(1, 11)), (4, (1, 5, 9))])
def test_the_images_of_a_video(video, every, numbers):
    source = VideoImages(video, 'drive.mp4', 'drive', every)
    assert source.paths == (video,) and not source.picture_names
    opened = source.open()
    assert (opened.count, opened.rate) == (len(numbers), Fraction(20, every))
    found: list[Any] = list(opened.images)
    assert [image.name for image in found] == [f'drive/{number:06d}' for number in numbers]
    assert [image.origin for image in found] == [f'drive.mp4 frame {n}' for n in numbers]
    assert [image.time_ns for image in found] == [(n - 1) * 50_000_000 for n in numbers]
    for image, number in zip(found, numbers):
        assert abs(image.image.mean() - 20 * (number - 1)) < 3
    opened.close()


def test_a_damaged_part_of_a_video_is_one_bad_image_with_a_count(video):
    reader = VideoImages(video, 'drive.mp4', 'drive')
    opened = reader.open()
    images: Any = opened.images
    first = next(images)
    images.gi_frame.f_locals['reader'].damaged.append(
        DamagedPart('frames 2 to 4: lost', (), None, 3))
    rest = list(images)
    assert first.name == 'drive/000001' and len(rest) == 10
    assert isinstance(rest[0], BadImage)
    assert str(rest[0].error) == 'drive.mp4: frames 2 to 4: lost' and rest[0].count == 3
    assert rest[-1].name == 'drive/000010'


def test_a_file_that_is_no_video(tmp_path):
    pytest.importorskip('av', reason='PyAV is not installed: pip install av')
    (tmp_path / 'x.mp4').write_bytes(b'\0\0\0\x18ftypisom')
    with pytest.raises(VideoError, match=r'x\.mp4'):
        VideoImages(tmp_path / 'x.mp4', 'x.mp4', 'x').open()


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('every, numbers', [(1, (1, 2, 3, 4, 5)), (2, (1, 3, 5))])
def test_the_images_of_a_bag(tmp_path, storage, every, numbers):
    images = pictures(5)
    path = write_bag(tmp_path / 'bag', image_messages(images, padding=5), storage)
    source = BagImages(path, 'my bag', 'bag', every=every)
    opened = source.open()
    assert (opened.count, opened.rate) == (len(numbers), Fraction(10, every))
    found: list[Any] = list(opened.images)
    assert [image.name for image in found] == [f'bag/{number:06d}' for number in numbers]
    assert [image.origin for image in found] == [f'my bag message {n}' for n in numbers]
    for image, number in zip(found, numbers):
        assert (image.image == images[number - 1]).all()
        assert image.image.flags.c_contiguous and image.image.flags.writeable
        assert image.time_ns == FIRST + 100_000_000 * (number - 1) + 7_000_000


def test_compressed_and_broken_messages_of_a_bag(tmp_path):
    (picture,) = pictures(1)
    path = write_bag(tmp_path / 'bag', [
        Message(TOPIC, COMPRESSED, FIRST, compressed(picture, 'png', FIRST)),
        Message(TOPIC, COMPRESSED, FIRST + 1, _empty(FIRST)),
        Message(TOPIC, COMPRESSED, FIRST + 2, compressed(picture, 'png', FIRST))])
    answers: list[Any] = list(BagImages(path, 'bag', 'bag').open().images)
    good, bad, last = answers
    assert (good.image == picture).all() and last.name == 'bag/000003'
    assert isinstance(bad, BadImage) and isinstance(bad.error, BagError)
    assert str(bad.error).startswith('bag message 2: compressed image of 0 bytes')


def _empty(stamp_ns):
    message = compressed(np.zeros((4, 4, 3), np.uint8), 'png', stamp_ns)
    message.data = np.zeros(0, np.uint8)
    return message


def test_a_bag_says_which_topic_it_takes(tmp_path):
    messages = image_messages(pictures(2)) + image_messages(pictures(3), '/seg/overlay')
    path, said = write_bag(tmp_path / 'bag', messages), []
    assert BagImages(path, 'bag', 'bag', say=said.append).open().count == 2
    assert len(said) == 1 and f'images are read from {TOPIC}' in said[0]
    assert BagImages(path, 'bag', 'bag', '/seg/overlay', say=said.append).open().count == 3
    assert len(said) == 1
    with pytest.raises(BagError, match="no images on '/rear'"):
        BagImages(path, 'bag', 'bag', '/rear').open()


@pytest.mark.parametrize('gap_ns, rate', [(0, 10), (1_000, 10), (40_000_000, 25)])
def test_the_rate_of_a_bag(tmp_path, gap_ns, rate):
    messages = image_messages(pictures(3))
    for number, message in enumerate(messages):
        message.log_time_ns = FIRST + number * gap_ns
    path = write_bag(tmp_path / 'bag', messages)
    assert messages[0].msgtype == IMAGE
    assert BagImages(path, 'bag', 'bag').open().rate == rate
