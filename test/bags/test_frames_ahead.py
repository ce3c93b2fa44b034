# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""read_frames() gives each message once, in order, with its frame."""

import threading

import numpy as np
import pytest
from recordings import (
    camera_info,
    compressed,
    FIRST,
    image_messages,
    Message,
    pictures,
    TOPIC,
    write_bag,
)
from video_bags import FFMPEG, video_bag
from videos import encode

from trt_segmentation.bags.frames_ahead import read_frames
from trt_segmentation.bags.reader import BagReader, CAMERA_INFO, COMPRESSED
from trt_segmentation.memory import PageMemory

INFO = '/camera/camera_info'


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('kind', ['raw', 'jpeg'])
@pytest.mark.parametrize('pinned', [False, True])
def test_frames_are_those_of_the_messages(tmp_path, storage, kind, pinned):
    found = pictures(30)
    topic = TOPIC if kind == 'raw' else TOPIC + '/compressed'
    messages = image_messages(found) if kind == 'raw' else [
        Message(topic, COMPRESSED, FIRST + i, compressed(picture, kind, FIRST + i))
        for i, picture in enumerate(found)]
    path = write_bag(tmp_path / 'bag', messages, storage)
    places = []

    def allocate(nbytes):
        places.append(PageMemory(nbytes))
        return places[-1]

    with BagReader(path) as bag:
        expected = [(m, m.frame()) for m in bag.messages([topic])]
        read = list(read_frames(bag, [topic], allocate if pinned else None))
    assert len(read) == 30 and len(places) == 30 * pinned
    for got, (message, frame) in zip(read, expected):
        assert got.message.number == message.number and got.error is None and got.frame
        assert got.message.stamp_ns == message.stamp_ns == frame.stamp_ns == got.frame.stamp_ns
        assert got.message.log_time_ns == message.log_time_ns
        assert (got.frame.frame_id, got.frame.encoding) == ('camera', 'bgr8')
        np.testing.assert_array_equal(got.frame.data[:got.frame.size], frame.data)
        if pinned:
            assert any(np.shares_memory(got.frame.data, place.view) for place in places)


def test_camera_infos_and_broken_images_keep_their_place(tmp_path):
    messages = image_messages(pictures(4))
    messages[2].message.step = 3
    infos = [Message(INFO, CAMERA_INFO, m.log_time_ns + 1, camera_info(FIRST)) for m in messages]
    path = write_bag(tmp_path / 'bag', messages + infos)
    with BagReader(path) as bag:
        read = list(read_frames(bag, [TOPIC, INFO]))
        data = [m.data for m in bag.messages([INFO])]
    assert [r.message.topic for r in read] == [TOPIC, INFO] * 4
    assert [r.message.data for r in read[1::2]] == data
    assert [r.frame is None for r in read[::2]] == [False, False, True, False]
    assert 'step is 3 bytes' in str(read[4].error)
    assert [r.error for r in read if r is not read[4]] == [None] * 7
    assert [r.frame for r in read[1::2]] == [None] * 4


def test_frames_of_a_video_are_those_of_the_messages(tmp_path):
    path = video_bag(tmp_path / 'bag', encode(20, 'libx265', 8), 'h265', FFMPEG)
    with BagReader(path) as bag:
        topic = bag.image_topic()
        expected = [m.frame().data for m in bag.messages([topic])]
        read = list(read_frames(bag, [topic]))
    assert len(read) == len(expected) == 20
    for got, data in zip(read, expected):
        assert got.frame and got.message.picture is None
        np.testing.assert_array_equal(got.frame.data, data)


def test_an_iteration_that_ends_early_leaves_no_thread(tmp_path):
    path = write_bag(tmp_path / 'bag', image_messages(pictures(30)))
    with BagReader(path) as bag:
        frames = read_frames(bag, [TOPIC])
        assert next(frames).message.number == 1
        frames.close()
        assert not [t for t in threading.enumerate() if t.name.startswith(('read', 'decode'))]
