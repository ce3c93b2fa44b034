# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A shard can be read in full, or with one frame in each part."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path

from fleets import make_job
import numpy as np
import pytest
from recordings import compressed, FIRST, image_messages, Message, pictures, TOPIC, write_bag
import videos
from videos import damage_frame

from trt_segmentation.bags.reader import COMPRESSED
from trt_segmentation.fleet.frames import read_shard
from trt_segmentation.fleet.recordings import find_recordings
from trt_segmentation.fleet.shards import Shard
from trt_segmentation.memory import PageMemory
from trt_segmentation.sources.image import BadImage, SourceImage
from trt_segmentation.threads.ordered_map import open_pool
from trt_segmentation.video.writer import VideoWriter


@pytest.mark.parametrize(('every', 'expected'), [
    (0, range(25)), (0.1, range(25)), (0.25, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23]),
    (1.0, [0, 10, 20]), (60.0, [0])])
def test_one_image_of_a_bag_in_each_part(tmp_path: Path, every: float, expected: list[int]
                                         ) -> None:
    found = pictures(25)
    path = write_bag(tmp_path / 'drive', image_messages(found))
    (recording,) = find_recordings([str(path)])
    (shard,) = make_job('/out').plan(recording, path).shards
    with closing(read_shard(shard, path, every_s=every)) as frames:
        read = list(frames)
    assert [frame.stamp_ns for frame, _ in read] == [FIRST + 100_000_000 * n for n in expected]
    assert [frame.number for frame, _ in read] == list(range(1, len(read) + 1))
    for (_, image), number in zip(read, expected, strict=True):
        assert isinstance(image, SourceImage)
        np.testing.assert_array_equal(image.image, found[number])


def test_one_frame_of_a_video_in_each_part(tmp_path: Path) -> None:
    path = tmp_path / 'film.mp4'
    with VideoWriter(path, (48, 64), Fraction(10)) as writer:
        for picture in pictures(15):
            writer.write(picture)
    (recording,) = find_recordings([str(path)])
    (shard,) = make_job('/out').plan(recording, path).shards
    with closing(read_shard(shard, path, every_s=0.5)) as frames:
        assert [frame.log_time_ns for frame, _ in frames] == [0, 500_000_000, 1_000_000_000]


def test_a_bad_image_of_a_part_stays_bad(tmp_path: Path) -> None:
    messages = image_messages(pictures(4))
    messages[2] = Message(messages[2].topic, messages[2].msgtype, messages[2].log_time_ns,
                          b'\0\1\0\0' + bytes(8))
    path = write_bag(tmp_path / 'drive', messages)
    (recording,) = find_recordings([str(path)])
    (shard,) = make_job('/out').plan(recording, path).shards
    with closing(read_shard(shard, path, every_s=0.2)) as frames:
        assert [isinstance(image, BadImage) for _, image in frames] == [False, True]


@pytest.mark.parametrize('b_frames', ['0', '3'])
@pytest.mark.parametrize('window_s', [0.8, 60.0])
def test_each_lost_frame_of_a_video_has_a_number_and_a_time(tmp_path: Path, window_s: float,
                                                            b_frames: str) -> None:
    path = tmp_path / 'film.mkv'
    good = videos.make_file(tmp_path / 'good.mkv', count=60, bf=b_frames)
    path.write_bytes(damage_frame(good, 14))
    (recording,) = find_recordings([str(path)])
    shards = make_job('/out', window_s=window_s).plan(recording, path).shards
    assert len(shards) > 2 if window_s < 1 else len(shards) == 1
    stamps, lost = [], []
    for shard in shards:
        bad: dict[int, str] = {}
        for number, (frame, image) in enumerate(read_shard(shard, path), 1):
            assert frame.number == number and frame.stamp_ns == frame.log_time_ns
            stamps.append(frame.log_time_ns // 40_000_000)
            if isinstance(image, BadImage):
                lost.append(stamps[-1])
                bad[number] = str(image.error)
        for message in bad.values():
            which = f'frames {min(bad)} to {max(bad)}' if len(bad) > 1 else f'frame {min(bad)}'
            assert message.startswith(f'{which}: ') and len(bad) == max(bad) - min(bad) + 1
    assert stamps == list(range(60)) and sum(shard.frames for shard in shards) == 60
    assert 14 in lost and lost == list(range(lost[0], lost[-1] + 1)) and len(lost) < 20


@pytest.mark.parametrize('kind', ['raw', 'jpeg', 'png'])
def test_each_image_lies_in_memory_of_its_own(tmp_path: Path, kind: str) -> None:
    drawn, topic = pictures(6), TOPIC if kind == 'raw' else TOPIC + '/compressed'
    messages = image_messages(drawn) if kind == 'raw' else [
        Message(topic, COMPRESSED, FIRST + i, compressed(picture, kind, FIRST + i))
        for i, picture in enumerate(drawn)]
    path = write_bag(tmp_path / 'bag', messages)
    (recording,) = find_recordings([str(path)])
    shard = Shard(recording, topic, 0, 0, 1 << 62, 6)
    places: list[PageMemory] = []

    def allocate(nbytes: int) -> PageMemory:
        places.append(PageMemory(nbytes))
        return places[-1]

    with open_pool('shard', 2) as pool:
        placed = list(read_shard(shard, path, allocate, pool))
    others = list(read_shard(shard, path))
    assert len(placed) == len(others) == len(places) == 6
    for (frame, image), (expected_frame, expected) in zip(placed, others):
        assert frame == expected_frame
        assert isinstance(image, SourceImage) and isinstance(expected, SourceImage)
        np.testing.assert_array_equal(image.image, expected.image)
        assert image.image.flags.c_contiguous and image.image.flags.writeable
        owners = [place for place in places if np.shares_memory(image.image, place.view)]
        assert len(owners) == 1
        places.remove(owners[0])
    assert not places
