# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node and the street camera, each in a process: they start, answer and end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time
from networks import color_classifier, cube_colors, write_card
from node_processes import Peer, Process
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from trt_segmentation.ros.street_camera import schedule
from trt_segmentation.ros.transport.messages import stamp_ns
from trt_segmentation.street import CONDITIONS, Drive


@pytest.fixture
def process(ros: Any) -> Iterator[Callable[..., Process]]:
    """Yield a function that starts a process on the ROS domain of this test run."""
    started: list[Process] = []

    def start(module: str, *arguments: str) -> Process:
        started.append(Process(module, ros.get_domain_id(), *arguments))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture(scope='module')
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model card. Its network separates colours."""
    folder = tmp_path_factory.mktemp('model')
    palette = cube_colors(8)
    return write_card(color_classifier(folder / 'colors.onnx', palette),
                      [f'color {i}' for i in range(8)], palette,
                      input={'mean': [0, 0, 0], 'std': [1, 1, 1]})


@pytest.mark.parametrize('signals', [
    (signal.SIGHUP,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT, signal.SIGTERM)])
def test_a_signal_ends_the_node_cleanly(
        process: Callable[..., Process], card: Path, signals: tuple[int, ...],
        record_property: Callable[[str, object], None]) -> None:
    node = process('node', '-p', f'model:={card}')
    node.until('active: /image -> /trt_segmentation/label_map')
    began = time.monotonic()
    node.send(*signals)
    # the documentation promises 2 s; a busy machine gets more
    assert node.ended(timeout=60.0) == 0
    print(f'ended {time.monotonic() - began:.2f} s after the signal')
    assert 'Traceback' not in node.log and '0 frames in, 0 out, 0 dropped' in node.log


def test_a_signal_ends_a_node_that_builds_its_engine(ros: Any) -> None:
    # this builder never returns and never asks whether it must stop
    build = ('import time, trt_segmentation.ros.node as node\n'
             'def build(card, engine, log, **options):\n'
             "    log('building for hours')\n"
             '    time.sleep(3600)\n'
             'node.open_pipeline = build\n'
             'raise SystemExit(node.main())')
    process = subprocess.Popen(
        [sys.executable, '-c', build], stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'ROS_DOMAIN_ID': str(ros.get_domain_id())})
    try:
        assert process.stderr
        for line in process.stderr:
            if 'building for hours' in line:
                break
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        # the documentation promises 2 s; a busy machine gets more
        _, log = process.communicate(timeout=60.0)
        print(f'ended {time.monotonic() - began:.2f} s after the signal')
    finally:
        process.kill()
    assert process.returncode == 0 and 'Traceback' not in log
    assert 'cannot configure: the process was told to end' in log


def test_a_node_without_its_model_says_so_and_lives(process: Callable[..., Process]) -> None:
    node = process('node', '-p', 'model:=streets')
    node.until("no model card 'streets', did you mean 'street'?")
    node.send(signal.SIGINT)
    assert node.ended(timeout=60.0) == 0
    assert ('If `model` is wrong, run: ros2 param set /trt_segmentation model CARD. Then run: '
            'ros2 lifecycle set /trt_segmentation configure. Or start the node again with '
            '--ros-args -p model:=CARD') in node.log
    assert 'Traceback' not in node.log


def test_without_autostart_it_waits_to_be_configured(
        process: Callable[..., Process], ros: Any, card: Path) -> None:
    from lifecycle_msgs.srv import GetState
    node = process('node', '-p', 'autostart:=false', '-p', f'model:={card}')
    peer = Peer(ros)
    response = peer.call(GetState, '/trt_segmentation/get_state', GetState.Request())
    assert response.current_state.label == 'unconfigured'
    node.send(signal.SIGTERM)
    assert node.ended(timeout=60.0) == 0
    assert 'configured' not in node.log
    peer.close()


@contextmanager
def repeated(publish: Callable[[], None]) -> Iterator[None]:
    """Publish again and again in another thread until the block ends."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.05):
            publish()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize(('module', 'name'), [
    ('node', 'trt_segmentation'), ('street_camera', 'street_camera')])
