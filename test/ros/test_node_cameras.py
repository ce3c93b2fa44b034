# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Many cameras share one engine, and a fault of one camera does not stop the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray
from node_rig import camera_image
from rclpy.exceptions import ParameterException
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from trt_segmentation.errors import EngineError

NAMES = ('front', 'left', 'rear')


@pytest.fixture
def cameras(make_rig: Any) -> Any:
    return make_rig(cli_args=['--ros-args', '-p', f'cameras:=[{", ".join(NAMES)}]'])


def ends(rig: Any) -> tuple[dict[str, Any], dict[str, list[Image]]]:
    """Return each camera's image publisher, and the label maps that arrive for each camera."""
    return ({name: rig.speaker(Image, f'{name}/image') for name in NAMES},
            {name: rig.hear(Image, f'/{name}/segmentation/label_map') for name in NAMES})


def hold(rig: Any, speaker: Any, camera: str) -> None:
    """Keep the pipeline busy with one frame, so that the next frames wait."""
    rig.pipeline.gate.clear()
    speaker.publish(camera_image(1))
    rig.until(lambda: rig.pipeline.batches)


def test_every_camera_has_topics_of_its_own(cameras: Any) -> None:
    topics = {publisher.topic_name for publisher in cameras.node.publishers}
    for name in NAMES:
        assert {f'/{name}/segmentation/{output}' for output in (
            'label_map', 'overlay', 'confidence', 'camera_info')} <= topics
    found = {subscription.topic_name for subscription in cameras.node.subscriptions}
    assert {f'/{name}/{topic}' for name in NAMES for topic in ('image', 'camera_info')} <= found
    assert not [topic for topic in topics | found if 'trt_segmentation/label_map' in topic]


def test_remapping_one_cameras_image_carries_its_camera_info(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'cameras:=[front, left]', '-r',
                             'front/image:=/sensors/front/image_raw'])
    found = {subscription.topic_name for subscription in rig.node.subscriptions}
    assert {'/sensors/front/image_raw', '/sensors/front/camera_info', '/left/image',
            '/left/camera_info'} <= found


# each value: remapping rules, parameters, and the image and camera_info topic of each camera
REMAPPED = {
    'two cameras swapped': (
        ['left/image:=/right/image', 'right/image:=/left/image'], ['cameras:=[left, right]'],
        [('/right/image', '/right/camera_info'), ('/left/image', '/left/camera_info')]),
    'their camera_infos too': (
        ['left/image:=/right/image', 'right/image:=/left/image',
         'left/camera_info:=/right/camera_info', 'right/camera_info:=/left/camera_info'],
        ['cameras:=[left, right]'],
        [('/right/image', '/right/camera_info'), ('/left/image', '/left/camera_info')]),
    'a target that is remapped itself': (
        ['image:=/a/image', '/a/image:=/b/image'], [], [('/a/image', '/a/camera_info')]),
    'the compressed topic': (
        ['image/compressed:=/cam/jpg'], ['image_transport:=compressed'],
        [('/cam/jpg', '/cam/camera_info')]),
    'the image of compressed ones': (
        ['image:=/cam/image'], ['image_transport:=compressed'],
        [('/cam/image/compressed', '/cam/camera_info')]),
    'the compressed one of its kind': (
        ['image:=/a/image', '/a/image/compressed:=/cam/jpg'], ['image_transport:=compressed'],
        [('/cam/jpg', '/cam/camera_info')]),
}


@pytest.mark.parametrize('how', REMAPPED)
def test_a_camera_takes_what_it_is_remapped_to_and_says_so(make_rig: Any, how: str) -> None:
    rules, parameters, expected = REMAPPED[how]
    rig = make_rig(cli_args=['--ros-args', *(word for rule in rules for word in ('-r', rule)), *(
        word for parameter in parameters for word in ('-p', parameter))])
    log, reports = rig.log(), rig.hear(DiagnosticArray, '/diagnostics')
    for camera, (image, info) in zip(rig.node.cameras, expected):
        kind = CompressedImage if 'image_transport:=compressed' in parameters else Image
        rig.speaker(kind, image)  # returns after the node has found this publisher
        width = len(image) + (camera.name == 'left')
        speaker = rig.speaker(CameraInfo, info)
        speaker.publish(CameraInfo(width=width))
        rig.until(lambda camera=camera, width=width: camera.info and camera.info.width == width)
        rig.until(lambda camera=camera, image=image: [line for line in log if (
            line.msg == f'active: {image} -> {camera.label_map}')])
    for said in ([camera.topic for camera in rig.node.cameras],
                 [camera._image.subscription.topic_name for camera in rig.node.cameras]):
        assert said == [image for image, _ in expected]
    rig.node.monitor.publish()
    rig.until(lambda: reports)
    values = [{pair.key: pair.value for pair in status.values} for status in reports[-1].status]
    assert [(value['image_topic'], value['image_publishers']) for value in values[2:]] == [
        (image, '1') for image, _ in expected]


