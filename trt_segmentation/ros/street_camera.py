# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The camera node of the demo. It publishes rendered images of a drive along a street."""

from __future__ import annotations

from array import array
import json
from pathlib import Path
import sys
import threading
import time
from typing import Any, IO

import numpy as np
import numpy.typing as npt
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ..errors import TransportError
from ..memory import keep_freed_memory, Memory, PageMemory
from ..street import CONDITIONS, Drive
from ..untrusted.output_files import check_file, KEY, MARKER
from .camera import camera_info_topic
from .parameters.declare import declare
from .parameters.setting import NEVER, Setting
from .process.guarded import Guarded
from .process.run import run
from .transport.cdr import HEAD_ROOM
from .transport.choose import choose_transport, ImagePublisher, Transport, TRANSPORTS
from .transport.messages import stamp_ns
from .transport.qos import overridable, RELIABLE

FRAME_ID = 'street_camera'
TOUR = 'tour'
DRAIN_SECONDS = 1.0
"""The process ends this many seconds after the last frame, so that this frame can arrive."""

SETTINGS = (
    Setting('seed', 1, 'Seed of the street. A different seed gives a different street.', NEVER,
            high=2**31 - 1),
    Setting('condition', 'day', "Light and weather on the street. If this is 'tour', each "
            'condition gets an equal part of the loop.', NEVER, choices=(*CONDITIONS, TOUR)),
    Setting('width', 1280, 'Width of the image in pixels.', NEVER, low=64, high=7680),
    Setting('height', 720, 'Height of the image in pixels.', NEVER, low=64, high=4320),
    Setting('fps', 30.0, 'Frames per second.', NEVER, low=0.1, high=1000.0),
    Setting('loop', 60, 'Number of different frames. The camera renders all of them first, and '
            'then publishes them again and again.', NEVER, low=1, high=100000),
    Setting('count', 0, 'The process ends after this many frames. 0 means that the camera goes on '
            'until a signal ends the process.', NEVER, high=2**31 - 1),
    Setting('subscribers', 0, 'The camera waits for this many image subscribers before it '
            'publishes the first frame.', NEVER, high=1000),
    Setting('transport', 'auto', "How images travel. 'direct' publishes images without a copy. "
            "'typed' copies each image into a Python message. 'auto' means 'direct' if direct "
            "works on this machine, and otherwise 'typed'.", NEVER, choices=TRANSPORTS),
    Setting('log', '', 'Log file with one JSON object per published frame. The object has index '
            '(0 for the first published frame), frame (position in the loop, from 0), condition '
            'and stamp_ns. If the file is an earlier log, the camera replaces the file.', NEVER),
)