def test_what_a_stranger_sends_ends_no_process(
        process: Callable[..., Process], ros: Any, card: Path, module: str, name: str) -> None:
    """The test sends a parameter of an unknown type, a negative time and bad transitions."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState
    options = ('-p', f'model:={card}') if module == 'node' else ('-p', 'loop:=1')
    started = process(module, *options)
    started.until('active: ' if module == 'node' else 'publishing /image')
    peer = Peer(ros)

    def call(kind: Any, service: str, request: Any) -> Any:
        return peer.call(kind, f'/{name}/{service}', request)

    wrong = ParameterMessage(name='use_sim_time', value=ParameterValue(type=99))
    sim = Parameter('use_sim_time', value=True).to_parameter_msg()
    first, second = call(SetParameters, 'set_parameters', SetParameters.Request(
        parameters=[wrong, sim])).results
    assert not first.successful and 'value.type is 99' in first.reason and second.successful
    clock = peer.node.create_publisher(Clock, '/clock', 10)
    peer.until(clock.get_subscription_count)
    # /clock is best effort, so a message is lost if the process does not know the publisher yet
    with repeated(lambda: clock.publish(Clock(clock=Time(sec=-1)))):
        started.until('a message of /clock was ignored: sec is -1')
    if module == 'node':
        for id in (3, 1, 99):
            request = ChangeState.Request(transition=Transition(id=id))
            assert not call(ChangeState, 'change_state', request).success
    assert started.running()
    started.send(signal.SIGINT)
    assert started.ended(timeout=60.0) == 0 and 'Traceback' not in started.log
    peer.close()


def test_a_refused_start_up_value_is_one_line_and_exit_code_2(
        process: Callable[..., Process]) -> None:
    node = process('node', '-p', 'engine:=tensort')
    assert node.ended(timeout=60.0) == 2
    assert "did you mean 'tensorrt'?" in node.log and 'Traceback' not in node.log


@pytest.mark.parametrize(('module', 'topic'), [
    ('node', '/diagnostics'), ('street_camera', '/image')])
def test_an_impossible_qos_override_is_one_line_and_exit_code_2(
        process: Callable[..., Process], module: str, topic: str) -> None:
    started = process(module, '-p', f'qos_overrides.{topic}.publisher.reliability:=bogus')
    assert started.ended(timeout=60.0) == 2
    (line,) = (line for line in started.log.splitlines() if 'cannot start: ' in line)
    for part in ('`reliability`', '`bogus`', 'reliable or best_effort', f'qos_overrides.{topic}'):
        assert part in line
    assert 'Traceback' not in started.log


def test_a_signal_ends_a_street_camera_that_renders(process: Callable[..., Process]) -> None:
    # each delay stops the renderer at another line, and each line could end the process badly
    for delay in (0.3, 0.6, 0.9):
        camera = process('street_camera', '-p', 'width:=3840', '-p', 'height:=2160', '-p',
                         'loop:=100')
        camera.until('rendering 100 frames')
        time.sleep(delay)
        camera.send(signal.SIGINT)
        assert camera.ended(timeout=60.0) == 0, camera.log
        assert '0 frames published' in camera.log and 'terminate called' not in camera.log


def test_the_node_answers_a_street_camera_in_another_process(
        process: Callable[..., Process], ros: Any, card: Path, tmp_path: Path) -> None:
    peer = Peer(ros)
    images: list[Image] = []
    infos: list[CameraInfo] = []
    maps: list[Image] = []
    for kind, topic, heard in ((Image, '/cam/image', images),
                               (CameraInfo, '/cam/camera_info', infos),
                               (Image, '/trt_segmentation/label_map', maps)):
        peer.node.create_subscription(kind, topic, heard.append, 10)
    remap = ('-r', 'image:=/cam/image')
    node = process('node', *remap, '-p', f'model:={card}')
    node.until('active: /cam/image')
    log = tmp_path / 'camera.jsonl'
    options = {'width': 320, 'height': 240, 'seed': 3, 'loop': 4, 'fps': 10.0, 'subscribers': 2,
               'log': log}
    arguments = [text for key, value in options.items() for text in ('-p', f'{key}:={value}')]
    camera = process('street_camera', *remap, *arguments)
    # The camera finds its subscribers before they find the camera. Until then, the node takes no
    # image. So the camera sends images until the test has one of each kind.
    peer.until(lambda: images and infos and maps)
    camera.send(signal.SIGINT)
    assert camera.ended(timeout=60.0) == 0
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(row['index'], row['frame']) for row in rows] == [
        (index, index % 4) for index in range(len(rows))]
    assert f'{len(rows)} frames published' in camera.log
    sent = {row['stamp_ns']: row for row in rows}
    stamps = [stamp_ns(image.header) for image in images]
    assert stamps == sorted(set(stamps)) and set(stamps) <= set(sent) and len(sent) == len(rows)
    drive = Drive(3, width=320, height=240, fps=10.0)
    for image, stamp in zip(images, stamps):
        row = sent[stamp]
        assert (image.header.frame_id, image.encoding) == ('street_camera', 'bgr8')
        assert bytes(image.data) == drive.frame(row['frame']).image.tobytes()
    assert (infos[0].k[0], infos[0].k[2], infos[0].width) == (
        drive.intrinsics[0], drive.intrinsics[2], 320)
    assert all(stamp_ns(info.header) in sent and info.header.frame_id == 'street_camera'
               for info in infos)
    stamps = [stamp_ns(got.header) for got in maps]
    assert stamps == sorted(set(stamps)) and set(stamps) <= set(sent)
    assert all((got.height, got.width, got.encoding) == (240, 320, 'mono8') for got in maps)
    assert np.frombuffer(maps[-1].data, np.uint8).max() < 8
    node.send(signal.SIGINT)
    assert node.ended(timeout=60.0) == 0
    peer.close()


def test_a_tour_goes_through_every_condition_in_equal_parts() -> None:
    assert schedule('tour', 8) == [c for c in CONDITIONS for _ in range(2)]
    assert schedule('rain', 2) == ['rain', 'rain']
