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

"""What the node publishes for every frame, and the class names once."""

from __future__ import annotations

from copy import copy
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ..frame import Segmentation, Wanted
from ..model_card import ModelCard
from .messages import image_message
from .qos import ANSWERS, LATCHED, publisher_events

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:  # not every ROS install has it
    LabelInfo = VisionClass = None


class Publishers:
    """The node's lifecycle publishers, all under ``~/``.

    Made in configure and closed in cleanup; :meth:`publish` may be called from one other
    thread between activate and deactivate.
    """

    def __init__(self, node: LifecycleNode, card: ModelCard) -> None:
        self._node = node
        self._card = card
        self._label_map = self._publisher(Image, '~/label_map')
        self._overlay = self._publisher(Image, '~/overlay')
        self._confidence = self._publisher(Image, '~/confidence')
        self._camera_info = self._publisher(CameraInfo, '~/camera_info')
        self._all = [self._label_map, self._overlay, self._confidence, self._camera_info]
        self._label_info = None
        if LabelInfo is None:
            node.get_logger().info(
                'vision_msgs is not installed, so there is no ~/label_info; class names are in '
                f'the model card {card.name}')
        else:
            self._label_info = self._publisher(LabelInfo, '~/label_info', LATCHED)
            self._all.append(self._label_info)

    def wanted(self, confidence: bool) -> Wanted:
        """What to compute: what has a subscriber, and confidence only where asked for."""
        return Wanted(
            overlay=self._overlay.get_subscription_count() > 0,
            confidence=confidence and self._confidence.get_subscription_count() > 0)

    def announce(self) -> None:
        """Publish the class names; those who subscribe later get them too."""
        if self._label_info:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._label_info.publish(label_info(header, self._card))

    def publish(self, answer: Segmentation, header: Header, info: CameraInfo | None) -> None:
        """Publish one answer with its image's header; the label map goes first."""
        self._label_map.publish(
            image_message(header, self._card.label_encoding, answer.labels))
        if info is not None:
            info = copy(info)
            info.header = header
            self._camera_info.publish(info)
        if answer.confidence is not None:
            self._confidence.publish(image_message(header, 'mono8', answer.confidence))
        if answer.overlay is not None:
            self._overlay.publish(image_message(header, 'bgr8', answer.overlay))

    def close(self) -> None:
        """Take the topics away."""
        for publisher in self._all:
            self._node.destroy_lifecycle_publisher(publisher)
        self._all.clear()

    def _publisher(self, kind: Any, topic: str, qos: QoSProfile = ANSWERS) -> Any:
        name = self._node.resolve_topic_name(topic)
        return self._node.create_lifecycle_publisher(
            kind, topic, qos,
            event_callbacks=publisher_events(name, self._node.get_logger().warning),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())


def label_info(header: Header, card: ModelCard) -> Any:
    """vision_msgs/LabelInfo of a card: every class id with its name."""
    return LabelInfo(
        header=header, threshold=card.output.threshold,
        class_map=[VisionClass(class_id=index, class_name=name)
                   for index, name in enumerate(card.classes)])
