# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node: its topics in and out, its counts, and its newest problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import time

from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from ..errors import FrameError
from ..frame import Segmentation, Wanted
from ..model.card import ModelCard
from ..serving.protocols import FrameSink, ServingClock
from ..stats import Stats
from .publishers import Publishers
from .transport.choose import ImageSubscription, Transport
from .transport.messages import camera_info_message, VIDEO_TRANSPORTS
from .transport.qos import NEWEST, overridable, SubscriptionEvents, VIDEO
from .transport.video_sink import VideoSink

BAD_INFO = 'bad camera_info'
"""Kind of the warning about a camera_info that cannot be read."""


class Camera:
    """One camera's image and camera_info, and the segmentations of its images.

    Made in configure and closed in cleanup. Everything runs in the executor's thread, unless a
    docstring names another thread.

    :param node: makes and destroys the publishers and subscriptions.
    :param name: first part of the camera's topics. Empty for the only camera of a node, whose
        topics are ``image`` and ``~/``.
    :param card: gives the class names and the encoding of the label map.
    :param stats: counts of this camera.
    :param node_stats: counts of all cameras of the node together.
    :param clock: gives the time of each count.
    :param warn: called with the camera's name, the kind of a problem and its exception.
    """

    def __init__(self, node: LifecycleNode, name: str, card: ModelCard, transport: Transport, *,
                 stats: Stats, node_stats: Stats, clock: ServingClock,
                 warn: Callable[[str, str, Exception], None]) -> None:
        self.name = name
        self.stats = stats
        self.topic = ''
        """Full name of the image topic. Empty while the camera is not subscribed."""
        self.info: CameraInfo | None = None
        """The newest camera_info. It is replaced but never changed, so any thread may read it."""
        self.frame_error = ''
        """What was wrong with the newest bad or undelivered frame. Empty if there was none."""
        self.stamps_are_foreign = False
        """Whether the newest stamp and the node's clock have different time bases."""
        self.last_image = 0.0
        """time.monotonic() when the newest image came, or when the camera subscribed."""
        self.loss_is_reported = True
        """Whether the middleware reports lost images."""
        self.bad_infos = self.lost_infos = 0
        """Numbers of camera_info messages: unreadable messages, and messages that were lost."""
        self.info_error = ''
        """What was wrong with the newest camera_info that could not be read."""
        self._node = node
        self._transport = transport
        self._node_stats = node_stats
        self._clock = clock
        self._warn = warn
        self._outputs = Publishers(node, f'{name}/segmentation' if name else '~', card, transport)
        self._image: ImageSubscription | None = None
        self._video: VideoSink | None = None
        self._info_subscription: object = None

    @property
    def label_map(self) -> str:
        """Full name of the topic of the camera's label maps."""
        return self._outputs.label_map

    @property
    def images_are_numbered(self) -> bool:
        """Whether the images have numbers, so that missing images can be counted."""
        return self._image is None or self._image.numbered

    def subscribe(self, image_transport: str, sink: FrameSink) -> None:
        """Receive images from now on.

        :param image_transport: raw, compressed, foxglove or ffmpeg.
        :param sink: receives the images and allocates the memory for them. It gets the frames of
            a video in the thread that decodes them.
        """
        self.info = None  # the publisher may have stopped, and the image size may change
        topic = image_topic(self._node, self.name, image_transport)
        events = self._events(topic, self._count_lost_images)
        is_video = image_transport in VIDEO_TRANSPORTS
        if is_video:
            sink = self._video = VideoSink(sink)
        with overridable(self._node, topic, VIDEO if is_video else NEWEST) as (qos, options):
            self._image = self._transport.subscribe(
                self._node, topic, qos, sink, skipped=self._count_skipped_images,
                image_transport=image_transport, event_callbacks=events,
                qos_overriding_options=options)
        self.loss_is_reported = events.loss_is_reported
        subscribed = self._image.subscription.topic_name
        self._subscribe_info(camera_info_topic(
            self._node, subscribed if image_transport == 'raw'
            else subscribed.removesuffix(f'/{image_transport}'), self.name))
        self.topic, self.last_image = subscribed, time.monotonic()
        self.frame_error = ''

    def announce_classes(self) -> None:
        """Publish the class names."""
        self._outputs.announce_classes()

    def reallocate(self) -> None:
        """Use newly allocated memory for images from now on. Nobody may hold an image then."""
        if self._image:
            self._image.renew()

    def unsubscribe(self) -> None:
        """Stop receiving images. A second call does nothing."""
        if self._image:
            self._image.close()
        if self._video:
            self._video.close()
        if self._info_subscription:
            self._node.destroy_subscription(self._info_subscription)
        self._image = self._video = self._info_subscription = None
        self.topic = ''

    def close(self) -> None:
        """Unsubscribe and remove the topics of the segmentations."""
        self.unsubscribe()
        self._outputs.close()

    def schedule_outputs(self, confidence: bool, overlay_rate: float) -> Wanted:
        """Decide what to compute for the next frame. Call this in the worker's thread."""
        return self._outputs.schedule_outputs(confidence, overlay_rate)

    def publish(self, segmentation: Segmentation, header: object) -> None:
        """Publish a segmentation. Call this in the worker's thread.

        :param header: the std_msgs/Header of the image.
        """
        self._outputs.publish(segmentation, header, self.info)

    def count_frame_in(self, now: float, arrived: float) -> None:
        """See :meth:`.ServedCamera.count_frame_in`."""
        self.last_image = arrived
        self.stats.count_frame_in(now)
        self._node_stats.count_frame_in(now)

    def count_frame_out(self, now: float, timings: Mapping[str, float]) -> None:
        """Count a published segmentation. Any thread may call this."""
        self.stats.count_frame_out(now, timings)
        self._node_stats.count_frame_out(now, timings)

    def count_frame_dropped(self, reason: str) -> None:
        """Count a frame that gets no segmentation. Any thread may call this."""
        self.stats.count_drop(reason)
        self._node_stats.count_drop(reason)

    def _count_lost_images(self, count: int) -> None:
        now = self._clock.seconds()
        self.stats.count_lost(count, now)
        self._node_stats.count_lost(count, now)
        # Numbers of messages show exactly where a packet is missing. This report does not.
        if self._video and not self.images_are_numbered:
            self._video.lose()

    def _count_skipped_images(self, count: int) -> None:
        if self._video:
            self._video.lose()
        self.stats.count_skipped(count)
        self._node_stats.count_skipped(count)

    def _count_lost_infos(self, count: int) -> None:
        self.lost_infos += count

    def _read_info(self, data: bytes) -> None:
        try:
            self.info = camera_info_message(data)
        except FrameError as error:
            self.bad_infos += 1
            self.info_error = str(error)
            self._warn(self.name, BAD_INFO, error)

    def _subscribe_info(self, topic: str) -> None:
        with overridable(self._node, topic, NEWEST) as (qos, options):
            self._info_subscription = self._node.create_subscription(
                CameraInfo, topic, self._read_info, qos, raw=True, qos_overriding_options=options,
                event_callbacks=self._events(topic, self._count_lost_infos))

    def _events(self, topic: str, count_lost: Callable[[int], None]) -> SubscriptionEvents:
        return SubscriptionEvents(
            self._node.resolve_topic_name(topic), self._node.get_logger().warning, count_lost)


