# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Writes segmentations to a rosbag2 recording without a ROS installation.

A segmentation is the label map of an image, and often an overlay: the image with class colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from ..errors import BagError
from ..frame import Segmentation
from ..host.label_png import encode_label_png
from ..model.card import ModelCard
from ..untrusted.output_files import KEY, MARKER, raise_output_errors
from .message_types import LABEL_INFO, STORE
from .reader import CAMERA_INFO, COMPRESSED, IMAGE, Recorded

_FOREVER = QosTime(9223372036, 854775807)
"""If a publisher sets no duration in its QoS, rosbag2 records this duration."""


@dataclass(frozen=True)
class EncodedResult:
    """The messages of one segmented frame, ready to be written.

    :param log_time_ns: log time of all messages, in nanoseconds.
    :param header: the std_msgs/Header of all messages.
    :param messages: the topic and the CDR bytes of each message.
    """

    log_time_ns: int
    header: Any
    messages: Sequence[tuple[Connection, bytes | memoryview]]


class BagWriter:
    """Writes segmentations to an MCAP bag.

    Any thread may call :meth:`encode`. Only one thread may call the other methods. Use the writer
    in a ``with`` block, because the end of the block closes the bag. A label map and an overlay
    have the log time and the header of their image.

    :param path: a new folder. It must not exist.
    :param card: the model card. It gives the class names and the encoding of the label maps.
    :param namespace: namespace of the topics ``label_map``, ``overlay``, ``camera_info`` and
        ``label_info``. PNG label maps have the topic ``label_map/compressed``, as image_transport
        requires.
    :param png: whether label maps are PNG. PNG is lossless and much smaller.
    :param jpeg: whether overlays are JPEG. Their topic is then ``overlay/compressed``.
    :raises BagError: if the folder cannot be created, or if the namespace is not a ROS name.
    """

    def __init__(self, path: Path, card: ModelCard, namespace: str = 'segmentation', *,
                 overlay: bool = True, camera_info: bool = False, png: bool = False,
                 jpeg: bool = False) -> None:
        self.path = path
        self._card = card
        self._png, self._jpeg = png, jpeg
        self._label_info_written = False
        root = topic_root(namespace)
        try:
            # Version 8 of the metadata stores QoS as numbers, and version 9 as names. ROS 2 Humble
            # reads only the numbers. Later distributions read both.
            self._writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
            write_marker(self._writer)
            self._writer.open()
        except (OSError, WriterError) as error:
            raise BagError(f'cannot write a bag to {path}: {error}') from error
        label_map = ('label_map/compressed', COMPRESSED) if png else ('label_map', IMAGE)
        self._label_map = add_topic(self._writer, f'{root}/{label_map[0]}', label_map[1])
        self._label_info = add_topic(self._writer, f'{root}/label_info', LABEL_INFO, latched=True)
        shown = ('overlay/compressed', COMPRESSED) if jpeg else ('overlay', IMAGE)
        self._overlay = add_topic(
            self._writer, f'{root}/{shown[0]}', shown[1]) if overlay else None
        self._camera_info = add_topic(
            self._writer, f'{root}/camera_info', CAMERA_INFO) if camera_info else None

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        # The bag is closed after an error too, so that its messages stay readable.
        with raise_output_errors(self.path):
            self._writer.close()

    def encode(self, log_time_ns: int, segmentation: Segmentation) -> EncodedResult:
        """Make the messages of a segmented image. The result contains copies of the arrays.

        :param log_time_ns: log time of the segmented image, in nanoseconds.
        """
        header = _header(segmentation.frame.stamp_ns, segmentation.frame.frame_id)
        encoding = self._card.label_encoding
        images = [(self._label_map, _compressed(
            header, f'{encoding}; png compressed ',
            np.frombuffer(encode_label_png(segmentation.labels), np.uint8))
            if self._png else _image(header, encoding, segmentation.labels))]
        if self._overlay and segmentation.overlay is not None:
            images.append((self._overlay, _compressed(
                header, 'bgr8; jpeg compressed bgr8', _encode_jpeg(segmentation.overlay))
                if self._jpeg else _image(header, 'bgr8', segmentation.overlay)))
        return EncodedResult(log_time_ns, header, [
            (topic, STORE.serialize_cdr(image, topic.msgtype)) for topic, image in images])

    def write(self, result: EncodedResult) -> None:
        """Write the messages of a frame. Before the first frame, write the class names.

        :raises OutputError: if the bag cannot be written, for example because the disk is full.
            The message names the bag.
        """
        if not self._label_info_written:
            self._label_info_written = True
            self._write_label_info(result)
        for topic, data in result.messages:
            self._put(topic, result.log_time_ns, data)

    def write_camera_info(self, recorded: Recorded) -> None:
        """Write a recorded camera info unchanged."""
        assert self._camera_info
        self._put(self._camera_info, recorded.log_time_ns, recorded.data)

    def _write_label_info(self, result: EncodedResult) -> None:
        vision_class = STORE.types['vision_msgs/msg/VisionClass']
        classes = [vision_class(class_id=index, class_name=name)
                   for index, name in enumerate(self._card.classes)]
        self._put(self._label_info, result.log_time_ns, STORE.serialize_cdr(
            STORE.types[LABEL_INFO](header=result.header, class_map=classes,
                                    threshold=self._card.output.threshold), LABEL_INFO))

    def _put(self, topic: Connection, log_time_ns: int, data: bytes | memoryview) -> None:
        with raise_output_errors(self.path):
            self._writer.write(topic, log_time_ns, data)