def test_swapped_cameras_answer_each_others_images(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'cameras:=[left, right]', '-r',
                             'left/image:=/right/image', '-r', 'right/image:=/left/image'])
    maps = {name: rig.hear(Image, f'/{name}/segmentation/label_map') for name in ('left', 'right')}
    for sec, name in enumerate(('left', 'right'), 1):
        rig.speaker(Image, f'/{name}/image').publish(camera_image(sec))
    rig.until(lambda: all(maps.values()))
    assert {name: [got.header.frame_id for got in heard] for name, heard in maps.items()} == {
        'right': ['camera 1'], 'left': ['camera 2']}


def test_waiting_frames_form_one_batch_and_each_answer_goes_to_its_camera(cameras: Any) -> None:
    speakers, maps = ends(cameras)
    infos = cameras.hear(CameraInfo, '/left/segmentation/camera_info')
    calibration = cameras.speaker(CameraInfo, 'left/camera_info')
    calibration.publish(CameraInfo(width=77))
    cameras.until(lambda: cameras.node.cameras[1].info)
    hold(cameras, speakers['front'], 'front')
    # sizes and encodings differ; a newer frame of front takes the place of its waiting frame
    sent = {'front': camera_image(2), 'left': camera_image(3, 4, 10, 'mono8', 12),
            'rear': camera_image(4, 5, 6, 'rgba8', 24)}
    for name in ('front', 'left', 'rear'):
        speakers[name].publish(sent[name])
        cameras.until(lambda name=name: cameras.snapshot(name).in_flight == (
            2 if name == 'front' else 1))
    newer = camera_image(5)
    speakers['front'].publish(newer)
    cameras.until(lambda: cameras.snapshot('front').dropped == {'superseded': 1})
    cameras.pipeline.gate.set()
    cameras.until(lambda: len(maps['front']) == 2 and maps['left'] and maps['rear'])
    assert [[frame.camera for frame in batch] for batch in cameras.pipeline.batches] == [
        ['front'], ['front', 'left', 'rear']]
    for name, message in (('front', newer), ('left', sent['left']), ('rear', sent['rear'])):
        got = maps[name][-1]
        assert got.header == message.header
        assert (got.height, got.width) == (message.height, message.width)
        step = {'bgr8': 3, 'mono8': 1, 'rgba8': 4}[message.encoding]
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        assert bytes(got.data) == rows[:, :message.width * step:step].tobytes()
    cameras.until(lambda: infos)
    assert infos[0].width == 77 and infos[0].header == sent['left'].header
    cameras.until(lambda: cameras.snapshot().frames_out == 4)
    assert cameras.snapshot().frames_in == 5
    assert [cameras.snapshot(name).frames_out for name in NAMES] == [2, 1, 1]


def test_max_batch_changes_at_once_and_the_rest_is_the_next_batch(cameras: Any) -> None:
    from rclpy.parameter import Parameter
    assert cameras.node.value('max_batch') == 0  # 0 takes the pipeline's limit, 8
    assert cameras.node.set_parameters([Parameter('max_batch', value=2)])[0].successful
    speakers, maps = ends(cameras)
    hold(cameras, speakers['rear'], 'rear')
    for name in NAMES:
        speakers[name].publish(camera_image(2))
        cameras.until(lambda name=name: cameras.snapshot(name).in_flight == (
            2 if name == 'rear' else 1))
    cameras.pipeline.gate.set()
    cameras.until(lambda: len(maps['rear']) == 2 and maps['left'] and maps['front'])
    assert [[frame.camera for frame in batch] for batch in cameras.pipeline.batches] == [
        ['rear'], ['front', 'left'], ['rear']]


RUBBISH = {
    'a frame that is none': camera_image(9, step=1),
    'a frame of floating-point depth': camera_image(9, 4, 4, '32FC1', 16, 64),
    'a frame the pipeline cannot decode': camera_image(9, 4, 4, 'nv24', 4, 48),
}


