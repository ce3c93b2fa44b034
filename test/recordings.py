# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Writes bags for tests with rosbags."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

STORE = get_typestore(Stores.ROS2_JAZZY)
TOPIC = '/camera/image_raw'
FIRST = 1_700_000_000_000_000_000


@dataclass
class Message:
    """A message to record. ``message`` is a message of rosbags, or the bytes of its CDR."""

    topic: str
    msgtype: str
    log_time_ns: int
    message: Any


def header(stamp_ns: int, frame_id: str = 'camera') -> Any:
    """Return a std_msgs/Header."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    time = STORE.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
    return STORE.types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id)


def image(pixels: np.ndarray, encoding: str, stamp_ns: int, *, padding: int = 0,
          big_endian: bool = False, frame_id: str = 'camera') -> Any:
    """Return a sensor_msgs/Image with ``padding`` bytes of 171 after each row."""
    dtype = pixels.dtype.newbyteorder('>' if big_endian else '<')
    rows = np.ascontiguousarray(pixels, dtype).view(np.uint8).reshape(pixels.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=171)
    return STORE.types['sensor_msgs/msg/Image'](
        header=header(stamp_ns, frame_id), height=pixels.shape[0], width=pixels.shape[1],
        encoding=encoding, is_bigendian=int(big_endian), step=rows.shape[1],
        data=rows.reshape(-1))


def compressed(pixels: np.ndarray, kind: str, stamp_ns: int) -> Any:
    """Return a sensor_msgs/CompressedImage. ``kind`` is jpeg or png."""
    data = cv2.imencode('.jpg' if kind == 'jpeg' else '.png', pixels)[1].reshape(-1)
    return STORE.types['sensor_msgs/msg/CompressedImage'](
        header=header(stamp_ns), format=f'bgr8; {kind} compressed bgr8', data=data)


def camera_info(stamp_ns: int) -> Any:
    """Return a sensor_msgs/CameraInfo with numbers that a test can recognise."""
    region = STORE.types['sensor_msgs/msg/RegionOfInterest'](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return STORE.types['sensor_msgs/msg/CameraInfo'](
        header=header(stamp_ns), height=48, width=64, distortion_model='plumb_bob',
        d=np.arange(5.0), k=np.arange(9.0), r=np.eye(3).reshape(-1), p=np.arange(12.0),
        binning_x=0, binning_y=0, roi=region)


def write_bag(path: Path, messages: Iterable[Message], storage: str = 'mcap',
              compression: CompressionMode = CompressionMode.NONE) -> Path:
    """Write messages in the given order, and return the path."""
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    connections: dict[str, Any] = {}
    bag = Writer(path, version=9, storage_plugin=plugin)
    bag.set_compression(compression, CompressionFormat.ZSTD)
    with bag as writer:
        for entry in messages:
            if entry.topic not in connections:
                connections[entry.topic] = writer.add_connection(
                    entry.topic, entry.msgtype, typestore=STORE)
            data = entry.message if isinstance(entry.message, bytes) else \
                STORE.serialize_cdr(entry.message, entry.msgtype)
            writer.write(connections[entry.topic], entry.log_time_ns, data)
    return path


def pictures(count: int, height: int = 48, width: int = 64, seed: int = 0) -> list[np.ndarray]:
    """Return BGR pictures with areas of one colour. JPEG keeps such areas recognisable."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 6, 8, 3), np.uint8)
    return [cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
            for small in coarse]


def image_messages(found: Iterable[np.ndarray], topic: str = TOPIC, encoding: str = 'bgr8',
                   **options: Any) -> list[Message]:
    """Return images. Stamps are 100 ms apart, and the log time is 7 ms after the stamp."""
    return [Message(topic, 'sensor_msgs/msg/Image', stamp + 7_000_000,
                    image(pixels, encoding, stamp, **options))
            for stamp, pixels in ((FIRST + 100_000_000 * i, p) for i, p in enumerate(found))]
