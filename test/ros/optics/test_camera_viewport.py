# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node applies an ego mask, a part of the image and rectification to each frame."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')

from node_rig import NODE
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from trt_segmentation.lens.calibration import read_lens, read_rectified
from trt_segmentation.lens.rectify import make_lookup
from trt_segmentation.ros.transport.messages import image_message
from trt_segmentation.viewport import Viewport

HEIGHT, WIDTH = 48, 64


def bent_info(**changes: Any) -> CameraInfo:
    fields = {'width': WIDTH, 'height': HEIGHT, 'distortion_model': 'plumb_bob',
              'd': [-0.3, 0.1, 0.0, 0.0, 0.0],
              'k': [50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0],
              'r': [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
              'p': [40.0, 0.0, 31.0, 0.0, 0.0, 41.0, 23.0, 0.0, 0.0, 0.0, 1.0, 0.0]}
    return CameraInfo(**{**fields, **changes})


class Stream:
    """One camera of a rig. It sends images, and reads which viewport the pipeline got."""

    def __init__(self, rig: Any, camera: str = '') -> None:
        self.rig, self.camera, self.sec, self.log = rig, camera, 0, rig.log()
        prefix = f'{camera}/' if camera else ''
        self.images = rig.speaker(Image, f'{prefix}image')
        self.infos = rig.speaker(CameraInfo, f'{prefix}camera_info')
        name = f'/{camera}/segmentation' if camera else NODE
        self.shown = rig.hear(CameraInfo, f'{name}/camera_info')

    def send(self) -> Any:
        """Send an image. Return its viewport, or the reason why it was dropped."""
        before, self.sec = self.rig.snapshot(), self.sec + 1
        message = image_message(Header(), 'mono8', np.zeros((HEIGHT, WIDTH), np.uint8))
        message.header.stamp.sec = self.sec
        self.images.publish(message)

        def now() -> Any:
            found = self.rig.snapshot()
            return found if (found.frames_out, found.frames_dropped) != (
                before.frames_out, before.frames_dropped) else None
        if self.rig.until(now).frames_dropped > before.frames_dropped:
            (camera,) = (c for c in self.rig.node.cameras if c.name == self.camera)
            return camera.frame_error
        return self.rig.pipeline.batches[-1][0].viewport

    def set(self, **values: Any) -> None:
        for result in self.rig.node.set_parameters(
                [Parameter(name, value=value) for name, value in values.items()]):
            assert result.successful, result.reason

    def send_info(self, message: CameraInfo) -> None:
        (camera,) = (c for c in self.rig.node.cameras if c.name == self.camera)
        before = camera.info
        self.infos.publish(message)
        self.rig.until(lambda: camera.info is not before)


@pytest.fixture
def stream(rig: Any) -> Stream:
    return Stream(rig)


def write_mask(path: Path, height: int = HEIGHT, width: int = WIDTH) -> Any:
    mask = np.zeros((height, width), np.uint8)
    mask[-10:, 5:20] = 255
    cv2.imwrite(str(path), mask)
    return mask


def test_without_parameters_a_frame_has_no_viewport(stream: Stream) -> None:
    assert stream.send() is None


def test_a_part_of_the_image_can_change_live(stream: Stream) -> None:
    stream.set(roi=[4, 8, 40, 30])
    first = stream.send()
    assert isinstance(first, Viewport)
    assert (first.roi, first.hidden, first.lookup) == ((4, 8, 40, 30), None, None)
    assert stream.send() is first  # the GPU copies the arrays of a viewport only once
    stream.set(roi=[0, 0, 64, 48])
    assert stream.send().roi == (0, 0, 64, 48)
    stream.set(roi=[])
    assert stream.send() is None


def test_the_ego_mask_hides_what_is_not_black(stream: Stream, tmp_path: Path) -> None:
    mask = write_mask(tmp_path / 'hood.png')
    stream.set(ego_mask=str(tmp_path / 'hood.png'))
    assert np.array_equal(stream.send().hidden, mask == 255)


def test_rectification_follows_camera_info(stream: Stream, tmp_path: Path) -> None:
    mask = write_mask(tmp_path / 'hood.png') > 0
    stream.set(rectify=True, ego_mask=str(tmp_path / 'hood.png'))
    stream.send_info(bent_info())
    found = stream.send()
    expected = make_lookup(read_lens(bent_info()), read_rectified(bent_info()))
    assert np.array_equal(found.lookup, expected)
    for row, column in ((23, 31), (44, 12), (44, 40), (0, 0), (47, 63)):
        x, y = expected[row, column]
        hidden = x < 0 or mask[int(np.rint(y)), int(np.rint(x))]
        assert found.hidden[row, column] == hidden
    assert 0 < found.hidden.mean() < 0.9
    stream.rig.until(lambda: stream.shown)
    shown = stream.shown[-1]
    assert (list(shown.d), shown.distortion_model) == ([0.0] * 5, 'plumb_bob')
    assert list(shown.k) == [40.0, 0.0, 31.0, 0.0, 41.0, 23.0, 0.0, 0.0, 1.0]
    assert list(shown.p) == list(bent_info().p)
    stream.send_info(bent_info(d=[-0.2, 0.0, 0.0, 0.0, 0.0]))
    assert not np.array_equal(stream.send().lookup, expected)


def test_without_rectification_camera_info_is_published_unchanged(stream: Stream) -> None:
    stream.set(roi=[4, 8, 40, 30])
    stream.send_info(bent_info())
    stream.send()
    stream.rig.until(lambda: stream.shown)
    assert list(stream.shown[0].d) == [-0.3, 0.1, 0.0, 0.0, 0.0]


ROI_OUTSIDE = ('the part `roi` is 40x48 pixels at column 30 and row 0, but the image has 64x48 '
               'pixels')
NO_INFO = '`rectify` is true, but no camera_info came'


@pytest.mark.parametrize('name, value, text', [
    ('roi', [30, 0, 40, 48], ROI_OUTSIDE),
    ('ego_mask', '{folder}/small.png', '`ego_mask`: {folder}/small.png has 32x24 pixels, but the '
     'image has 64x48'),
    ('rectify', True, NO_INFO)])
def test_before_the_first_image_a_fault_drops_the_image_with_its_reason(
        stream: Stream, tmp_path: Path, name: str, value: Any, text: str) -> None:
    write_mask(tmp_path / 'small.png', 24, 32)
    folder = str(tmp_path)
    stream.set(**{name: value.format(folder=folder) if isinstance(value, str) else value})
    assert stream.send().startswith(text.format(folder=folder))
    stream.set(**{name: {'roi': [], 'ego_mask': '', 'rectify': False}[name]})
    assert stream.send() is None
    counts = stream.rig.snapshot()
    assert (counts.frames_out, counts.dropped) == (1, {'bad frame': 1})
    stream.rig.until(lambda: [line for line in stream.log if line.msg.startswith('bad frame: ')])


SIZE_FREE = [
    ('roi', [0, 0, 8, 8] * 2, 'roi: `roi` has 8 numbers; expected 4'),
    ('ego_mask', '{folder}/absent.png', 'ego_mask: {folder}/absent.png cannot be read as a '
     'picture: No such file or directory'),
    ('ego_mask', '{folder}/text.png', 'ego_mask: {folder}/text.png cannot be read as a picture'),
    ('ego_mask', '{folder}/white.png', 'ego_mask: {folder}/white.png has no black pixel, so it '
     'hides the whole image'),
    ('ego_mask', 'absent.png', 'ego_mask: absent.png cannot be read as a picture: No such file or '
     f'directory. The path is relative to {Path.cwd()}, the current folder'),
    ('ego_mask', '{folder}/pipe', 'ego_mask: {folder}/pipe is not a file'),
    ('ego_mask', '{folder}', 'ego_mask: {folder} is not a file')]
"""Values that no image fits: parameter, value, and the begin of the refusal."""


@pytest.mark.parametrize('name, value, text, known', [
    *((*one, known) for one in SIZE_FREE for known in ('', 'info', 'image')),
    *((*one, known) for known in ('info', 'image') for one in (
        ('roi', [30, 0, 40, 48], f'roi: {ROI_OUTSIDE}'),
        ('roi', [0, 0, 0, 0], 'roi: its width or height is 0 in [0, 0, 0, 0]; expected'),
        ('ego_mask', '{folder}/small.png',
         'ego_mask: {folder}/small.png has 32x24 pixels, but the image has 64x48'))),
    ('rectify', True, f'rectify: {NO_INFO}', 'image')])
def test_a_value_that_cannot_be_used_is_refused_and_the_old_value_stays(
        stream: Stream, tmp_path: Path, name: str, value: Any, text: str, known: str) -> None:
    write_mask(tmp_path / 'small.png', 24, 32)
    (tmp_path / 'text.png').write_text('no picture')
    os.mkfifo(tmp_path / 'pipe')
    cv2.imwrite(str(tmp_path / 'white.png'), np.full((HEIGHT, WIDTH), 255, np.uint8))
    folder, node = str(tmp_path), stream.rig.node
    if known == 'image':
        assert stream.send() is None
    elif known == 'info':
        stream.send_info(bent_info())
    before = node.value(name)
    (result,) = node.set_parameters([Parameter(
        name, value=value.format(folder=folder) if isinstance(value, str) else value)])
    assert not result.successful and result.reason.startswith(text.format(folder=folder))
    assert node.value(name) == before and stream.send() is None


def test_values_that_do_not_fit_a_new_image_size_can_be_corrected_one_after_the_other(
        stream: Stream, tmp_path: Path) -> None:
    write_mask(tmp_path / 'small.png', 24, 32)
    stream.set(roi=[30, 0, 40, 48], ego_mask=str(tmp_path / 'small.png'))
    assert '`ego_mask`' in stream.send()
    stream.set(ego_mask='')
    assert ROI_OUTSIDE in stream.send()
    stream.set(roi=[0, 0, 64, 48])
    assert stream.send().roi == (0, 0, 64, 48)


def test_a_missing_mask_fails_the_transition_configure(make_rig: Any, tmp_path: Path) -> None:
    rig = make_rig(start=False, cli_args=['--ros-args', '-p', 'cameras:=[left, right]', '-p',
                                          f'ego_mask:={tmp_path}/{{camera}}.png'])
    write_mask(tmp_path / 'left.png')
    assert not rig.node.start()
    assert rig.node.trouble == (
        f'cannot configure: ego_mask: camera right: {tmp_path}/right.png cannot be read as a '
        'picture: No such file or directory')
    write_mask(tmp_path / 'right.png')
    assert rig.node.start()


@pytest.mark.parametrize('wrong, text', [
    (CameraInfo(width=WIDTH, height=HEIGHT), 'focal lengths are 0 and 0 pixels'),
    (bent_info(width=128, height=96), 'camera_info is for images of 128x96 pixels'),
    (bent_info(distortion_model='fov', d=[0.9]), "distortion model is 'fov'")])
def test_a_wrong_camera_info_is_named(stream: Stream, wrong: CameraInfo, text: str) -> None:
    stream.set(rectify=True)
    stream.send_info(wrong)
    found = stream.send()
    assert found.startswith('`rectify` is true, but ') and text in found
    stream.send_info(bent_info())
    assert isinstance(stream.send(), Viewport)


def test_each_camera_has_its_own_part_and_mask(make_rig: Any, tmp_path: Path) -> None:
    for name in ('left', 'right'):
        write_mask(tmp_path / f'{name}.png')
    cv2.imwrite(str(tmp_path / 'right.png'), np.zeros((HEIGHT, WIDTH), np.uint8))
    rig = make_rig(cli_args=['--ros-args', '-p', 'cameras:=[left, right]',
                             '-p', 'roi:=[0, 0, 10, 12, 20, 24, 30, 16]',
                             '-p', f'ego_mask:={tmp_path}/{{camera}}.png'])
    left, right = (Stream(rig, name).send() for name in ('left', 'right'))
    assert (left.roi, right.roi) == ((0, 0, 10, 12), (20, 24, 30, 16))
    assert (left.hidden.any(), right.hidden.any()) == (True, False)


@pytest.mark.parametrize('value, text', [
    ([1, 2, 3], 'it has 3 numbers; expected a multiple of 4'),
    ([-1, 0, 4, 4], 'its item -1 is not an integer'),
    (['a', 'b', 'c', 'd'], "its item 'a' is not an integer")])
def test_a_part_that_is_no_part_is_refused_at_once(rig: Any, value: Any, text: str) -> None:
    (result,) = rig.node.set_parameters([Parameter('roi', value=value)])
    assert not result.successful and text in result.reason
