# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A plain segmentation node, as a careful engineer writes it without this package.

It uses rclpy messages, the conversions of cv_bridge, OpenCV, ONNX Runtime and mallopt. The
benchmark ros_end_to_end starts it as ``plain_node.py FRAME_LOG``. It has the same topics as the
node of the package, and its frame log has the same keys.
"""

from __future__ import annotations

from array import array
from contextlib import suppress
import json
from pathlib import Path
import sys
import time
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import onnxruntime
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from trt_segmentation.memory import keep_freed_memory
from trt_segmentation.model.card import load_card
from trt_segmentation.ros.transport.qos import RELIABLE

NAME = 'trt_segmentation'
"""Name of the package's node, so that this node has the same topics."""


def imgmsg_to_cv2(message: Image) -> Any:
    """Return a bgr8 image without a copy, as cv_bridge does."""
    return np.ndarray((message.height, message.width, 3), np.uint8, message.data,
                      strides=(message.step, 3, 1))


def cv2_to_imgmsg(picture: Any, encoding: str, header: Any) -> Image:
    """Return a message with a copy of the image, as cv_bridge does."""
    message = Image(header=header, height=picture.shape[0], width=picture.shape[1],
                    encoding=encoding, step=picture.size // picture.shape[0])
    message.data = array('B', picture.tobytes())
    return message


class PlainNode(Node):  # type: ignore[misc]
    """Segments every image in the callback of its subscription."""

    def __init__(self, log: Path) -> None:
        super().__init__(NAME)
        card = load_card('street')
        if hasattr(onnxruntime, 'preload_dlls'):
            onnxruntime.preload_dlls(msvc=False)
        self._session = onnxruntime.InferenceSession(str(card.model), providers=[
            name for name in ('CUDAExecutionProvider', 'CPUExecutionProvider')
            if name in onnxruntime.get_available_providers()])
        _, _, self._height, self._width = self._session.get_inputs()[0].shape
        values = (np.arange(256)[:, None] / 255 - card.input.mean) / card.input.std
        self._tables = np.ascontiguousarray(values.T.astype(np.float32))
        self._colors = np.zeros((256, 1, 3), np.uint8)
        self._colors[:len(card.palette), 0] = card.palette[:, ::-1]
        self._tensor = np.empty((1, 3, self._height, self._width), np.float32)
        self._segment(np.zeros((1080, 1920, 3), np.uint8))
        self._log = log.open('w', encoding='utf-8', buffering=1)
        self._labels = self.create_publisher(Image, '~/label_map', RELIABLE)
        self._overlay = self.create_publisher(Image, '~/overlay', RELIABLE)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_subscription(Image, 'image', self._take, qos_profile_sensor_data)
        self.create_timer(1.0, self._diagnose)

    def _take(self, message: Image) -> None:
        arrived, arrived_ns = time.monotonic(), time.time_ns()
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        picture = imgmsg_to_cv2(message)
        labels = self._segment(picture)
        began = time.monotonic()
        self._labels.publish(cv2_to_imgmsg(labels, 'mono8', message.header))
        if self._overlay.get_subscription_count():
            overlay = cv2.addWeighted(
                picture, 0.5, cv2.applyColorMap(labels, self._colors), 0.5, 0)
            self._overlay.publish(cv2_to_imgmsg(overlay, 'bgr8', message.header))
        ended = time.monotonic()
        self._log.write(json.dumps({'stamp_ns': stamp, 'timings': {
            'age': (arrived_ns - stamp) / 1e6 + (began - arrived) * 1e3,
            'publish': (ended - began) * 1e3, 'total': (ended - arrived) * 1e3}}) + '\n')

    def _segment(self, picture: Any) -> Any:
        small = cv2.resize(picture, (self._width, self._height))
        planes: list[Any] = list(cv2.split(small))
        for table, target, plane in zip(self._tables, self._tensor[0], reversed(planes)):
            cv2.LUT(plane, table, dst=target)
        (logits,) = self._session.run(None, {'image': self._tensor})
        # A running maximum is about twice as fast as np.argmax over the first axis.
        best, labels = logits[0, 0].copy(), np.zeros(logits.shape[2:], np.uint8)
        for number in range(1, logits.shape[1]):
            larger = logits[0, number] > best
            labels[larger] = number
            np.maximum(best, logits[0, number], out=best)
        return cv2.resize(labels, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)

    def _diagnose(self) -> None:
        engine = f'plain, {self._session.get_providers()[0]}'
        self._diagnostics.publish(DiagnosticArray(status=[DiagnosticStatus(
            values=[KeyValue(key='engine', value=engine)])]))


if __name__ == '__main__':
    keep_freed_memory()
    rclpy.init()
    with suppress(KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        rclpy.spin(PlainNode(Path(sys.argv[1])))
