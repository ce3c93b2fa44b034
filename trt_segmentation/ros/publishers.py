# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers for the segmentations of one camera, and for the class names."""

from __future__ import annotations

from copy import copy
import math
import time
from typing import Any

import numpy.typing as npt
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ..frame import Segmentation, Wanted
from ..memory import ArrayMemory
from ..model.card import ModelCard
from .transport.choose import Transport
from .transport.qos import LATCHED, make_lifecycle_publisher, PROMISES, RELIABLE

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:  # not every ROS installation has vision_msgs
    LabelInfo = VisionClass = None

IMAGES = ('label_map', 'overlay', 'confidence')
"""The names of the published image topics, without the camera's prefix."""


class Publishers:
    """The lifecycle publishers of one camera.

    The transition ``configure`` makes the publishers, and ``cleanup`` closes them. The
    :class:`.Worker`, which segments the frames, has two threads. One of these threads calls
    :meth:`schedule_outputs`, and the other calls :meth:`publish`. The worker and the executor's
    thread call :meth:`announce_classes`. Only the executor's thread calls the other methods.

    :param prefix: first part of the topics, such as ``~``.
    :param card: gives the class names and the encoding of the label map.
    """

    def __init__(self, node: LifecycleNode, prefix: str, card: ModelCard,
                 transport: Transport) -> None:
        self._node = node
        self._prefix = prefix
        self.card = card
        """The card of the model. An exchange of the model changes this card between two frames."""
        # The next overlay is due 1 / overlay_rate seconds after this time.monotonic().
        self._overlay_start = -math.inf
        self._all: list[Any] = []
        try:
            images = [self._make_publisher(Image, name) for name in IMAGES]
            self._label_map, self._overlay, self._confidence = images
            self._images = {publisher: transport.publisher(publisher) for publisher in images}
            self._camera_info = self._make_publisher(CameraInfo, 'camera_info')
            self._label_info = LabelInfo and self._make_publisher(LabelInfo, 'label_info', LATCHED)
        except Exception:  # for example an impossible qos_overrides value
            self.close()  # because the caller gets no object that it could close
            raise
        if LabelInfo is None:
            node.get_logger().info(
                '`label_info` is not published, because vision_msgs is not installed. To install: '
                'sudo apt install ros-$ROS_DISTRO-vision-msgs', once=True)

    @property
    def label_map(self) -> str:
        """Full name of the topic of the label maps."""
        return str(self._node.resolve_topic_name(f'{self._prefix}/label_map'))

    def schedule_outputs(self, confidence: bool, overlay_rate: float) -> Wanted:
        """See :meth:`.ServedCamera.schedule_outputs`.

        The overlay or the confidence is wanted only if its topic has a subscriber.
        """
        has_subscriber = self._overlay.get_subscription_count() > 0
        return Wanted(
            overlay=has_subscriber and self._claim_overlay(overlay_rate),
            confidence=confidence and self._confidence.get_subscription_count() > 0)

    def announce_classes(self) -> None:
        """Publish the class names once. The topic keeps the names for later subscribers."""
        if self._label_info:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._label_info.publish(label_info_message(header, self.card))

    def publish(self, segmentation: Segmentation, header: object,
                info: CameraInfo | None) -> None:
        """Publish one segmentation. The label map is published first.

        :param header: the std_msgs/Header of the image.
        :param info: the camera_info that belongs to the results; None if no camera_info came.
        """
        self._publish_image(self._label_map, segmentation, header, self.card.label_encoding,
                            segmentation.labels)
        if info is not None:
            info = copy(info)
            info.header = header
            self._camera_info.publish(info)
        if segmentation.confidence is not None:
            self._publish_image(self._confidence, segmentation, header, 'mono8',
                                segmentation.confidence)
        if segmentation.overlay is not None:
            self._publish_image(self._overlay, segmentation, header, 'bgr8',
                                segmentation.overlay)

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._all:
            self._node.destroy_lifecycle_publisher(publisher)
        self._all.clear()

    def _publish_image(self, publisher: Any, segmentation: Segmentation, header: object,
                       encoding: str, pixels: npt.NDArray[Any]) -> None:
        headroom = segmentation.headroom
        memory = ArrayMemory(pixels, headroom) if headroom else None
        self._images[publisher].publish(header, encoding, pixels, memory)

    def _claim_overlay(self, rate: float) -> bool:
        """Return whether an overlay is due.

        :param rate: largest number of overlays per second; 0 for no limit.
        """
        if not rate:
            return True
        now, period = time.monotonic(), 1.0 / rate
        due = self._overlay_start + period
        if now < due:
            return False
        # Frames often come a little after an overlay is due. If the next period began when such
        # a frame comes, there would be fewer overlays per second than the user allows. So the
        # next period begins at the time when the overlay was due.
        self._overlay_start = due if now - due < period else now
        return True

    def _make_publisher(self, kind: Any, topic: str, qos: QoSProfile = RELIABLE) -> Any:
        publisher = make_lifecycle_publisher(self._node, kind, f'{self._prefix}/{topic}', qos,
                                             PROMISES if topic == 'label_map' else ())
        self._all.append(publisher)
        return publisher


def label_info_message(header: Header, card: ModelCard) -> Any:
    """Return a model card's class names as a vision_msgs/LabelInfo."""
    return LabelInfo(
        header=header, threshold=card.output.threshold,
        class_map=[VisionClass(class_id=index, class_name=name)
                   for index, name in enumerate(card.classes)])