def _header(stamp_ns: int, frame_id: str) -> Any:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    stamp = STORE.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
    return STORE.types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)


def _image(header: Any, encoding: str, pixels: npt.NDArray[Any]) -> object:
    height, width = pixels.shape[:2]
    # The message has is_bigendian=0, so 16-bit pixels must be little-endian.
    data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder('<')).view(np.uint8)
    return STORE.types[IMAGE](
        header=header, height=height, width=width, encoding=encoding, is_bigendian=0,
        step=data.nbytes // height, data=data.reshape(-1))


def _compressed(header: Any, kind: str, data: npt.NDArray[np.uint8]) -> object:
    return STORE.types[COMPRESSED](header=header, format=kind, data=data)


def _encode_jpeg(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    fine, data = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not fine:
        raise BagError(f'OpenCV cannot write a JPEG of {pixels.shape} {pixels.dtype}')
    return np.asarray(data, np.uint8).reshape(-1)


def write_marker(writer: Writer) -> None:
    """Add a marker to a bag that is not yet open.

    The marker says that trt_segmentation wrote the bag.
    """
    writer.set_custom_data(KEY, MARKER)


def add_topic(writer: Writer, topic: str, msgtype: str, latched: bool = False) -> Connection:
    """Add a topic to an open bag. The QoS is reliable, as for the topics of the node.

    :param latched: whether a late subscriber still gets the last message (transient local).
    """
    qos = Qos(
        QosHistory.KEEP_LAST, 1 if latched else 5, QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE, _FOREVER, _FOREVER,
        QosLiveliness.AUTOMATIC, _FOREVER, avoid_ros_namespace_conventions=False)
    return writer.add_connection(topic, msgtype, typestore=STORE, offered_qos_profiles=[qos])


def topic_root(namespace: str) -> str:
    """Return the topic prefix of a namespace.

    The prefix begins with a slash, but does not end with a slash.

    :raises BagError: if the namespace is not a ROS name.
    """
    name = namespace.strip('/')
    if not re.fullmatch(r'[A-Za-z_]\w*(/[A-Za-z_]\w*)*', name, re.ASCII):
        raise BagError(f'namespace {namespace!r} is not a ROS name. A ROS name has parts that are '
                       'separated by /. A part has letters, digits and _, and does not start with '
                       'a digit')
    return f'/{name}'
