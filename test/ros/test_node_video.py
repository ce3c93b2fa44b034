# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node segments H.264 and H.265 topics.

PyPI does not have the packages of the video messages, so the tests use another message class of
ROS. Both sides send and take serialized messages, so the class only names the topic's type.
"""

from __future__ import annotations

import json
import sys
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from node_rig import NODE
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import QoSProfile
from recordings import FIRST
from sensor_msgs.msg import CompressedImage, Image
from video_bags import FFMPEG, FOXGLOVE, STEP, video_message
from videos import decode, encode

from trt_segmentation.ros.transport import video_sink
from trt_segmentation.ros.transport.messages import MESSAGE_TYPES

TRANSPORTS = {'foxglove': FOXGLOVE, 'ffmpeg': FFMPEG}


@pytest.fixture(autouse=True)
def message_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TRANSPORTS.values():
        package, _, kind = name.split('/')
        module = ModuleType(f'{package}.msg')
        setattr(module, kind, CompressedImage)
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, f'{package}.msg', module)


def asked(image_transport: str, transport: str = 'auto', **more: str) -> list[str]:
    return ['--ros-args', '-p', f'image_transport:={image_transport}', '-p',
            f'transport:={transport}', *(word for name, value in more.items()
                                         for word in ('-p', f'{name}:={value}'))]


def speaker(rig: Any, image_transport: str) -> Any:
    """Return a publisher with a QoS that keeps every packet, as for a real video."""
    publisher = rig.peer.create_publisher(
        CompressedImage, f'image/{image_transport}', QoSProfile(depth=500))
    rig.until(publisher.get_subscription_count)
    return publisher


def send(rig: Any, publisher: Any, kind: str, packets: dict[int, bytes], format: str,
         at_once: bool = False) -> None:
    """Send packets. Without ``at_once``, wait after each packet until the node counted it."""
    before = rig.snapshot().frames_in
    for sent, (number, packet) in enumerate(packets.items(), 1):
        publisher.publish(video_message(kind, number, packet, format))
        if not at_once:
            rig.until(lambda sent=sent: rig.snapshot().frames_in == before + sent
                      and not rig.snapshot().in_flight)


@pytest.mark.parametrize('transport', ['direct', 'typed'])
@pytest.mark.parametrize('image_transport, encoder, codec, format', [
    ('foxglove', 'libx264', 'h264', 'h264'), ('ffmpeg', 'libx265', 'hevc', 'hevc;a;b;c')])
def test_each_frame_of_a_video_is_segmented_with_its_own_header(
        make_rig: Any, transport: str, image_transport: str, encoder: str, codec: str,
        format: str) -> None:
    rig = make_rig(cli_args=asked(image_transport, transport))
    assert rig.node.cameras[0].topic == f'/image/{image_transport}'
    maps = rig.hear(Image, f'{NODE}/label_map', 100)
    packets = encode(12, encoder)
    send(rig, speaker(rig, image_transport), TRANSPORTS[image_transport],
         dict(enumerate(packets)), format)
    rig.until(lambda: len(maps) == 12)
    for number, (answer, truth) in enumerate(zip(maps, decode(packets, codec))):
        stamp = answer.header.stamp
        assert stamp.sec * 10 ** 9 + stamp.nanosec == FIRST + number * STEP
        assert answer.header.frame_id == 'left'
        labels = np.frombuffer(answer.data, np.uint8).reshape(64, 96)
        np.testing.assert_array_equal(labels, truth[:, :, 0])
    assert rig.snapshot().dropped == {}


def test_packets_are_decoded_although_their_frames_are_superseded(make_rig: Any) -> None:
    """The decoder needs all packets, so the node may drop only decoded frames."""
    rig = make_rig(cli_args=asked('foxglove'))
    maps = rig.hear(Image, f'{NODE}/label_map', 100)
    packets = encode(40, every_key=100)
    rig.pipeline.gate.clear()
    send(rig, speaker(rig, 'foxglove'), FOXGLOVE, dict(enumerate(packets)), 'h264', at_once=True)
    rig.until(lambda: rig.snapshot().frames_in == 40)
    rig.pipeline.gate.set()
    rig.until(lambda: not rig.snapshot().in_flight)
    counts = rig.snapshot()
    assert counts.dropped == {'superseded': 40 - counts.frames_out} and counts.frames_out < 40
    rig.until(lambda: len(maps) == counts.frames_out)
    labels = np.frombuffer(maps[-1].data, np.uint8).reshape(64, 96)
    np.testing.assert_array_equal(labels, decode(packets)[39][:, :, 0])


@pytest.mark.parametrize('encoder, format', [('libx264', 'h264'), ('libx265', 'h265')])
def test_a_lost_packet_costs_frames_up_to_the_next_keyframe_and_never_the_node(
        make_rig: Any, tmp_path: Any, encoder: str, format: str) -> None:
    path = tmp_path / 'frames.jsonl'
    rig = make_rig(cli_args=asked('foxglove', frame_log=str(path)))
    log, publisher = rig.log(), speaker(rig, 'foxglove')
    packets = dict(enumerate(encode(30, encoder)))
    del packets[13]
    send(rig, publisher, FOXGLOVE, packets, format)
    assert rig.snapshot().dropped == {'bad frame': 6} and rig.snapshot().frames_out == 23
    assert rig.node.state == 'active'
    rig.until(lambda: [line for line in log if line.msg.startswith('bad frame: ')])
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert [line['stamp_ns'] for line in lines if 'dropped' in line] == [
        FIRST + n * STEP for n in range(14, 20)]


def test_a_node_that_comes_late_begins_at_a_keyframe(make_rig: Any) -> None:
    rig = make_rig(cli_args=asked('ffmpeg'))
    packets = dict(enumerate(encode(20)))
    send(rig, speaker(rig, 'ffmpeg'), FFMPEG, {n: packets[n] for n in range(7, 20)}, 'h264')
    assert rig.snapshot().dropped == {'bad frame': 3} and rig.snapshot().frames_out == 10
    assert rig.node.cameras[0].frame_error == 'there was no keyframe yet'


def test_messages_that_are_no_video_are_counted_and_the_video_goes_on(make_rig: Any) -> None:
    rig = make_rig(cli_args=asked('foxglove'))
    publisher, packets = speaker(rig, 'foxglove'), dict(enumerate(encode(20)))
    send(rig, publisher, FOXGLOVE, {n: packets[n] for n in range(3)}, 'h264')
    for odd in (b'\0', b'\0\1\0\0' + bytes(5), video_message(FOXGLOVE, 3, b'x', 'av1')):
        count = rig.snapshot().frames_in + 1
        publisher.publish(odd)
        rig.until(lambda count=count: rig.snapshot().frames_in == count)
    assert rig.snapshot().dropped == {'bad frame': 3}
    send(rig, publisher, FOXGLOVE, {n: packets[n] for n in range(10, 20)}, 'h264')
    assert rig.snapshot().dropped == {'bad frame': 3} and rig.snapshot().frames_out == 13


def test_a_decoder_that_is_too_slow_is_a_counted_drop(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_sink, 'MOST_PACKETS', 4)
    gate, decode_packet = threading.Event(), video_sink.PacketDecoder.decode

    def slow(*arguments: Any) -> Any:
        assert gate.wait(30)
        return decode_packet(*arguments)

    monkeypatch.setattr(video_sink.PacketDecoder, 'decode', slow)
    rig = make_rig(cli_args=asked('foxglove'))
    publisher, packets = speaker(rig, 'foxglove'), dict(enumerate(encode(20)))
    send(rig, publisher, FOXGLOVE, {n: packets[n] for n in range(9)}, 'h264', at_once=True)
    # the decoder holds at most one packet, and the queue holds four
    rig.until(lambda: rig.snapshot().dropped.get('no free buffer', 0) >= 4)
    gate.set()
    rig.until(lambda: rig.snapshot().frames_in == 9)
    dropped = rig.snapshot().dropped['no free buffer']
    send(rig, publisher, FOXGLOVE, {9: packets[9]}, 'h264')
    assert rig.snapshot().dropped['bad frame'] >= 1
    send(rig, publisher, FOXGLOVE, {n: packets[n] for n in range(10, 20)}, 'h264')
    assert rig.snapshot().dropped['no free buffer'] == dropped
    assert rig.snapshot().frames_out >= 10


def test_an_exception_in_the_decoder_costs_one_frame(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig(cli_args=asked('foxglove'))
    publisher, packets = speaker(rig, 'foxglove'), dict(enumerate(encode(20)))

    def fail(*arguments: Any) -> Any:
        raise ZeroDivisionError('a bug')

    with monkeypatch.context() as patch:
        patch.setattr(video_sink.PacketDecoder, 'decode', fail)
        send(rig, publisher, FOXGLOVE, {0: packets[0]}, 'h264')
    assert rig.snapshot().dropped == {'internal error': 1}
    send(rig, publisher, FOXGLOVE, {n: packets[n] for n in range(10, 20)}, 'h264')
    assert rig.snapshot().frames_out == 10


def test_threads_end_with_the_subscription_and_come_back(make_rig: Any) -> None:
    def decoders() -> int:
        return sum(thread.name == 'video decoder' for thread in threading.enumerate())

    before = decoders()
    rig = make_rig(cli_args=[*asked('foxglove'), '-p', 'cameras:=[a, b]'])
    assert decoders() == before + 2
    for _ in range(2):
        assert rig.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert decoders() == before
        assert rig.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        assert decoders() == before + 2


def test_a_missing_message_package_or_pyav_fails_configure(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig(start=False, cli_args=asked('ffmpeg'))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'ffmpeg_image_transport_msgs.msg', None)
        assert rig.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert 'sudo apt install ros-$ROS_DISTRO-ffmpeg-image-transport-msgs' in rig.node.trouble
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'av', None)
        assert rig.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert 'PyAV is needed' in rig.node.trouble
    assert rig.node.start()


def test_without_images_the_node_names_topics_of_the_right_type(make_rig: Any) -> None:
    assert MESSAGE_TYPES['foxglove'] == FOXGLOVE and MESSAGE_TYPES['ffmpeg'] == FFMPEG
    rig = make_rig(cli_args=[*asked('foxglove'), '-p', 'stale_after:=0.2'])
    log = rig.log()
    rig.until(lambda: [line for line in log
                       if 'there is no topic with foxglove images at all' in line.msg])
