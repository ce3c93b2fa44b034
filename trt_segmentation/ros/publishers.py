# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What the node publishes for every frame, and the class names once."""

from __future__ import annotations

from copy import copy
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
from .transport.choose import ImagePublisher, Transport
from .transport.qos import LATCHED, overridable, publisher_events, RELIABLE

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:  # not every ROS install has it
    LabelInfo = VisionClass = None

IMAGES = ('label_map', 'overlay', 'confidence')
"""Topics of images the node publishes, below its prefix."""


class Publishers:
    """One camera's lifecycle publishers.

    Made in configure and closed in cleanup; :meth:`wanted` and :meth:`publish` may each be
    called from one other thread between activate and deactivate.

    :param prefix: what their topics are under, such as ``~``.
    """

    def __init__(self, node: LifecycleNode, prefix: str, card: ModelCard,
                 transport: Transport) -> None:
        self._node = node
        self._prefix = prefix
        self._card = card
        self._overlay_due = 0.0
        self._all: list[Any] = []
        try:
            images = [self._publisher(Image, name) for name in IMAGES]
            self._label_map, self._overlay, self._confidence = images
            self._images: dict[Any, ImagePublisher] = {
                publisher: transport.publisher(publisher) for publisher in images}
            self._camera_info = self._publisher(CameraInfo, 'camera_info')
            self._label_info = LabelInfo and self._publisher(LabelInfo, 'label_info', LATCHED)
        except Exception:  # an impossible qos_overrides value, say
            self.close()  # nobody else has the others
            raise
        if LabelInfo is None:
            node.get_logger().info(
                'label_info is not published, as vision_msgs is not installed; with it: '
                'sudo apt install ros-$ROS_DISTRO-vision-msgs', once=True)

    @property
    def label_map(self) -> str:
        """Full name of the label maps' topic."""
        name: str = self._node.resolve_topic_name(f'{self._prefix}/label_map')
        return name

    def wanted(self, confidence: bool, overlay_rate: float) -> Wanted:
        """What to compute: what has a subscriber, and confidence only where asked for.

        :param overlay_rate: overlays a second at most; 0 for one a frame.
        """
        return Wanted(
            overlay=self._overlay.get_subscription_count() > 0 and self._due(overlay_rate),
            confidence=confidence and self._confidence.get_subscription_count() > 0)

    def announce(self) -> None:
        """Publish the class names; those who subscribe later get them too."""
        if self._label_info:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._label_info.publish(label_info(header, self._card))

    def publish(self, answer: Segmentation, header: Header, info: CameraInfo | None) -> None:
        """Publish one answer with its image's header; the label map goes first."""
        self._image(self._label_map, answer, header, self._card.label_encoding, answer.labels)
        if info is not None:
            info = copy(info)
            info.header = header
            self._camera_info.publish(info)
        if answer.confidence is not None:
            self._image(self._confidence, answer, header, 'mono8', answer.confidence)
        if answer.overlay is not None:
            self._image(self._overlay, answer, header, 'bgr8', answer.overlay)

    def close(self) -> None:
        """Take the topics away."""
        for publisher in self._all:
            self._node.destroy_lifecycle_publisher(publisher)
        self._all.clear()

    def _image(self, publisher: Any, answer: Segmentation, header: Header, encoding: str,
               pixels: npt.NDArray[Any]) -> None:
        memory = ArrayMemory(pixels, answer.headroom) if answer.headroom else None
        self._images[publisher].publish(header, encoding, pixels, memory)

    def _due(self, rate: float) -> bool:
        now, due = time.monotonic(), self._overlay_due
        if not rate:
            return True
        if now < due:
            return False
        # counted from when it was due, else a camera's jitter makes the rate a lower one
        self._overlay_due = 1.0 / rate + (due if now - due < 1.0 / rate else now)
        return True

    def _publisher(self, kind: Any, topic: str, qos: QoSProfile = RELIABLE) -> Any:
        name = f'{self._prefix}/{topic}'
        with overridable(self._node, name, qos) as (own, options):
            publisher = self._node.create_lifecycle_publisher(
                kind, name, own, event_callbacks=publisher_events(
                    self._node.resolve_topic_name(name), self._node.get_logger().warning),
                qos_overriding_options=options)
        self._all.append(publisher)
        return publisher


def label_info(header: Header, card: ModelCard) -> Any:
    """vision_msgs/LabelInfo of a card: every class id with its name."""
    return LabelInfo(
        header=header, threshold=card.output.threshold,
        class_map=[VisionClass(class_id=index, class_name=name)
                   for index, name in enumerate(card.classes)])
