# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Camera process → node → subscriber process at 1080p: what a user of the topics waits for."""

from __future__ import annotations

import json
from pathlib import Path
import signal
import sys
import tempfile
import time

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from report import Report, run
from sensor_msgs.msg import Image

from trt_segmentation.node_process import keep_to_this_machine, ros_arguments, running

NODE = 'trt_segmentation'
START_SECONDS = 60.0


def measure(report: Report, quick: bool) -> None:
    """End-to-end latency and losses of each transport, label map alone and with overlay."""
    frames, fps = (60, 10.0) if quick else (300, 30.0 if _has_gpu() else 10.0)
    for transport in ('typed', 'direct'):
        for overlay in ((False,) if quick else (False, True)):
            ages, engine, published = _drive(transport, overlay, frames, fps)
            name = f'{transport}, label map{" and overlay" if overlay else ""}'
            # the first frames meet a process that has not touched its memory yet
            report.add(f'{name}: p50', float(np.percentile(ages[5:], 50)), 'ms')
            report.add(f'{name}: p99', float(np.percentile(ages[5:], 99)), 'ms')
            report.add(f'{name}: answered of {published} at {fps:g} Hz, {engine}', len(ages),
                       'frames')


def _has_gpu() -> bool:
    return Path('/dev/nvidia0').exists()


def _drive(transport: str, overlay: bool, frames: int, fps: float
           ) -> tuple[list[float], str, int]:
    """Run the three processes; milliseconds from stamp to arrival of each label map."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, 'camera.jsonl')
        answers = Path(folder, 'answers.json')
        node: dict[str, object] = {'transport': transport, 'engine': 'auto'}
        camera: dict[str, object] = {
            'width': 1920, 'height': 1080, 'fps': fps, 'loop': 20, 'count': frames,
            'subscribers': 1, 'log': log}
        with running(_node('node', node)), \
                running([sys.executable, __file__, '--receive', str(answers),
                         str(int(overlay))]) as receiver, \
                running(_node('street_camera', camera)) as source:
            source.wait(START_SECONDS + frames / fps)
            receiver.send_signal(signal.SIGINT)
            receiver.wait(10)
            found = json.loads(answers.read_text(encoding='utf-8'))
        published = len(log.read_text(encoding='utf-8').splitlines())
    if len(found['ages']) < 10:
        raise SystemExit(
            f'{transport}: only {len(found["ages"])} label maps of {published} frames came')
    return found['ages'], found['engine'], published


def _node(module: str, parameters: dict[str, object]) -> list[str]:
    return [sys.executable, '-m', f'trt_segmentation.ros.{module}', *ros_arguments(parameters),
            '--log-level', 'warn']


def receive(path: Path, overlay: bool) -> None:
    """Note when label maps arrive until SIGINT; the subscriber's process."""
    from diagnostic_msgs.msg import DiagnosticArray
    told: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: told.append(1))
    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = rclpy.create_node('segmentation_subscriber')
    ages: list[float] = []
    engine = ['']

    def arrived(data: bytes) -> None:
        now = time.time_ns()
        sec, nanosec = np.frombuffer(data, '<u4', 2, offset=4).tolist()
        ages.append((now - sec * 10**9 - nanosec) / 1e6)

    def diagnose(message: DiagnosticArray) -> None:
        for status in message.status:
            engine[0] = next((p.value for p in status.values if p.key == 'engine'), engine[0])

    node.create_subscription(Image, f'/{NODE}/label_map', arrived, QoSProfile(depth=5), raw=True)
    node.create_subscription(DiagnosticArray, '/diagnostics', diagnose, 10)
    if overlay:
        node.create_subscription(Image, f'/{NODE}/overlay', lambda _: None, 5, raw=True)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not told:
        executor.spin_once(timeout_sec=0.1)
    path.write_text(json.dumps({'ages': ages, 'engine': engine[0]}), encoding='utf-8')
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    keep_to_this_machine()
    if sys.argv[1:2] == ['--receive']:
        receive(Path(sys.argv[2]), sys.argv[3] == '1')
    else:
        run('camera → node → subscriber, 1920×1080 bgr8, three processes', measure)
