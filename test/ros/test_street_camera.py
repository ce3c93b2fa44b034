# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The street camera runs in this process: what it publishes, logs and refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import errno
import json
from pathlib import Path
import random
import re
import threading
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

from node_processes import Peer
from rclpy.exceptions import ParameterException
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from trt_segmentation.errors import TransportError
from trt_segmentation.ros import street_camera
from trt_segmentation.ros.street_camera import SETTINGS, StreetCamera
from trt_segmentation.ros.transport import choose as transport_module
from trt_segmentation.ros.transport.cdr import parse_image
from trt_segmentation.ros.transport.direct_publisher import DirectPublisher
from trt_segmentation.street import Drive, Scene

STAMP = slice(4, 12)
"""Bytes of a serialized image that hold the stamp."""


@contextmanager
def camera(ros: Any, **parameters: object) -> Iterator[tuple[StreetCamera, str]]:
    """Yield a function that makes a street camera, and the namespace that only it uses."""
    namespace = f'/street_{random.getrandbits(60)}'
    node = StreetCamera(
        context=ros, namespace=namespace, start_parameter_services=False, parameter_overrides=[
            Parameter(name, value=value) for name, value in parameters.items()])
    try:
        yield node, namespace
    finally:
        node.stop()
        node.destroy_node()


def filmed(ros: Any, log: Path, transport: str, count: int) -> tuple[
        list[np.ndarray], list[CameraInfo], StreetCamera]:
    """Return the serialized images and the calibrations of the first ``count`` frames."""
    images: list[np.ndarray] = []
    infos: list[CameraInfo] = []
    with camera(ros, transport=transport, width=67, height=65, seed=5, loop=3, count=count,
                fps=50.0, subscribers=1, log=str(log)) as (node, namespace):
        peer = Peer(ros, node)
        subscriptions = [
            peer.node.create_subscription(
                Image, f'{namespace}/image',
                lambda data: images.append(np.frombuffer(data, np.uint8)), 10, raw=True),
            peer.node.create_subscription(
                CameraInfo, f'{namespace}/camera_info', infos.append, 10)]
        published = [p for p in node.publishers if p.msg_type in (Image, CameraInfo)]
        peer.until(lambda: all(s.get_publisher_count() for s in subscriptions)
                   and all(p.get_subscription_count() for p in published))
        node.begin()
        peer.until(lambda: len(images) == len(infos) == count)
        peer.close()
    return images, infos, node


