# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Shards begin at keyframes, hold each frame once, and have keys that follow their causes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from fleets import colors_model, ENGINE, make_job
import numpy as np
import pytest
from recordings import image_messages, pictures, write_bag
import video_bags
import videos

from trt_segmentation.fleet.frames import read_shard
from trt_segmentation.fleet.recordings import find_recordings
from trt_segmentation.fleet.shards import (
    dump_plan,
    plan_shards,
    read_plan,
    run_key,
    Shard,
    ShardPlan,
)
from trt_segmentation.model.card import load_card
from trt_segmentation.sources.image import SourceImage
from trt_segmentation.video.writer import VideoWriter


def plan(path: Path, window_s: float) -> list[Shard]:
    (recording,) = find_recordings([str(path)])
    return plan_shards(recording, path, make_job('/out', window_s=window_s)).shards


def read_all(shards: list[Shard], path: Path) -> list[np.ndarray]:
    images = [image for shard in shards for _, image in read_shard(shard, path)]
    assert all(isinstance(image, SourceImage) for image in images)
    return [image.image for image in images if isinstance(image, SourceImage)]


@pytest.mark.parametrize(('seconds', 'sizes'), [
    (60, [25]), (1, [10, 10, 5]), (0.7, [7, 7, 7, 4]), (0.05, [1] * 25)])
def test_a_bag_is_divided_by_time(tmp_path: Path, seconds: float, sizes: list[int]) -> None:
    found = pictures(25)
    bag = write_bag(tmp_path / 'drive', image_messages(found))
    shards = plan(bag, seconds)
    filled = [s for s in (list(read_shard(shard, bag)) for shard in shards) if s]
    assert [len(frames) for frames in filled] == sizes
    assert np.array_equal(read_all(shards, bag), found)
    assert sum(shard.frames for shard in shards) == 25


def test_each_camera_of_a_bag_has_shards_but_not_each_transport(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', [
        message for topic in ('/left/image', '/right/image', '/right/image/compressed',
                              '/segmentation/overlay')
        for message in image_messages(pictures(2), topic)])
    assert [shard.topic for shard in plan(bag, 60)] == ['/left/image', '/right/image']


@pytest.mark.parametrize('codec', ['libx264', 'libx265'])
def test_a_video_topic_is_divided_at_keyframes(tmp_path: Path, codec: str) -> None:
    packets = videos.encode(47, codec, every_key=10)
    bag = video_bags.video_bag(tmp_path / 'drive', packets, 'h264' if '264' in codec else 'h265')
    shards = plan(bag, 0.8)     # 20 frames of 40 ms
    assert [len(list(read_shard(shard, bag))) for shard in shards] == [20, 20, 7]
    whole = read_all(plan(bag, 60), bag)
    assert len(whole) == 47 and np.array_equal(read_all(shards, bag), whole)
    assert [len(list(read_shard(s, bag))) for s in plan(bag, 0.1)] == [10, 10, 10, 10, 7]


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv'])
def test_a_video_file_is_divided_at_keyframes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'drive{suffix}'
    size = videos.HEIGHT, videos.WIDTH
    with VideoWriter(tmp_path / 'first.mp4', size, Fraction(25)) as writer:
        for number in range(60):
            writer.write(videos.draw(number))
    videos.run_ffmpeg('-i', tmp_path / 'first.mp4', '-c:v', 'libx264', '-g', '12', '-bf', '2',
                      path)
    shards = plan(path, 1.0)
    assert len(shards) > 2 and sum(shard.frames for shard in shards) == 60
    whole = videos.decode_file(path)
    assert len(whole) == 60 and np.array_equal(read_all(shards, path), whole)


def test_plans_survive_json(tmp_path: Path) -> None:
    shards = plan(write_bag(tmp_path / 'drive', image_messages(pictures(25))), 1)
    tree = dump_plan(shards[0].recording, found := ShardPlan(shards, {'/x': 'a reason'}))
    assert read_plan(tree) == found
    moved = replace(shards[0].recording, url='s3://bucket/drive')
    assert {shard.recording for shard in read_plan(tree, moved).shards} == {moved}


def test_every_cause_changes_the_key(tmp_path: Path) -> None:
    card = load_card(colors_model())
    other = tmp_path / 'other.onnx'
    data = card.model.read_bytes()
    assert data.count(b'logits') > 0
    other.write_bytes(data.replace(b'logits', b'lagits'))
    keys = [run_key(card, ENGINE, 'auto', 'bag'), run_key(card, 'auto', 'auto', 'bag'),
            run_key(card, ENGINE, 'fp16', 'bag'), run_key(card, ENGINE, 'auto', 'png'),
            run_key(replace(card, classes=(*card.classes[:-1], 'x')), ENGINE, 'auto', 'bag'),
            run_key(replace(card, model=other), ENGINE, 'auto', 'bag'),
            run_key(replace(card, input=replace(card.input, resize='crop')), ENGINE, 'auto',
                    'bag')]
    assert len(set(keys)) == len(keys)
    bag = write_bag(tmp_path / 'drive', image_messages(pictures(5)))
    (shard,) = plan(bag, 60)
    names = [shard.name(make_job('/out')), shard.name(make_job('/out', label_format='png')),
             replace(shard, topic='/x').name(make_job('/out')),
             replace(shard, end_ns=shard.end_ns + 1).name(make_job('/out')),
             replace(shard, recording=replace(shard.recording, identity='0')).name(
                 make_job('/out'))]
    assert len(set(names)) == len(names)
    assert shard.name(make_job('/elsewhere')) == names[0]
