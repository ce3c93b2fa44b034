# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write segmentations to a rosbag2 recording without a ROS installation."""

from __future__ import annotations

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
from ..model.card import ModelCard
from ..untrusted.output_files import KEY, MARKER, raise_output_errors
from .reader import CAMERA_INFO, COMPRESSED, IMAGE, LABEL_INFO, Recorded, STORE

_FOREVER = QosTime(9223372036, 854775807)
"""rosbag2 records this duration if the publisher sets none."""


class BagWriter:
    """Writes segmentations to an MCAP bag.

    Use a writer in one thread only, and in a ``with`` block. The end of the block closes the bag.
    Every message has the log time and the header of its image.

    :param path: a new folder. It must not exist.
    :param card: the model. The card gives the class names and the encoding of the label maps.
    :param namespace: namespace of the topics ``label_map``, ``overlay``, ``camera_info`` and
        ``label_info``. PNG label maps have the topic ``label_map/compressed``, as image_transport
        requires.
    :param png: whether label maps are PNG. PNG is lossless and much smaller.
    :raises BagError: if the folder cannot be created, or if the namespace is not a ROS name.
    """

    def __init__(self, path: Path, card: ModelCard, namespace: str = 'segmentation', *,
                 overlay: bool = True, camera_info: bool = False, png: bool = False) -> None:
        self.path = path
        self._card = card
        self._png = png
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
        self._overlay = add_topic(self._writer, f'{root}/overlay', IMAGE) if overlay else None
        self._camera_info = add_topic(
            self._writer, f'{root}/camera_info', CAMERA_INFO) if camera_info else None

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        # The bag is closed after an error too, so that its messages stay readable.
        with raise_output_errors(self.path):
            self._writer.close()

    def write(self, log_time_ns: int, segmentation: Segmentation) -> None:
        """Write the label map, and the overlay if there is one.

        The writer keeps no reference to the arrays.

        :param log_time_ns: log time of the segmented image, in nanoseconds.
        :raises OutputError: if the bag cannot be written, for example because the disk is full.
            The message names the bag.
        """
        header = self._header(segmentation.frame.stamp_ns, segmentation.frame.frame_id)
        self._write_label_info(log_time_ns, header)
        if self._png:
            message = self._compressed(header, segmentation.labels)
        else:
            message = self._image(header, self._card.label_encoding, segmentation.labels)
        self._put(self._label_map, log_time_ns, message)
        if self._overlay and segmentation.overlay is not None:
            self._put(self._overlay, log_time_ns,
                      self._image(header, 'bgr8', segmentation.overlay))

    def write_camera_info(self, recorded: Recorded) -> None:
        """Write a recorded camera info unchanged."""
        assert self._camera_info
        with raise_output_errors(self.path):
            self._writer.write(self._camera_info, recorded.log_time_ns, recorded.data)

    def _write_label_info(self, log_time_ns: int, header: Any) -> None:
        if self._label_info_written:
            return
        self._label_info_written = True
        vision_class = STORE.types['vision_msgs/msg/VisionClass']
        classes = [vision_class(class_id=index, class_name=name)
                   for index, name in enumerate(self._card.classes)]
        self._put(self._label_info, log_time_ns, STORE.types[LABEL_INFO](
            header=header, class_map=classes, threshold=self._card.output.threshold))

    def _put(self, connection: Connection, log_time_ns: int, message: object) -> None:
        with raise_output_errors(self.path):
            self._writer.write(connection, log_time_ns,
                               STORE.serialize_cdr(message, connection.msgtype))

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        stamp = STORE.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
        return STORE.types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)

    def _image(self, header: Any, encoding: str, pixels: npt.NDArray[Any]) -> object:
        height, width = pixels.shape[:2]
        # The message says is_bigendian=0, so 16-bit pixels must be little-endian.
        data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder('<')).view(np.uint8)
        return STORE.types[IMAGE](
            header=header, height=height, width=width, encoding=encoding, is_bigendian=0,
            step=data.nbytes // height, data=data.reshape(-1))

    def _compressed(self, header: Any, labels: npt.NDArray[Any]) -> object:
        fine, png = cv2.imencode('.png', labels)
        if not fine:
            raise BagError(f'OpenCV cannot write a PNG of {labels.shape} {labels.dtype}')
        return STORE.types[COMPRESSED](
            header=header, format=f'{self._card.label_encoding}; png compressed ',
            data=png.reshape(-1))


def write_marker(writer: Writer) -> None:
    """Add this package's marker to metadata.yaml and to the copy of this file in the MCAP file.

    :param writer: a writer that is not yet open.
    """
    writer.set_custom_data(KEY, MARKER)


def add_topic(writer: Writer, topic: str, msgtype: str, latched: bool = False) -> Connection:
    """Add a topic to an open bag. Its QoS is reliable, like the QoS of the node.

    :param writer: an open writer.
    :param latched: whether the QoS is transient local with a depth of 1. A late subscriber then
        still gets the last message.
    """
    qos = Qos(
        QosHistory.KEEP_LAST, 1 if latched else 5, QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER, _FOREVER, QosLiveliness.AUTOMATIC, _FOREVER,
        avoid_ros_namespace_conventions=False)
    return writer.add_connection(topic, msgtype, typestore=STORE, offered_qos_profiles=[qos])


def topic_root(namespace: str) -> str:
    """Return the topic prefix of a namespace. It begins with a slash and does not end with one.

    :raises BagError: if the namespace is not a ROS name.
    """
    name = namespace.strip('/')
    if not re.fullmatch(r'[A-Za-z_]\w*(/[A-Za-z_]\w*)*', name, re.ASCII):
        raise BagError(f'namespace {namespace!r} is not a ROS name. A ROS name has parts that are '
                       'separated by /. A part has letters, digits and _, and does not start with '
                       'a digit')
    return f'/{name}'
