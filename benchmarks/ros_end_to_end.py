# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Latency from a camera process through the node to a subscriber process at 1080p.

In the rows 'typed', the camera and the node use Python messages. In the rows 'direct', they use
the direct transport. In the rows 'plain node', the node is plain_node.py, which uses neither the
pipeline nor the transport of this package. The camera then uses the direct transport. The
subscriber always uses the direct transport, so that its own time is small. All parts of the
latency are measured on the same frames. The medians of the parts do not add up to the median of
the whole.

    python benchmarks/ros_end_to_end.py --distributions jazzy=PYTHON kilted=PYTHON

This measures the label map in turns on several distributions of ROS 2. Each PYTHON is the Python
program of an environment with rclpy of this distribution.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import signal
import sys
import tempfile
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from image_sink import ImageSink
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from report import FigureReport, run

from trt_segmentation.commands.demo.node_process import (
    keep_to_this_machine,
    ros_arguments,
    running,
)
from trt_segmentation.ros.transport.choose import choose_transport
from trt_segmentation.ros.transport.messages import TakenImage
from trt_segmentation.ros.transport.qos import RELIABLE

NODE = 'trt_segmentation'
START_SECONDS = 60.0
PLAIN = 'plain node'
"""Name of the rows of plain_node.py."""
COLD = 5
"""Number of first frames that do not count, because they are the first to use the memory."""


@dataclass(frozen=True)
class LabelMapLatency:
    """Latency of one label map in milliseconds.

    The image's stamp is the time when the camera sent the image. ``to_node``, ``in_node`` and
    ``to_subscriber`` follow each other and add up to ``whole``.

    :param whole: from the stamp until the subscriber has received the label map.
    :param to_node: from the stamp until the node has received the image.
    :param in_node: from receiving the image until the node starts to publish the segmentation.
    :param to_subscriber: from that start until the subscriber has received the label map.
    :param total: from receiving the image until the node has published the whole segmentation.
    """

    whole: float
    to_node: float
    in_node: float
    to_subscriber: float
    total: float


FRESH = ['env', '-u', 'LD_LIBRARY_PATH', '-u', 'AMENT_PREFIX_PATH', '-u', 'PYTHONPATH',
         '-u', '_ROS_WHEELS_BOOTSTRAP_COMPLETE']
"""Starts a program without the paths of the ROS distribution of this process."""
OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument('--distributions', nargs='+', default=[], metavar='NAME=PYTHON',
                     help='measure the label map on these distributions of ROS 2, in turns')
PARTS = {'camera to node': 'to_node', 'in the node': 'in_node',
         'node to subscriber': 'to_subscriber', "the node's total, publishing included": 'total'}


def measure(report: FigureReport, quick: bool) -> None:
    """Measure the latency and the lost images of each transport, without and with an overlay."""
    args, _ = OPTIONS.parse_known_args()
    frames, fps = (60, 10.0) if quick else (300, 30.0 if Path('/dev/nvidia0').exists() else 10.0)
    if args.distributions:
        pythons = dict(text.split('=', 1) for text in args.distributions)
        for transport in ('typed', 'direct'):
            for name, python in pythons.items():
                add_rows(report, f'{name}, {transport}, label map',
                         *_drive(transport, False, frames, fps, FRESH + [python]), fps)
        return
    for transport in ('typed', 'direct', PLAIN):
        for overlay in ((False,) if quick else (False, True)):
            add_rows(report, f'{transport}, label map{" and overlay" if overlay else ""}',
                     *_drive(transport, overlay, frames, fps), fps)


def add_rows(report: FigureReport, name: str, found: list[LabelMapLatency], engine: str,
             published: int, fps: float) -> None:
    """Add the rows of one run. ``published`` is the number of images that the camera sent."""
    ages = [latency.whole for latency in found[COLD:]]
    report.add(f'{name}: p50', float(np.percentile(ages, 50)), 'ms')
    report.add(f'{name}: p99', float(np.percentile(ages, 99)), 'ms')
    for part, field in PARTS.items():
        values = [getattr(latency, field) for latency in found[COLD:]]
        report.add(f'{name}: {part}, p50', float(np.percentile(values, 50)), 'ms')
    report.add(f'{name}: answered of {published} at {fps:g} Hz, {engine}', len(found), 'frames')