@pytest.mark.parametrize('kind', RUBBISH)
def test_rubbish_of_one_camera_leaves_the_others_untouched(cameras: Any, kind: str) -> None:
    speakers, maps = ends(cameras)
    log, reports = cameras.log(), cameras.hear(DiagnosticArray, '/diagnostics')
    hold(cameras, speakers['front'], 'front')
    for name, message in (('front', camera_image(2)), ('left', RUBBISH[kind]),
                          ('rear', camera_image(3))):
        speakers[name].publish(message)
        cameras.until(lambda name=name: cameras.snapshot(name).in_flight)
    cameras.until(lambda: cameras.snapshot().in_flight == 4)
    cameras.pipeline.gate.set()
    cameras.until(lambda: len(maps['front']) == 2 and maps['rear'])
    cameras.until(lambda: cameras.snapshot('left').dropped == {'bad frame': 1})
    assert [cameras.snapshot(name).dropped for name in ('front', 'rear')] == [{}, {}]
    assert not maps['left']
    cameras.until(lambda: [line for line in log if 'camera left: bad frame' in line.msg])
    cameras.node.monitor.publish()
    levels = cameras.until(lambda: next((
        [status.level for status in report.status] for report in reports
        if len(report.status) == 5 and report.status[3].level == b'\x01'), None))
    assert levels == [b'\0', b'\0', b'\0', b'\1', b'\0']
    speakers['left'].publish(camera_image(4))
    cameras.until(lambda: maps['left'])


def test_an_engine_that_fails_on_a_batch_costs_that_batch(cameras: Any) -> None:
    speakers, maps = ends(cameras)
    hold(cameras, speakers['front'], 'front')
    for name in ('left', 'rear'):
        speakers[name].publish(camera_image(2))
        cameras.until(lambda name=name: cameras.snapshot(name).in_flight)
    cameras.pipeline.errors += [EngineError('a'), EngineError('b')]
    cameras.pipeline.gate.set()
    cameras.until(lambda: cameras.snapshot().dropped == {'engine error': 3})
    for name in NAMES:
        speakers[name].publish(camera_image(3))
    cameras.until(lambda: all(maps.values()))


def test_a_camera_that_dies_is_named_and_the_others_go_on(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'cameras:=[front, left]', '-p',
                             'stale_after:=0.3', '-p', 'diagnostics_period:=0.1'])
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    front, left = rig.speaker(Image, 'front/image'), rig.speaker(Image, 'left/image')
    maps = rig.hear(Image, '/front/segmentation/label_map')
    left.publish(camera_image(1))
    rig.until(lambda: rig.snapshot('left').frames_out == 1)
    rig.peer.destroy_publisher(left)

    def left_alone() -> bool:
        front.publish(camera_image(len(maps) + 2))
        status = reports[-1].status if reports else []
        return len(status) == 4 and status[3].level == b'\1' and status[2].level == b'\0' \
            and '/left/image, which nobody publishes' in status[3].message

    rig.until(left_alone)
    assert maps
    assert [status.name for status in reports[-1].status[2:]] == [
        'trt_segmentation: camera front', 'trt_segmentation: camera left']


@pytest.mark.parametrize(('given', 'reason'), [
    ('[front, 2nd]', "its item '2nd' is not a topic name"),
    ('[front, front]', 'each camera needs its own name, but'),
    ('front', 'not a list'), ('[1, 2]', 'its item 1 is not a topic name')])
def test_camera_names_are_checked(make_rig: Any, given: str, reason: str) -> None:
    with pytest.raises(ParameterException, match=reason):
        make_rig(cli_args=['--ros-args', '-p', f'cameras:={given}'])


@pytest.mark.parametrize('depth', [1, 2])
def test_as_many_batches_are_submitted_as_the_pipeline_can_use(make_rig: Any, depth: int) -> None:
    rig = make_rig(start=False)
    assert rig.node.trigger_configure().name == 'SUCCESS'
    rig.pipeline.depth = depth
    assert rig.node.trigger_activate().name == 'SUCCESS'
    maps, speaker = rig.hear(Image, '/trt_segmentation/label_map'), rig.speaker(Image)
    rig.pipeline.gate.clear()
    for sec in range(1, 5):
        speaker.publish(camera_image(sec))
        rig.until(lambda sec=sec: rig.snapshot().frames_in == sec)
        rig.until(lambda sec=sec: len(rig.pipeline.batches) == min(sec, depth))
    rig.pipeline.gate.set()
    rig.until(lambda: len(maps) == depth + 1)
    assert [got.header.stamp.sec for got in maps] == [*range(1, depth + 1), 4]
    rig.until(lambda: rig.snapshot().frames_out == depth + 1)
    assert rig.snapshot().dropped == ({'superseded': 3 - depth} if depth < 3 else {})
