# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Records the images of a camera and the results of a segmentation node in an MCAP bag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, ExitStack
from pathlib import Path
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from rosbags.rosbag2 import StoragePlugin, Writer
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..bags.reader import OCCUPANCY_GRID
from ..bags.writer import add_topic, write_marker
from ..errors import RecorderError
from ..untrusted.output_files import raise_output_errors

Tap = Callable[[str, bytes], None]
DEPTH = 50
"""Largest number of messages of one topic that wait to be written."""


class Recorder(Node):  # type: ignore[misc]  # rclpy has no types
    """Writes image, camera_info, label_map, overlay and ground grid to a bag when they arrive.

    Images and label maps are written unchanged. Overlays are written as JPEG, because they are
    only for viewing. All callbacks run in one executor thread.

    :param bag: folder of the new bag.
    :param segmentation: full name of the segmentation node.
    :param tap: called with the topic and the CDR bytes of each message, after the message was
        written. This function must not block.
    :param has_ground: whether the segmentation node publishes ground grids (maps of the ground).
    :raises RecorderError: if ground grids are wanted and nav_msgs is not installed.
    """

    def __init__(self, bag: Path, segmentation: str, tap: Tap | None = None,
                 has_ground: bool = False) -> None:
        super().__init__('segmentation_recorder')
        self._tap = tap
        self.diagnostics: dict[str, dict[str, str]] = {}
        """The newest diagnostics of the segmentation node. Maps the subject of each status, such
        as ``engine``, to the keys and values of the status."""
        self.trouble = ''
        """The engine error that the segmentation node reports. Empty if there is no error."""
        self.arrived: dict[int, int] = {}
        """Maps the stamp of each label map to its arrival time. Both are Unix times in ns."""
        self.counts: Counter[str] = Counter()
        self._writer = Writer(bag, version=8, storage_plugin=StoragePlugin.MCAP)
        write_marker(self._writer)
        self._writer.open()
        self._task_prefix = f'{segmentation.rpartition("/")[2]}: '
        self._image, self._label_map = '/image', f'{segmentation}/label_map'
        self._overlay = f'{segmentation}/overlay/compressed'
        self._connections = {
            topic: add_topic(self._writer, topic, f'sensor_msgs/msg/{kind.__name__}')
            for topic, kind in ((self._image, Image), ('/camera_info', CameraInfo),
                                (self._label_map, Image), (self._overlay, CompressedImage))}
        self.create_subscription(DiagnosticArray, '/diagnostics', self._diagnose, DEPTH)
        self._record(Image, self._label_map)
        self.create_subscription(Image, f'{segmentation}/overlay', self._compress, DEPTH)
        if has_ground:
            self._record_ground(f'{segmentation}/ground')

    def ready(self) -> bool:
        """Return whether the segmentation node has an engine and advertises its label maps."""
        # The diagnostics have the name of the engine only after the engine was opened.
        return (bool(self.count_publishers(self._label_map))
                and 'engine' in self.diagnostics.get('engine', {}))

    def begin(self) -> None:
        """Subscribe to the camera. A camera that waits for a subscriber then starts."""
        self._record(CameraInfo, '/camera_info')
        self._record(Image, self._image)

    def close(self) -> None:
        """Finish the bag, and destroy this node."""
        try:
            with raise_output_errors(self._writer.path):
                self._writer.close()
        finally:
            self.destroy_node()

    @classmethod
    @contextmanager
    def spinning(cls, bag: Path, segmentation: str, tap: Tap | None = None,
                 has_ground: bool = False) -> Iterator[tuple[Recorder, Callable[[float], None]]]:
        """Start ROS in this process. Yield a recorder, and a function that runs one callback.

        The argument of the yielded function is the longest time in seconds to wait for a callback.

        :raises RecorderError: if ROS does not start.
        :raises OutputError: if the bag cannot be written.
        """
        # ROS must not handle signals, because the caller handles them.
        try:
            rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        except rclpy_implementation.RCLError as error:
            raise RecorderError(
                f'ROS 2 does not start: {" ".join(str(error).split())}. If ROS cannot write its '
                'logs, set ROS_LOG_DIR to a folder in which you may write') from error
        with ExitStack() as stack:
            stack.callback(rclpy.shutdown)
            executor = SingleThreadedExecutor()
            stack.callback(executor.shutdown)
            recorder = stack.enter_context(closing(cls(bag, segmentation, tap, has_ground)))
            executor.add_node(recorder)
            yield recorder, executor.spin_once

    def _record_ground(self, topic: str) -> None:
        try:
            from nav_msgs.msg import OccupancyGrid
        except ImportError as error:
            raise RecorderError('ground grids need the package nav_msgs. To install: sudo apt '
                                'install ros-$ROS_DISTRO-nav-msgs') from error
        self._connections[topic] = add_topic(self._writer, topic, OCCUPANCY_GRID)
        self._record(OccupancyGrid, topic)

    def _record(self, kind: Any, topic: str) -> None:
        # With raw=True, rclpy makes no Python message. The bytes are written as they are.
        self.create_subscription(kind, topic, lambda data: self._write(topic, data),
                                 QoSProfile(depth=DEPTH), raw=True)

    def _write(self, topic: str, data: bytes) -> None:
        now = self.get_clock().now().nanoseconds
        self.counts[topic] += 1
        if topic == self._label_map:
            sec, nanosec = np.frombuffer(data, '<u4', 2, offset=4).tolist()
            self.arrived[sec * 10**9 + nanosec] = now
        with raise_output_errors(self._writer.path):
            self._writer.write(self._connections[topic], now, data)
        if self._tap:
            self._tap(topic, data)

    def _compress(self, overlay: Image) -> None:
        pixels = np.frombuffer(overlay.data, np.uint8).reshape(overlay.height, overlay.width, 3)
        fine, jpeg = cv2.imencode('.jpg', pixels)
        if fine:
            self._write(self._overlay, serialize_message(CompressedImage(
                header=overlay.header, format='bgr8; jpeg compressed bgr8', data=jpeg.tobytes())))

    def _diagnose(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.startswith(self._task_prefix):
                task = status.name.removeprefix(self._task_prefix)
                self.diagnostics[task] = {pair.key: pair.value for pair in status.values}
                if task == 'engine':
                    self.trouble = status.message if status.level == DiagnosticStatus.ERROR else ''