def latencies(received: Iterable[tuple[int, int]], frame_log: Iterable[Mapping[str, Any]]
              ) -> list[LabelMapLatency]:
    """Compute the latency of every received label map, in the order of arrival.

    :param received: stamp and time of arrival on the system clock, both in ns.
    :param frame_log: lines of the node's ``frame_log``.
    :raises ValueError: if the log has no segmented frame with the stamp of a label map.
    """
    answered = {line['stamp_ns']: line['timings'] for line in frame_log if 'timings' in line}
    found = []
    for stamp, arrived in received:
        if stamp not in answered:
            raise ValueError(f'a label map has the stamp {stamp}, but none of the '
                             f'{len(answered)} segmented frames in frame_log has this stamp')
        timings, whole = answered[stamp], (arrived - stamp) / 1e6
        in_node = timings['total'] - timings['publish']
        # age is the time from the stamp until the node starts to publish.
        found.append(LabelMapLatency(whole, timings['age'] - in_node, in_node,
                                     whole - timings['age'], timings['total']))
    return found


def _drive(transport: str, overlay: bool, frames: int, fps: float,
           python: Sequence[str] = (sys.executable,)) -> tuple[list[LabelMapLatency], str, int]:
    """Run the processes, and return the latencies, the engine and the number of sent frames."""
    with tempfile.TemporaryDirectory() as folder:
        log, arrivals, frame_log = (
            Path(folder, name) for name in ('camera.jsonl', 'arrivals.json', 'frames.jsonl'))
        node: dict[str, object] = {
            'transport': transport, 'engine': 'auto', 'frame_log': frame_log}
        camera: dict[str, object] = {
            'width': 1920, 'height': 1080, 'fps': fps, 'loop': 20, 'count': frames,
            'subscribers': 1, 'log': log,
            'transport': 'direct' if transport == PLAIN else transport}
        command = node_command('node', node, python) if transport != PLAIN else [
            *python, str(Path(__file__).parent / 'plain_node.py'), str(frame_log)]
        with running(command), \
                running([*python, __file__, '--receive', str(arrivals),
                         str(int(overlay))]) as receiver, \
                running(node_command('street_camera', camera, python)) as source:
            source.wait(START_SECONDS + frames / fps)
            receiver.send_signal(signal.SIGINT)
            if code := receiver.wait(10):
                raise SystemExit(f'the subscriber ended with exit code {code}')
            told = json.loads(arrivals.read_text(encoding='utf-8'))
        published, found = len(_lines(log)), latencies(told['received'], _lines(frame_log))
    if len(found) < 2 * COLD:
        raise SystemExit(f'{transport}: only {len(found)} label maps of {published} frames came')
    return found, told['engine'], published


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def node_command(module: str, parameters: dict[str, object],
                 python: Sequence[str] = (sys.executable,)) -> list[str]:
    return [*python, '-m', f'trt_segmentation.ros.{module}', *ros_arguments(parameters),
            '--log-level', 'warn']


class Subscriber:
    """Records the arrival of label maps, in the executor's thread.

    :param overlay: whether to subscribe to overlays too.
    """

    def __init__(self, node: Node, overlay: bool) -> None:
        self.received: list[tuple[int, int]] = []
        """Stamp and time of arrival, in ns."""
        self.engine = ''
        """The engine that the node's diagnostics report."""
        transport = choose_transport('direct')
        topics = {'label_map': self._arrived,
                  **({'overlay': lambda taken: taken.release()} if overlay else {})}
        self._images = [transport.subscribe(node, f'/{NODE}/{topic}', RELIABLE, ImageSink(take))
                        for topic, take in topics.items()]
        node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnosed, 10)

    def close(self) -> None:
        for subscription in self._images:
            subscription.close()

    def _arrived(self, label_map: TakenImage) -> None:
        now = time.time_ns()
        self.received.append((label_map.stamp_ns, now))
        label_map.release()

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.engine = next((p.value for p in status.values if p.key == 'engine'), self.engine)


def receive(path: Path, overlay: bool) -> None:
    """Subscribe until SIGINT, and write the result. The subscriber process runs this."""
    told: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: told.append(1))
    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    # The node has no services, because each service would make its executor slower.
    node = rclpy.create_node('segmentation_subscriber', start_parameter_services=False)
    subscriber = Subscriber(node, overlay)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not told:
        executor.spin_once(timeout_sec=0.1)
    path.write_text(json.dumps({'received': subscriber.received, 'engine': subscriber.engine}),
                    encoding='utf-8')
    subscriber.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    keep_to_this_machine()
    if sys.argv[1:2] == ['--receive']:
        receive(Path(sys.argv[2]), sys.argv[3] == '1')
    else:
        run('camera → node → subscriber, 1920×1080 bgr8, three processes', measure, [OPTIONS])
