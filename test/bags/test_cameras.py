# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras are found by name and content. Label maps and results are not cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recordings import compressed, FIRST, image_messages, Message, pictures, TOPIC, write_bag

from trt_segmentation.bags.cameras import CameraTopics, choose_topics, find_other_content
from trt_segmentation.bags.reader import BagReader, COMPRESSED
from trt_segmentation.errors import BagError

TRUTH = '/truth/labels'


def draw_truth(values: int = 8, width: int = 64) -> np.ndarray:
    """Return a label map of (48, width) pixels with regions of eight equal pixels in a row."""
    return (np.indices((48, width)).sum(axis=0) // 16 % values).astype(np.uint8)


def draw_noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)


def choose(path: Path, asked: str | None = None) -> CameraTopics:
    with BagReader(path) as bag:
        return choose_topics(bag, asked)


def test_each_topic_without_a_camera_is_left_out_with_a_reason(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'drive', [
        *image_messages(pictures(3), '/left'), *image_messages(pictures(3), '/left/compressed'),
        *image_messages(pictures(3), '/segmentation/overlay'),
        *image_messages([draw_truth()] * 3, TRUTH, encoding='mono8'),
        *image_messages([draw_truth().astype(np.uint16)] * 3, '/a', encoding='mono16')])
    assert choose(path) == CameraTopics(('/left',), {
        '/a': 'it has label maps', TRUTH: 'it has label maps',
        '/left/compressed': '/left has the same images',
        '/segmentation/overlay': 'it has results of trt_segmentation'})
    assert choose(path, TRUTH) == CameraTopics((TRUTH,))
    assert choose(path, '/segmentation/overlay') == CameraTopics(('/segmentation/overlay',))


@pytest.mark.parametrize(('kind', 'expected'), [('png', True), ('jpeg', False)])
def test_compressed_label_maps(tmp_path: Path, kind: str, expected: bool) -> None:
    truth = draw_truth() if expected else draw_noise()
    path = write_bag(tmp_path / 'drive', [
        Message(TRUTH, COMPRESSED, FIRST, compressed(truth, kind, FIRST))])
    with BagReader(path) as bag:
        assert find_other_content(bag, TRUTH) == ('it has label maps' if expected else '')


@pytest.mark.parametrize(('topic', 'encoding', 'is_depth'), [
    ('/a', '16UC1', True), ('/a', '32FC1', True), ('/aligned_depth/image', 'mono16', True),
    ('/thermal', 'mono16', False)])
def test_depth_images_are_left_out(tmp_path: Path, topic: str, encoding: str, is_depth: bool
                                   ) -> None:
    dtype = np.float32 if encoding == '32FC1' else np.uint16
    depth = np.random.default_rng(0).integers(400, 9000, (48, 64)).astype(dtype)
    path = write_bag(tmp_path / 'drive', [
        *image_messages(pictures(2), '/left'), *image_messages([depth] * 2, topic, encoding)])
    assert choose(path) == (CameraTopics(('/left',), {topic: f'it has depth images ({encoding})'})
                            if is_depth else CameraTopics(('/left', topic)))
    assert choose(path, topic) == CameraTopics((topic,))


@pytest.mark.parametrize('stated', ['16UC1; png compressed', '32FC1; compressedDepth'])
def test_compressed_depth_images_are_left_out(tmp_path: Path, stated: str) -> None:
    message = replace(compressed(draw_noise(), 'png', FIRST), format=stated)
    path = write_bag(tmp_path / 'drive', [
        *image_messages(pictures(1), '/left'), Message('/a/compressedDepth', COMPRESSED, FIRST,
                                                       message)])
    assert choose(path) == CameraTopics(('/left',), {
        '/a/compressedDepth': f'it has depth images ({stated[:5]})'})


def test_gray_cameras_are_cameras(tmp_path: Path) -> None:
    """A dark first image, noise with few values, and a smooth ramp are no label maps."""
    ramp = np.tile(np.arange(1280, dtype=np.uint16) // 16, (48, 1)).astype(np.uint8)
    assert np.unique(ramp).size > 64
    gray = draw_noise()
    path = write_bag(tmp_path / 'drive', [
        *image_messages([np.zeros_like(gray), gray, gray], '/dark', encoding='mono8'),
        *image_messages([gray // 32] * 3, '/noise', encoding='mono8'),
        *image_messages([ramp] * 3, '/ramp', encoding='mono8')])
    assert choose(path) == CameraTopics(('/dark', '/noise', '/ramp'))


def test_a_camera_is_found_by_any_of_its_topics(tmp_path: Path) -> None:
    jpeg = TOPIC + '/compressed'
    raw_bag = write_bag(tmp_path / 'raw', image_messages(pictures(1)))
    jpeg_bag = write_bag(tmp_path / 'jpeg', [
        Message(jpeg, COMPRESSED, FIRST, compressed(pictures(1)[0], 'jpeg', FIRST))])
    both = write_bag(tmp_path / 'both', [
        *image_messages(pictures(1)), *image_messages(pictures(1), jpeg)])
    for asked, found in ((TOPIC, (TOPIC, jpeg, TOPIC)), (jpeg, (TOPIC, jpeg, jpeg)),
                         (TOPIC + '/ffmpeg', (TOPIC, jpeg, TOPIC))):
        assert [choose(bag, asked).chosen for bag in (raw_bag, jpeg_bag, both)] == [
            (topic,) for topic in found]
    near = write_bag(tmp_path / 'near', image_messages(pictures(1), '/camera/depth/image_raw'))
    with pytest.raises(BagError, match=r"no images on '/camera/color/image_raw'\. Image topics"):
        choose(near, '/camera/color/image_raw')
    with pytest.raises(BagError, match=rf"no images on '{TOPIC}s', did you mean '{TOPIC}'"):
        choose(raw_bag, TOPIC + 's')


def test_a_bag_without_a_camera_lists_the_reasons(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'drive', image_messages([draw_truth()], TRUTH, encoding='mono8'))
    with pytest.raises(BagError, match=rf'no images of a camera.*{TRUTH} \(it has label maps\)'):
        choose(path)
