# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node: its topics in and out, its counts and what was wrong last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import time

from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from ..errors import FrameError
from ..frame import Segmentation, Wanted
from ..memory import Allocate
from ..model.card import ModelCard
from ..stats import Stats
from .publishers import Publishers
from .transport.choose import ImageSubscription, Transport
from .transport.messages import camera_info_message, Taken
from .transport.qos import NEWEST, overridable, SubscriptionEvents

BAD_INFO = 'bad camera_info'
"""Kind of the warning about a camera_info that cannot be read."""


class Camera:
    """One camera's image and camera_info, and the answers to its images.

    Made in configure and closed in cleanup, in the executor's thread, as is everything here
    that does not say otherwise.

    :param name: first part of its topics; '' for the only camera of a node, whose topics are
        ``image`` and ``~/``.
    :param stats: its own counts and the whole node's.
    """

    def __init__(self, node: LifecycleNode, name: str, card: ModelCard, transport: Transport,
                 stats: tuple[Stats, Stats]) -> None:
        self.name = name
        self.stats, self._every = stats[0], stats
        self.topic = ''
        """Full name of the image topic; '' while not subscribed."""
        self.info: CameraInfo | None = None
        """The newest camera_info; replaced, never changed, so any thread may read it."""
        self.frame_error = ''
        """What was wrong with the newest frame that was bad or not taken; '' where none was."""
        self.foreign_stamps = False
        """Whether the newest stamp and the node's clock share no time base."""
        self.last_image = 0.0
        """time.monotonic() of the newest image, or of subscribing where none came."""
        self.loss_is_reported = True
        """Whether the middleware reports lost images."""
        self.bad_infos = self.lost_infos = 0
        """Messages of camera_info that could not be read, and those the middleware lost."""
        self.info_error = ''
        """What was wrong with the newest camera_info that could not be read."""
        self._node = node
        self._transport = transport
        self._outputs = Publishers(node, f'{name}/segmentation' if name else '~', card, transport)
        self._image: ImageSubscription | None = None
        self._info_subscription: object = None

    @property
    def label_map(self) -> str:
        """Full name of the topic of its label maps."""
        return self._outputs.label_map

    @property
    def images_are_numbered(self) -> bool:
        """Whether images that never came are known from the numbers of those that did."""
        return self._image is None or self._image.numbered

    def subscribe(self, image_transport: str, take: Callable[[Camera, Taken], None],
                  lost: Callable[[Camera, str, str], None], buffers: int,
                  allocate: Allocate, seconds: Callable[[], float],
                  warn: Callable[[str, str, Exception], None]) -> None:
        """Take images from now on.

        :param image_transport: raw or compressed.
        :param take: called with every image, which it or whom it hands it to releases.
        :param lost: called instead for an image that could not be taken: reason and text.
        :param buffers: images that are held at once.
        :param allocate: memory to take them into.
        :param seconds: the clock that frames are counted by.
        :param warn: takes the camera's name, the kind of a problem and its exception.
        """
        def image(taken: Taken) -> None:
            self.last_image = taken.arrived
            take(self, taken)

        def not_taken(reason: str, text: str) -> None:
            self.last_image, self.frame_error = time.monotonic(), text
            lost(self, reason, text)

        def images_lost(count: int) -> None:
            for stats in self._every:
                stats.count_lost(count, seconds())

        def images_skipped(count: int) -> None:
            for stats in self._every:
                stats.count_skipped(count)

        self.info = None  # its publisher may be gone, and the image another size
        topic = image_topic(self._node, self.name, image_transport)
        events = self._events(topic, images_lost)
        with overridable(self._node, topic, NEWEST) as (qos, options):
            self._image = self._transport.subscribe(
                self._node, topic, qos, image, not_taken, skipped=images_skipped,
                image_transport=image_transport, buffers=buffers, allocate=allocate,
                event_callbacks=events, qos_overriding_options=options)
        self.loss_is_reported = events.loss_is_reported
        heard = self._image.subscription.topic_name
        info = camera_info_topic(self._node, heard if image_transport == 'raw'
                                 else heard.removesuffix(f'/{image_transport}'), self.name)
        self._subscribe_info(info, warn)
        self.topic, self.last_image = heard, time.monotonic()
        self.frame_error = ''

    def announce(self) -> None:
        """Publish the class names."""
        self._outputs.announce()

    def renew(self) -> None:
        """Take images into newly allocated memory from now on; none may be held."""
        if self._image:
            self._image.renew()

    def unsubscribe(self) -> None:
        """Stop taking; a second call does nothing."""
        if self._image:
            self._image.close()
        if self._info_subscription:
            self._node.destroy_subscription(self._info_subscription)
        self._image = self._info_subscription = None
        self.topic = ''

    def close(self) -> None:
        """Take the topics away."""
        self.unsubscribe()
        self._outputs.close()

    def wanted(self, confidence: bool, overlay_rate: float) -> Wanted:
        """What to compute for its next frame; from the worker's thread."""
        return self._outputs.wanted(confidence, overlay_rate)

    def publish(self, answer: Segmentation, header: Header) -> None:
        """Publish an answer; from the worker's thread."""
        self._outputs.publish(answer, header, self.info)

    def came(self, now: float) -> None:
        """Count a frame delivered; any thread."""
        for stats in self._every:
            stats.count_frame_in(now)

    def answered(self, now: float, timings: Mapping[str, float]) -> None:
        """Count a frame answered; any thread."""
        for stats in self._every:
            stats.count_frame_out(now, timings)

    def dropped(self, reason: str) -> None:
        """Count a frame that gets no answer; any thread."""
        for stats in self._every:
            stats.count_drop(reason)

    def _subscribe_info(self, topic: str, warn: Callable[[str, str, Exception], None]) -> None:
        def info(data: bytes) -> None:
            try:
                self.info = camera_info_message(data)
            except FrameError as error:
                self.bad_infos += 1
                self.info_error = str(error)
                warn(self.name, BAD_INFO, error)

        def lost(count: int) -> None:
            self.lost_infos += count

        with overridable(self._node, topic, NEWEST) as (qos, options):
            self._info_subscription = self._node.create_subscription(
                CameraInfo, topic, info, qos, event_callbacks=self._events(topic, lost),
                qos_overriding_options=options, raw=True)

    def _events(self, topic: str, lost: Callable[[int], None]) -> SubscriptionEvents:
        return SubscriptionEvents(
            self._node.resolve_topic_name(topic), self._node.get_logger().warning, lost)


def image_topic(node: Node, camera: str, image_transport: str) -> str:
    """Name to subscribe to images by, which rclpy remaps, as image_transport would name it.

    So remapping ``image`` is enough, whatever the transport.
    """
    image = _under(camera, 'image')
    if image_transport == 'raw':
        return image
    name = f'{image}/{image_transport}'
    return name if _remapped(node, name) else f'{node.resolve_topic_name(image)}/{image_transport}'


def camera_info_topic(node: Node, image: str, camera: str = '') -> str:
    """Name of camera_info, which rclpy remaps: its own where that is remapped, else the sibling's.

    So remapping ``image`` alone is enough; it is beside the image, as image_transport's is.

    :param image: full name of the image's topic, without the part that image_transport adds.
    """
    name = _under(camera, 'camera_info')
    if _remapped(node, name):
        return name
    return f'{image.rpartition("/")[0]}/camera_info'


def _remapped(node: Node, name: str) -> bool:
    return bool(node.resolve_topic_name(name) != node.resolve_topic_name(name, only_expand=True))


def _under(camera: str, topic: str) -> str:
    return f'{camera}/{topic}' if camera else topic
