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

"""One camera's topics and its newest frame."""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo

from .messages import TAKEN, Taken, TypedImage
from .qos import NEWEST, subscription_events


class NewestFrame:
    """Holds at most one frame: a newer one takes the place of one not yet fetched.

    Safe from any thread; one thread puts, one fetches.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._frame: Taken | None = None
        self._closed = False

    def put(self, frame: Taken) -> Taken | None:
        """Leave a frame and return the one it displaces; the frame itself once closed."""
        with self._ready:
            if self._closed:
                return frame
            displaced, self._frame = self._frame, frame
            self._ready.notify()
            return displaced

    def fetch(self) -> Taken | None:
        """Wait for a frame and take it; None once closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._closed or self._frame is not None)
            frame, self._frame = self._frame, None
            return None if self._closed else frame

    def close(self) -> Taken | None:
        """Let :meth:`fetch` return None from now on; returns the frame nobody fetched."""
        with self._ready:
            frame, self._frame = self._frame, None
            self._closed = True
            self._ready.notify_all()
            return frame


class Camera:
    """Subscriptions to one camera's image and camera_info, both beside each other.

    Made and closed in the executor's thread, which is also the one that calls ``on_image``.

    :param transport: raw or compressed.
    :param on_image: called with every image taken.
    """

    def __init__(self, node: Node, transport: str, on_image: Callable[[Taken], None]) -> None:
        self._node = node
        self._on_image = on_image
        self.topic = image_topic(node, transport)
        self.info: CameraInfo | None = None
        """The newest camera_info; replaced, never changed, so any thread may read it."""
        self._subscriptions = [
            self._subscribe(TAKEN[transport], self.topic, self._image),
            self._subscribe(CameraInfo, camera_info_topic(node), self._camera_info)]

    def close(self) -> None:
        """Stop taking."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _subscribe(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> Any:
        return self._node.create_subscription(
            kind, topic, callback, NEWEST,
            event_callbacks=subscription_events(topic, self._node.get_logger().warning),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def _image(self, message: Any) -> None:
        self._on_image(TypedImage(message, time.monotonic()))

    def _camera_info(self, message: CameraInfo) -> None:
        self.info = message


def image_topic(node: Node, transport: str) -> str:
    """Full name of the topic subscribed to, as image_transport names it."""
    topic: str = node.resolve_topic_name('image')
    return topic if transport == 'raw' else f'{topic}/{transport}'


def camera_info_topic(node: Node) -> str:
    """camera_info where it was remapped, else the sibling of the image, as image_transport's.

    So remapping ``image`` alone is enough.
    """
    topic: str = node.resolve_topic_name('camera_info')
    if topic != node.resolve_topic_name('camera_info', only_expand=True):
        return topic
    return f'{node.resolve_topic_name("image").rpartition("/")[0]}/camera_info'