class StreetCamera(Guarded, Node):  # type: ignore[misc]  # rclpy has no types
    """Publishes ``image`` (bgr8) and ``camera_info``. Their stamp is the time of publishing.

    The camera first renders all frames of the loop, and then advertises its topics, because
    subscribers would warn of topics without images. If ``subscribers`` is above 0, the camera
    advertises its topics at once, so that the subscribers find the topics.

    Published frame i is ``Drive(seed, condition, width, height, fps).frame(i % loop)``. So a
    program can compute the true classes of a frame from the parameters and the log. The condition
    does not change the true classes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('street_camera', **options)
        declare(self, SETTINGS)
        get = self.get_parameter
        self._transport = self._choose_transport()
        self._loop, self._memory = self._make_loop()
        self._count = get('count').value
        self._subscribers = get('subscribers').value
        self._log = self._open_log(get('log').value)
        self._images: ImagePublisher | None = None
        self._advertise()  # refuses invalid QoS overrides before the loop is rendered
        self._topic = self._image.topic_name
        if not self._subscribers:
            self._images = None
            for publisher in (self._image, self._info):
                self.destroy_publisher(publisher)
        self._conditions = schedule(get('condition').value, get('loop').value)
        self._camera_info = camera_info(
            self._drive(self._conditions[0]), get('width').value, get('height').value)
        self.frames: list[npt.NDArray[np.uint8]] = []
        """The frames, each (height, width, 3) uint8 BGR. Empty until every frame is rendered."""
        self.published = 0
        self._ended = 0.0
        self._stopping = threading.Event()
        self._renderer = threading.Thread(target=self._render, name='street', daemon=True)
        self.create_timer(1.0 / get('fps').value, self._tick)

    def begin(self) -> None:
        """Start a thread that renders the loop."""
        self.get_logger().info(
            f'rendering {self.get_parameter("loop").value} frames of '
            f'{self._camera_info.width}x{self._camera_info.height}')
        self._renderer.start()

    def finished(self) -> bool:
        """Return whether ``count`` frames were published and had time to arrive."""
        return bool(self._ended) and time.monotonic() - self._ended > DRAIN_SECONDS

    def stop(self) -> None:
        """Stop rendering and close the log. The call may wait until a frame is rendered."""
        self._stopping.set()
        if self._renderer.is_alive():
            # If Python ended while the thread is in a library call, the process would abort.
            self._renderer.join()
        if self._log:
            self._log.close()
        self.get_logger().info(f'{self.published} frames published')

    def _choose_transport(self) -> Transport:
        asked = self.get_parameter('transport').value
        try:
            return choose_transport(asked)
        except TransportError as error:
            raise InvalidParameterValueException('transport', asked, str(error)) from error

    def _open_log(self, path: str) -> IO[str] | None:
        try:
            if not path:
                return None
            check_file(Path(path), 'log')
            return open(path, 'w', encoding='utf-8')
        except OSError as error:
            raise InvalidParameterValueException('log', path, str(error)) from error

    def _make_loop(self) -> tuple[list[npt.NDArray[np.uint8]], Memory]:
        """Return arrays for the frames, and the block of memory that holds all these arrays.

        Before each array, HEAD_ROOM bytes of the block are free.
        """
        get = self.get_parameter
        loop, shape = get('loop').value, (get('height').value, get('width').value, 3)
        nbytes = shape[0] * shape[1] * shape[2]
        stride = -(-(HEAD_ROOM + nbytes) // 64) * 64
        try:
            # All frames share one block, because Linux limits the number of memory mappings.
            memory = PageMemory(loop * stride)
        except OSError as error:
            raise InvalidParameterValueException('loop', loop, (
                f'a loop of {loop} frames of {shape[1]}x{shape[0]} needs '
                f'{loop * stride / 1e9:.1f} GB of memory ({error.strerror}); set a smaller loop, '
                'width or height')) from error
        starts = range(HEAD_ROOM, loop * stride, stride)
        return [memory.view[start:start + nbytes].reshape(shape) for start in starts], memory

    def _advertise(self) -> None:
        self._image = self._publisher(Image, 'image')
        self._info = self._publisher(CameraInfo, camera_info_topic(self, self._image.topic_name))
        self._images = self._transport.publisher(self._image)

    def _publisher(self, kind: type, topic: str) -> Publisher:
        with overridable(self, topic, RELIABLE) as (qos, options):
            return self.create_publisher(kind, topic, qos, qos_overriding_options=options)

    def _drive(self, condition: str) -> Drive:
        get = self.get_parameter
        return Drive(get('seed').value, condition, get('width').value, get('height').value,
                     get('fps').value)

    def _render(self) -> None:
        drives = {condition: self._drive(condition) for condition in set(self._conditions)}
        for index, condition in enumerate(self._conditions):
            if self._stopping.is_set():
                return
            np.copyto(self._loop[index], drives[condition].frame(index).image)
        if self._transport.name == 'typed':
            keep_freed_memory()  # because each frame is now copied into memory from malloc
        self.get_logger().info(f'publishing {self._topic}; transport {self._transport}')
        self.frames = self._loop  # last, because _tick publishes as soon as there are frames

    def _tick(self) -> None:
        if not self.frames or self._ended:
            return
        if self._images is None:
            self._advertise()
        assert self._images is not None
        if not self.published and self._image.get_subscription_count() < self._subscribers:
            return
        frame = self.published % len(self.frames)
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
        self._images.publish(header, 'bgr8', self.frames[frame], self._memory)
        self._camera_info.header = header
        self._info.publish(self._camera_info)
        if self._log:
            self._log.write(json.dumps({
                **({} if self.published else {KEY: MARKER}), 'index': self.published,
                'frame': frame, 'condition': self._conditions[frame],
                'stamp_ns': stamp_ns(header)}) + '\n')
            self._log.flush()
        self.published += 1
        if self.published == self._count:
            self._ended = time.monotonic()


def schedule(condition: str, loop: int) -> list[str]:
    """Return the condition of every frame of a loop."""
    if condition != TOUR:
        return [condition] * loop
    return [CONDITIONS[index * len(CONDITIONS) // loop] for index in range(loop)]


def camera_info(drive: Drive, width: int, height: int) -> CameraInfo:
    """Return the calibration of a drive's pinhole camera. There is no distortion and no header."""
    fx, fy, cx, cy = drive.intrinsics
    return CameraInfo(
        width=width, height=height, distortion_model='plumb_bob', d=array('d', [0.0] * 5),
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0])


def main(args: list[str] | None = None) -> int:
    """Run the camera until a signal comes or ``count`` frames are sent. Returns the exit code."""
    return run(StreetCamera, StreetCamera.begin, args,
               lambda camera: 0 if camera.finished() else None, 'street_camera')


if __name__ == '__main__':
    sys.exit(main())
