# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One node with one engine and many cameras: label maps per second and latency over DDS.

The node runs in its own process with the engine that `auto` selects. This process has the cameras
and the receiver. The cameras send at different moments. The receiver measures the time from
sending an image to receiving its label map. If there are more cameras than the engine can serve,
the node segments the newest frame of each camera, and drops and counts older frames.
"""

from __future__ import annotations

from functools import partial
import threading
import time
from typing import Any

from builtin_interfaces.msg import Time
from image_sink import ImageSink
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from report import FigureReport, run
from ros_end_to_end import node_command
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from trt_segmentation.commands.demo.node_process import keep_to_this_machine, running
from trt_segmentation.memory import PageMemory
from trt_segmentation.ros.transport.cdr import HEAD_ROOM
from trt_segmentation.ros.transport.choose import choose_transport
from trt_segmentation.ros.transport.qos import NEWEST
from trt_segmentation.street import Drive

COUNTS = (1, 2, 4, 8)
FPS = 10.0
WIDTH, HEIGHT = 640, 480
WARM_UP = 2.0
FAIR = 0.7
"""Each camera must get at least this fraction of the label maps that the best camera gets."""


class PacedCameras:
    """Publishes the images of all cameras in a thread, and measures the latency of label maps."""

    def __init__(self, node: Any, names: list[str]) -> None:
        self.sent = dict.fromkeys(names, 0)
        self.ms: dict[str, list[float]] = {name: [] for name in names}
        self._transport = choose_transport()
        depth = QoSProfile(depth=1)
        self._publishers = {
            name: node.create_publisher(Image, f'{name}/image', depth) for name in names}
        self._images = {name: self._transport.publisher(publisher)
                        for name, publisher in self._publishers.items()}
        picture = Drive(1, width=WIDTH, height=HEIGHT).frame(0).image
        self._memory = PageMemory(HEAD_ROOM + picture.nbytes)
        self._picture = self._memory.view[HEAD_ROOM:].reshape(picture.shape)
        self._picture[:] = picture
        self._subscriptions = [self._transport.subscribe(
            node, f'{name}/segmentation/label_map', NEWEST,
            ImageSink(partial(self._arrived, name))) for name in names]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def is_matched(self) -> bool:
        return all(p.get_subscription_count() for p in self._publishers.values()) and all(
            s.subscription.get_publisher_count() for s in self._subscriptions)

    def start(self) -> None:
        self._thread.start()

    def reset(self) -> None:
        self.sent = dict.fromkeys(self.sent, 0)
        self.ms = {name: [] for name in self.ms}

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        for subscription in self._subscriptions:
            subscription.close()

    def _send(self) -> None:
        names = list(self._images)
        due, turn = time.monotonic(), 0
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            name = names[turn % len(names)]
            sec, nanosec = divmod(time.time_ns(), 10**9)
            self._images[name].publish(
                Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=name), 'bgr8',
                self._picture, self._memory)
            self.sent[name] += 1
            turn += 1
            due += 1.0 / FPS / len(names)

    def _arrived(self, name: str, taken: Any) -> None:
        self.ms[name].append((time.time_ns() - taken.stamp_ns) / 1e6)
        taken.release()


def run_case(count: int, seconds: float, parameters: dict[str, object]) -> PacedCameras:
    """Run ``count`` cameras for some seconds, and return them with their counts and latencies."""
    names = [f'camera{index}' for index in range(count)]
    command = node_command('node', {
        'cameras': f'[{", ".join(names)}]', 'stale_after': 60.0, **parameters})
    node = rclpy.create_node('cameras')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    cameras = PacedCameras(node, names)
    try:
        with running(command) as process:
            end = time.monotonic() + 60.0
            while not cameras.is_matched():
                executor.spin_once(timeout_sec=0.1)
                if time.monotonic() > end:
                    raise RuntimeError('the node did not start within a minute')
            cameras.start()
            for phase in (WARM_UP, seconds):
                cameras.reset()
                end = time.monotonic() + phase
                while time.monotonic() < end:
                    executor.spin_once(timeout_sec=0.05)
            cameras.stop()
            if process.poll() is not None:
                raise RuntimeError(f'the node ended with exit code {process.returncode}')
    finally:
        executor.shutdown()
        node.destroy_node()  # Otherwise its 64 MB of shared memory stay in /dev/shm.
    return cameras


def measure(report: FigureReport, quick: bool) -> None:
    keep_to_this_machine()
    rclpy.init(args=[])
    seconds = 3.0 if quick else 20.0
    cases: list[tuple[int, dict[str, object]]] = [
        (count, {}) for count in (COUNTS[::2] if quick else COUNTS)]
    cases.append((4, {'max_batch': 4}))
    for count, parameters in cases:
        cameras = run_case(count, seconds, parameters)
        title = f'{count} cameras' if count > 1 else '1 camera'
        add_rows(report, title + ', max_batch 4' * bool(parameters), cameras, seconds)
    rclpy.shutdown()


def add_rows(report: FigureReport, title: str, cameras: PacedCameras, seconds: float) -> None:
    served = {name: len(ms) for name, ms in cameras.ms.items()}
    every = [ms for found in cameras.ms.values() for ms in found]
    report.add(f'{title}: images sent', sum(cameras.sent.values()) / seconds, '/s')
    report.add(f'{title}: label maps', len(every) / seconds, '/s')
    report.add(f'{title}: p50', float(np.median(every)), 'ms')
    report.add(f'{title}: p99 of the worst camera',
               max(float(np.percentile(found, 99)) for found in cameras.ms.values()), 'ms')
    if len(served) > 1:
        fair = min(served.values()) / max(served.values())
        report.add(f'{title}: served least / most', fair, '', f'>= {FAIR:g}', fair >= FAIR)


if __name__ == '__main__':
    run(f'Cameras on one engine, {WIDTH}x{HEIGHT} bgr8 at {FPS:g} fps each', measure)
