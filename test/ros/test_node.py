# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node publishes an answer for each frame, and it counts each frame that it drops."""

from __future__ import annotations

from array import array
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from node_rig import camera_image, NODE
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from trt_segmentation.errors import EngineError
from trt_segmentation.model.card import ModelCard
from trt_segmentation.ros import publishers


def labels_of(message: Image) -> Any:
    """Return the labels that the fake pipeline must give for an image."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    return rows[:, :3 * message.width:3]


def test_label_map_lines_up_with_its_image(rig: Any) -> None:
    maps = rig.hear(Image, f'{NODE}/label_map')
    sent = camera_image()
    rig.speaker(Image).publish(sent)
    (got,) = rig.until(lambda: maps)
    assert got.header == sent.header
    assert (got.height, got.width, got.encoding, got.step) == (6, 8, 'mono8', 8)
    assert np.array_equal(np.frombuffer(got.data, np.uint8).reshape(6, 8), labels_of(sent))


def test_more_than_255_classes_give_mono16(make_rig: Any) -> None:
    rig = make_rig(classes=300)
    maps = rig.hear(Image, f'{NODE}/label_map')
    sent = camera_image()
    rig.speaker(Image).publish(sent)
    (got,) = rig.until(lambda: maps)
    assert (got.encoding, got.step, len(got.data)) == ('mono16', 16, 96)
    assert np.array_equal(np.frombuffer(got.data, np.uint16).reshape(6, 8), labels_of(sent))


def test_overlay_is_computed_only_for_a_subscriber(rig: Any) -> None:
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    camera.publish(camera_image(1))
    rig.until(lambda: len(maps) == 1)
    overlays: list[Image] = []
    listener = rig.peer.create_subscription(Image, f'{NODE}/overlay', overlays.append, 10)
    rig.until(lambda: rig.wanted().overlay)
    camera.publish(camera_image(2))
    (overlay,) = rig.until(lambda: overlays)
    rig.peer.destroy_subscription(listener)
    rig.until(lambda: not rig.wanted().overlay)
    camera.publish(camera_image(3))
    rig.until(lambda: len(maps) == 3)
    assert [wanted.overlay for wanted in rig.pipeline.wanted] == [False, True, False]
    assert (overlay.encoding, overlay.step, overlay.header.stamp.sec) == ('bgr8', 24, 2)
    assert set(overlay.data) == {7} and len(overlay.data) == 6 * 24


def test_confidence_needs_a_subscriber_and_the_parameter(rig: Any) -> None:
    from rclpy.parameter import Parameter
    confidences, camera = rig.hear(Image, f'{NODE}/confidence'), rig.speaker(Image)
    maps = rig.hear(Image, f'{NODE}/label_map')
    camera.publish(camera_image(1))
    rig.until(lambda: maps)
    (result,) = rig.node.set_parameters([Parameter('confidence', value=True)])
    assert result.successful
    camera.publish(camera_image(2))
    (got,) = rig.until(lambda: confidences)
    assert (got.header.stamp.sec, got.encoding, set(got.data)) == (2, 'mono8', {200})


def test_camera_info_comes_with_the_images_header(rig: Any) -> None:
    infos, maps = rig.hear(CameraInfo, f'{NODE}/camera_info'), rig.hear(Image, f'{NODE}/label_map')
    camera, calibration = rig.speaker(Image), rig.speaker(CameraInfo, 'camera_info')
    camera.publish(camera_image(1))
    rig.until(lambda: maps)
    info = CameraInfo(width=8, height=6, k=[float(i) for i in range(9)])
    info.header.stamp.sec = 5
    calibration.publish(info)
    rig.until(lambda: rig.node.cameras[0].info)
    sent = camera_image(2)
    camera.publish(sent)
    (got,) = rig.until(lambda: infos)
    assert got.header == sent.header and list(got.k) == list(range(9))
    assert rig.node.cameras[0].info.header.stamp.sec == 5


@pytest.mark.parametrize(('remaps', 'transport', 'topics'), [
    ([], 'raw', ('/image', '/camera_info')),
    ([], 'compressed', ('/image/compressed', '/camera_info')),
    (['image:=/front/image_raw'], 'raw', ('/front/image_raw', '/front/camera_info')),
    (['image:=/front/image_raw'], 'compressed',
     ('/front/image_raw/compressed', '/front/camera_info')),
    (['image:=/front/image_raw', 'camera_info:=/info'], 'raw', ('/front/image_raw', '/info')),
    (['__ns:=/robot'], 'raw', ('/robot/image', '/robot/camera_info')),
])
def test_remapping_image_carries_camera_info_and_compressed(
        make_rig: Any, remaps: list[str], transport: str, topics: tuple[str, str]) -> None:
    arguments = [text for remap in remaps for text in ('-r', remap)]
    rig = make_rig(cli_args=['--ros-args', *arguments, '-p', f'image_transport:={transport}'])
    found = {subscription.topic_name for subscription in rig.node.subscriptions}
    assert set(topics) <= found and len(found - {'/clock', '/parameter_events'}) == 2


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_compressed_images_are_decoded(make_rig: Any, suffix: str) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'image_transport:=compressed'])
    maps, camera = (rig.hear(Image, f'{NODE}/label_map'),
                    rig.speaker(CompressedImage, 'image/compressed'))
    _, packed = cv2.imencode(suffix, np.full((16, 24, 3), 9, np.uint8))
    message = CompressedImage(format='bgr8; jpeg compressed bgr8' if suffix == '.jpg' else 'png',
                              data=array('B', packed.tobytes()))
    message.header.frame_id = 'packed'
    camera.publish(CompressedImage(format='jpeg', data=array('B', b'rubbish')))
    rig.until(lambda: rig.snapshot().dropped == {'bad frame': 1})
    camera.publish(message)
    (got,) = rig.until(lambda: maps)
    assert (got.height, got.width, got.header.frame_id) == (16, 24, 'packed')
    assert set(got.data) == {9}


def test_newest_frame_wins_and_every_frame_is_counted(rig: Any) -> None:
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    rig.pipeline.gate.clear()
    for sec in range(1, 7):
        camera.publish(camera_image(sec))
        rig.until(lambda sec=sec: rig.snapshot().frames_in == sec)
        if sec == 1:  # the pipeline works on this frame, so the next frames wait
            rig.until(lambda: rig.pipeline.wanted)
    waiting = rig.snapshot()
    assert (waiting.frames_out, waiting.in_flight) == (0, 2)
    rig.pipeline.gate.set()
    rig.until(lambda: len(maps) == 2)
    rig.until(lambda: rig.snapshot().frames_out == 2)
    done = rig.snapshot()
    assert [got.header.stamp.sec for got in maps] == [1, 6]
    assert (done.frames_in, done.dropped, done.in_flight) == (6, {'superseded': 4}, 0)


def test_the_frame_log_has_every_frame_once(make_rig: Any, tmp_path: Path) -> None:
    path = tmp_path / 'frames.jsonl'
    rig = make_rig(cli_args=['--ros-args', '-p', f'frame_log:={path}'])
    camera = rig.speaker(Image)
    camera.publish(camera_image(1, size=3))
    rig.until(lambda: rig.snapshot().dropped == {'bad frame': 1})
    rig.pipeline.gate.clear()
    for sec in range(2, 5):
        camera.publish(camera_image(sec))
        rig.until(lambda sec=sec: rig.snapshot().frames_in == sec and rig.pipeline.wanted)
    rig.pipeline.gate.set()
    rig.until(lambda: rig.snapshot().frames_out == 2)
    rig.close()
    opened, *rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert 'opened_ns' in opened
    assert [(row['stamp_ns'] // 10**9, row.get('dropped')) for row in rows] == [
        (1, 'bad frame'), (3, 'superseded'), (2, None), (4, None)]
    assert rows[2]['timings']['inference'] == 2.0


BAD = {
    'zero size': (camera_image(height=0, width=0, step=0), '0x0'),
    'short data': (camera_image(size=100), 'data has 100 bytes'),
    'small step': (camera_image(step=23), 'step is 23 bytes'),
    'unknown encoding': (camera_image(encoding='brg8'), "unknown encoding 'brg8'"),
    'no data': (camera_image(size=0), 'data has 0 bytes'),
}


@pytest.mark.parametrize('kind', BAD)
def test_a_bad_frame_is_named_counted_and_forgotten(rig: Any, kind: str) -> None:
    bad, text = BAD[kind]
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    log, reports = rig.log(), rig.hear(DiagnosticArray, '/diagnostics')
    camera.publish(bad)
    rig.until(lambda: rig.snapshot().dropped == {'bad frame': 1})
    rig.until(lambda: [line for line in log if text in line.msg and 'bad frame' in line.msg])
    rig.node.monitor.publish()
    rig.until(lambda: [report for report in reports if text in report.status[2].message
                       and report.status[2].level == b'\x01'])
    camera.publish(camera_image(2))
    (got,) = rig.until(lambda: maps)
    assert got.header.stamp.sec == 2


@pytest.mark.parametrize(('error', 'reason'), [
    (EngineError, 'engine error'), (KeyError, 'internal error')])
def test_the_node_outlives_an_engine_that_fails(
        rig: Any, error: type[Exception], reason: str) -> None:
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    rig.pipeline.errors.append(error('out of memory'))
    camera.publish(camera_image(1))
    rig.until(lambda: rig.snapshot().dropped == {reason: 1})
    rig.node.monitor.publish()
    rig.until(lambda: [s for s in reports[-1:] if s.status[0].level == s.status[1].level == b'\2'
                       and 'out of memory' in s.status[1].message])
    camera.publish(camera_image(2))
    (got,) = rig.until(lambda: maps)
    assert got.header.stamp.sec == 2
    rig.until(lambda: rig.snapshot().frames_out == 1)
    rig.node.monitor.publish()
    rig.until(lambda: reports[-1].status[1].level == b'\0')


def test_a_subscriber_that_gets_nothing_is_told_what_to_change_once(rig: Any) -> None:
    log = rig.log()
    picky = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                       durability=DurabilityPolicy.TRANSIENT_LOCAL)
    for _ in range(2):
        rig.peer.create_subscription(Image, f'{NODE}/label_map', lambda _: None, picky)
    told = lambda: [line.msg for line in log if 'durability to volatile' in line.msg]  # noqa: E731
    rig.until(told)
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    camera.publish(camera_image())
    rig.until(lambda: maps)
    assert len(told()) == 1 and f'{NODE}/label_map' in told()[0]


def test_a_publisher_that_is_not_heard_is_told_what_to_change(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p',
                             'qos_overrides./image.subscription.reliability:=reliable'])
    log = rig.log()
    rig.peer.create_publisher(
        Image, 'image', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    rig.until(lambda: [line for line in log if (
        'qos_overrides./image.subscription.reliability to best_effort') in line.msg])


def test_label_info_names_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    # PyPI has no vision_msgs, so only the fields of the message are checked
    monkeypatch.setattr(publishers, 'LabelInfo', SimpleNamespace)
    monkeypatch.setattr(publishers, 'VisionClass', SimpleNamespace)
    card = ModelCard('two', Path('two.onnx'), ('road', 'sky'), np.zeros((2, 3), np.uint8))
    got = publishers.label_info_message('header', card)
    assert [(item.class_id, item.class_name) for item in got.class_map] == [
        (0, 'road'), (1, 'sky')]
    assert (got.header, got.threshold) == ('header', 0.5)