def image_topic(node: Node, camera: str, image_transport: str) -> str:
    """Return the topic to subscribe to for images. rclpy applies remappings to this topic.

    The name follows the convention of image_transport: ``image``, or ``image/compressed``.
    Therefore it is enough to remap ``image``, whatever the transport is.
    """
    image = _in_namespace(camera, 'image')
    if image_transport == 'raw':
        return image
    name = f'{image}/{image_transport}'
    return (name if _is_remapped(node, name)
            else f'{node.resolve_topic_name(image)}/{image_transport}')


def camera_info_topic(node: Node, image: str, camera: str = '') -> str:
    """Return the topic to subscribe to for camera_info. rclpy applies remappings to this topic.

    If ``camera_info`` is not remapped, the topic is in the namespace of the image, as
    with image_transport.
    Therefore it is enough to remap ``image``.

    :param image: full name of the image's topic, without the part that image_transport adds.
    """
    name = _in_namespace(camera, 'camera_info')
    if _is_remapped(node, name):
        return name
    return f'{image.rpartition("/")[0]}/camera_info'


def _is_remapped(node: Node, name: str) -> bool:
    return bool(node.resolve_topic_name(name) != node.resolve_topic_name(name, only_expand=True))


def _in_namespace(camera: str, topic: str) -> str:
    return f'{camera}/{topic}' if camera else topic
