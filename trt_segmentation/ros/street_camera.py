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

"""A camera that drives down a procedural street: the demo's stand-in for a real one."""

from __future__ import annotations

from array import array
import json
import sys
import threading
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ..street import CONDITIONS, Drive
from . import parameters
from .camera import camera_info_topic
from .messages import image_message, stamp_ns
from .parameters import NEVER, Setting
from .process import run
from .qos import ANSWERS

FRAME_ID = 'street_camera'
TOUR = 'tour'
DRAIN_SECONDS = 1.0
"""How long the last frames get to arrive before the process ends."""

SETTINGS = (
    Setting('seed', 1, 'Which street.', NEVER, high=2**31 - 1),
    Setting('condition', 'day', 'Light and weather; tour is a part of the loop in each.', NEVER,
            choices=(*CONDITIONS, TOUR)),
    Setting('width', 1280, 'Columns of pixels.', NEVER, low=64, high=7680),
    Setting('height', 720, 'Rows of pixels.', NEVER, low=64, high=4320),
    Setting('fps', 30.0, 'Frames a second.', NEVER, low=0.1, high=1000.0),
    Setting('loop', 60, 'Frames rendered beforehand and then repeated.', NEVER,
            low=1, high=100000),
    Setting('count', 0, 'Frames to publish before the process ends; 0 for no end.', NEVER,
            high=2**31 - 1),
    Setting('subscribers', 0, 'Subscribers of the image to wait for before the first frame.',
            NEVER, high=1000),
    Setting('log', '', 'File to write one JSON object a published frame to: index since the '
            'start, frame of the drive, condition, stamp_ns.', NEVER),
)


class StreetCamera(Node):  # type: ignore[misc]  # rclpy has no types
    """Publishes ``image`` (bgr8) and ``camera_info`` beside it, stamped with the time of sending.

    Published frame i is ``Drive(seed, condition, width, height, fps).frame(i % loop)``, so its
    truth can be had by anybody who knows the parameters and the log; truth is the same in every
    condition.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('street_camera', **options)
        parameters.declare(self, SETTINGS)
        get = self.get_parameter
        self._count = get('count').value
        self._subscribers = get('subscribers').value
        log = get('log').value
        self._log = open(log, 'w', encoding='utf-8') if log else None  # noqa: SIM115
        qos = QoSOverridingOptions.with_default_policies()
        self._image = self.create_publisher(
            Image, 'image', ANSWERS, qos_overriding_options=qos)
        self._info = self.create_publisher(
            CameraInfo, camera_info_topic(self), ANSWERS, qos_overriding_options=qos)
        self._conditions = schedule(get('condition').value, get('loop').value)
        self._camera_info = camera_info(
            self._drive(self._conditions[0]), get('width').value, get('height').value)
        self.frames: list[Image] = []
        """The rendered loop; complete before the first one is published."""
        self.published = 0
        self._ended = 0.0
        self._stopping = threading.Event()
        self._renderer = threading.Thread(target=self._render, name='street', daemon=True)
        self.create_timer(1.0 / get('fps').value, self._tick)

    def begin(self) -> None:
        """Start rendering the loop, in a thread of its own."""
        self.get_logger().info(
            f'rendering {self.get_parameter("loop").value} frames of '
            f'{self._camera_info.width}x{self._camera_info.height}')
        self._renderer.start()

    def finished(self) -> bool:
        """Whether ``count`` frames were published and had time to arrive."""
        return bool(self._ended) and time.monotonic() - self._ended > DRAIN_SECONDS

    def stop(self) -> None:
        """End rendering and close the log."""
        self._stopping.set()
        if self._log:
            self._log.close()
        self.get_logger().info(f'{self.published} frames published')

    def _drive(self, condition: str) -> Drive:
        get = self.get_parameter
        return Drive(get('seed').value, condition, get('width').value, get('height').value,
                     get('fps').value)

    def _render(self) -> None:
        frames: list[Image] = []
        drives = {condition: self._drive(condition) for condition in set(self._conditions)}
        for index, condition in enumerate(self._conditions):
            if self._stopping.is_set():
                return
            image = drives[condition].frame(index).image
            frames.append(image_message(Header(frame_id=FRAME_ID), 'bgr8', image))
        self.get_logger().info(f'publishing {self._image.topic_name}')
        self.frames = frames  # whole, at once: the timer's thread reads it

    def _tick(self) -> None:
        if not self.frames or self._ended:
            return
        if not self.published and self._image.get_subscription_count() < self._subscribers:
            return
        frame = self.published % len(self.frames)
        message = self.frames[frame]
        message.header.stamp = self.get_clock().now().to_msg()
        self._camera_info.header = message.header
        self._image.publish(message)
        self._info.publish(self._camera_info)
        if self._log:
            self._log.write(json.dumps({
                'index': self.published, 'frame': frame, 'condition': self._conditions[frame],
                'stamp_ns': stamp_ns(message.header)}) + '\n')
            self._log.flush()
        self.published += 1
        if self.published == self._count:
            self._ended = time.monotonic()


def schedule(condition: str, loop: int) -> list[str]:
    """The condition of every frame of the loop."""
    if condition != TOUR:
        return [condition] * loop
    return [CONDITIONS[index * len(CONDITIONS) // loop] for index in range(loop)]


def camera_info(drive: Drive, width: int, height: int) -> CameraInfo:
    """Calibration of a drive's camera: a pinhole with no distortion; header left empty."""
    fx, fy, cx, cy = drive.intrinsics
    return CameraInfo(
        width=width, height=height, distortion_model='plumb_bob', d=array('d', [0.0] * 5),
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0])


def main(args: list[str] | None = None) -> int:
    """Run the camera until SIGINT, SIGTERM or ``count`` frames; the process's exit code."""
    return run(StreetCamera, StreetCamera.begin, args,
               lambda camera: 0 if camera.finished() else None)


if __name__ == '__main__':
    sys.exit(main())