def test_typed_and_direct_publish_the_same_bytes(
        ros: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is not a multiple of 4 bytes. The camera sends all frames, then the first again."""
    monkeypatch.setattr(  # with head room before the pixels, the publisher makes no copy
        DirectPublisher, '_copy', lambda *_: pytest.fail('the camera copied a frame'))
    sent = {}
    drive = Drive(5, width=67, height=65, fps=50.0)
    for transport in ('typed', 'direct'):
        log = tmp_path / f'{transport}.jsonl'
        images, infos, node = filmed(ros, log, transport, count=4)
        frames = [parse_image(message) for message in images]
        rows = [json.loads(line) for line in log.read_text('utf-8').splitlines()]
        assert rows[0].pop('written_by').startswith('trt_segmentation ')
        assert rows == [{'index': index, 'frame': index % 3, 'condition': 'day',
                         'stamp_ns': frame.stamp_ns} for index, frame in enumerate(frames)]
        assert node.published == 4 and len(node.frames) == 3
        for frame, row, info in zip(frames, rows, infos):
            assert (frame.height, frame.width, frame.step) == (65, 67, 201)
            assert (frame.encoding, frame.frame_id) == ('bgr8', 'street_camera')
            picture = drive.frame(row['frame']).image
            assert frame.data.tobytes() == picture.tobytes()
            assert (node.frames[row['frame']] == picture).all()
            assert info.header.frame_id == 'street_camera'
            assert (info.width, info.header.stamp.nanosec) == (67, row['stamp_ns'] % 10**9)
        assert len({row['stamp_ns'] for row in rows}) == 4
        sent[transport] = [np.delete(message, STAMP).tobytes() for message in images]
    assert sent['typed'] == sent['direct']


def test_the_log_says_how_its_images_travel(
        ros: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for transport in ('typed', 'direct'):
        filmed(ros, tmp_path / 'log', transport, count=1)
        said = capfd.readouterr().err
        assert f'/image; transport {transport} (asked for' in said


@pytest.mark.parametrize(('rules', 'image', 'info'), [
    (['image:=/a/image', '/a/image:=/b/image'], '/a/image', '/a/camera_info'),
    (['image:=/a/image', 'camera_info:=/i', '/i:=/j'], '/a/image', '/i')])
def test_the_camera_publishes_on_its_remapped_topic(
        ros: Any, rules: list[str], image: str, info: str) -> None:
    node = StreetCamera(
        context=ros, start_parameter_services=False, cli_args=[
            '--ros-args', *(word for rule in rules for word in ('-r', rule))],
        parameter_overrides=[
            Parameter('width', value=64), Parameter('height', value=64),
            Parameter('loop', value=1)])
    peer = Peer(ros, node)
    try:
        node.begin()
        peer.until(lambda: advertised(node))
        assert advertised(node) == {Image: image, CameraInfo: info}
    finally:
        peer.close()
        node.stop()
        node.destroy_node()


def advertised(node: StreetCamera) -> dict[type, str]:
    """Return the topics of images and calibrations by message type."""
    return {publisher.msg_type: publisher.topic_name for publisher in node.publishers
            if publisher.msg_type in (Image, CameraInfo)}


def test_the_topics_are_advertised_when_the_last_frame_is_rendered(
        ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber would report an advertised topic without images as a fault."""
    reached, go_on = threading.Event(), threading.Event()

    class Waiting(Drive):
        def frame(self, index: int) -> Scene:
            if index == 2:
                reached.set()
                assert go_on.wait(30.0)
            return super().frame(index)

    monkeypatch.setattr(street_camera, 'Drive', Waiting)
    with camera(ros, width=67, height=65, loop=3, fps=200.0) as (node, namespace):
        peer = Peer(ros, node)
        heard: list[Image] = []
        peer.node.create_subscription(Image, f'{namespace}/image', heard.append, 10)
        ticks: list[int] = []
        peer.node.create_timer(0.01, lambda: ticks.append(1))
        try:
            node.begin()
            peer.until(reached.is_set)
            peer.until(lambda: len(ticks) > 5)
            assert advertised(node) == {}
            assert peer.node.count_publishers(f'{namespace}/image') == 0
        finally:
            go_on.set()
        peer.until(lambda: heard)
        peer.close()


@pytest.fixture
def old_log(tmp_path: Path) -> Iterator[Path]:
    """Write the log of an earlier run. A refused parameter must not change this log."""
    path = tmp_path / 'log'
    path.write_text('of before', 'utf-8')
    yield path
    assert path.read_text('utf-8') == 'of before'


def test_an_unknown_transport_is_one_error(ros: Any, old_log: Path) -> None:
    with pytest.raises(ParameterException, match=(
            r"transport: 'dirct' is not known, did you mean 'direct'\? expected one of auto, "
            'direct, typed')), camera(ros, log=str(old_log), transport='dirct'):
        pass


def test_a_loop_that_does_not_fit_into_memory_is_one_error(
        ros: Any, old_log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(nbytes: int) -> None:
        raise OSError(errno.ENOMEM, f'not {nbytes} bytes')
    monkeypatch.setattr(street_camera, 'PageMemory', full)
    with pytest.raises(ParameterException, match=(
            r'100 frames of 7680x4320 needs 10\.0 GB of memory \(not 9953331200 bytes\); set '
            'a smaller loop, width or height')), camera(
                ros, log=str(old_log), loop=100, width=7680, height=4320):
        pass


@pytest.fixture
def no_librcl(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise TransportError('librcl.so was not found')
    monkeypatch.setattr(transport_module, 'Librcl', missing)


@pytest.mark.usefixtures('no_librcl')
def test_direct_without_librcl_is_one_error(ros: Any, old_log: Path) -> None:
    with pytest.raises(ParameterException, match=(
            r'`transport: direct` does not work here: librcl\.so was not found; set '
            '`transport` to auto or typed')), camera(ros, log=str(old_log), transport='direct'):
        pass


@pytest.mark.usefixtures('no_librcl')
def test_auto_is_typed_without_librcl(
        ros: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    images, _, _ = filmed(ros, tmp_path / 'log', 'auto', count=2)
    assert len(images) == 2
    said = capfd.readouterr().err
    assert 'transport typed (`direct` does not work here: librcl.so was not found)' in said


def test_the_page_lists_every_parameter_and_the_pose_of_the_first_street() -> None:
    page = (Path(__file__).parents[2] / 'docs' / 'your_camera.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| (`[a-z_`, ]+`) \| (`\S*`(?:, `\S*`)*) \|', page, re.M)
    found = dict(pair for names, values in rows
                 for pair in zip(re.findall('`(.*?)`', names), re.findall('`(.*?)`', values)))
    assert {setting.name: setting.yaml for setting in SETTINGS}.items() <= found.items()
    height, pitch = Drive(1).mount
    assert f'-p camera_height:={height:.3f} -p camera_pitch:={pitch:.4f}' in page
    assert f'{height:.3f} m above the ground, and looks down by {pitch:.4f} rad' in ' '.join(
        page.split())
