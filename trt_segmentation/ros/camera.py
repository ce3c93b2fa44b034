# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node: its topics, its counts, and its newest problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import time
from typing import Any, TYPE_CHECKING

from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from ..errors import FrameError
from ..frame import Frame, Segmentation, Wanted
from ..model.card import ModelCard
from ..serving.drop_reasons import TOO_OLD
from ..serving.protocols import FrameSink, ServingClock
from ..stats import Stats
from .health import Health, HealthReference
from .optics.camera_viewport import CameraViewport, describe_results
from .publishers import Publishers
from .transport.choose import ImageSubscription, Transport
from .transport.messages import camera_info_message, VIDEO_TRANSPORTS
from .transport.qos import NEWEST, overridable, SubscriptionEvents, VIDEO
from .transport.video_sink import VideoSink

if TYPE_CHECKING:
    from .optics.ground_output import GroundOutput

BAD_INFO = 'bad camera_info'
"""The kind of a problem that :class:`Camera` reports: a camera_info could not be read."""


class Camera:
    """Receives the images and the camera_info of one camera, and publishes the segmentations.

    The transition ``configure`` makes the cameras, and ``cleanup`` closes them. Call the methods
    in the executor's thread, unless a docstring names another thread.

    :param name: first part of the camera's topics. If the name is empty, the image topic is
        ``image``, and the names of published topics begin with ``~/``.
    :param stats: counts of this camera. ``node_stats`` has the counts of all cameras together.
    :param warn: called with the camera's name, the kind of a problem, and the exception.
    :param value: returns the value of the parameter with the given name.
    :param ground: publishes the ground grid, a map of the ground; None if the node publishes none.
    """

    def __init__(self, node: LifecycleNode, name: str, card: ModelCard, transport: Transport, *,
                 stats: Stats, node_stats: Stats, clock: ServingClock,
                 warn: Callable[[str, str, Exception], None], reference: HealthReference,
                 value: Callable[[str], Any], viewport: CameraViewport,
                 ground: GroundOutput | None = None) -> None:
        self.name = name
        self.stats = stats
        self.topic = ''
        """Full name of the image topic. Empty while the camera is not subscribed."""
        self.info: CameraInfo | None = None
        """The newest camera_info. Any thread may read it, because the message never changes."""
        self.frame_error, self.stamps_are_foreign = '', False  # see ServedCamera
        self.last_image = 0.0
        """time.monotonic() when the newest image came, or when the camera subscribed."""
        self.loss_is_reported = True
        """Whether the middleware reports lost images."""
        self.bad_infos = self.lost_infos = 0
        """How many camera_info messages could not be read, and how many were lost."""
        self.info_error = ''
        """What was wrong with the newest camera_info that could not be read."""
        self.ground, self.viewport = ground, viewport
        self._node = node
        self._transport = transport
        self._node_stats = node_stats
        self._clock = clock
        self._warn = warn
        self._value = value
        prefix = f'{name}/segmentation' if name else '~'
        self.health = Health(node, prefix, name, card, reference, value)
        try:
            self._outputs = Publishers(node, prefix, card, transport)
        except Exception:  # for example an impossible qos_overrides value
            self.health.close()
            raise
        self._image: ImageSubscription | None = None
        self._video: VideoSink | None = None
        self._info_subscription: object = None

    @property
    def label_map(self) -> str:
        """Full name of the topic of the camera's label maps."""
        return self._outputs.label_map

    @property
    def images_are_numbered(self) -> bool:
        """Whether missing images can be counted by the numbers of the received images.

        True while the camera is not subscribed.
        """
        return self._image is None or self._image.numbered

    def subscribe(self, image_transport: str, sink: FrameSink) -> None:
        """Subscribe to the images and the camera_info.

        :param image_transport: raw, compressed, foxglove or ffmpeg.
        :param sink: gets the images, and allocates the memory for the images. If the images are a
            video, the sink gets the decoded frames in the decoder's thread.
        """
        self.info = None  # the old camera_info may not fit the next images
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

    def change_model(self, card: ModelCard, reference: HealthReference) -> None:
        """Use another model for all later segmentations, and publish its class names.

        A new model has a new :class:`.Worker`. A thread of this worker calls this method before
        the first frame. But if the engine of the old model had failed, there is no frame to wait
        for. Then the executor's thread calls this method.
        """
        self._outputs.card = card
        self.health.change_model(card, reference)
        if self.ground:
            self.ground.change_card(card)
        self.announce_classes()

    def reallocate(self) -> None:
        """Use new memory for the next images. Images in the old memory stay valid."""
        if self._image:
            self._image.renew()

    def unsubscribe(self) -> None:
        """Unsubscribe from the images and the camera_info. A second call does nothing."""
        if self._image:
            self._image.close()
        if self._video:
            self._video.close()
        if self._info_subscription:
            self._node.destroy_subscription(self._info_subscription)
        self._image = self._video = self._info_subscription = None
        self.topic = ''

    def close(self) -> None:
        """Unsubscribe, and destroy all publishers."""
        self.unsubscribe()
        self._outputs.close()
        self.health.close()
        if self.ground:
            self.ground.close()

    def schedule_outputs(self, confidence: bool, overlay_rate: float) -> Wanted:
        """See :meth:`.ServedCamera.schedule_outputs`."""
        return self._outputs.schedule_outputs(confidence, overlay_rate)

    def set_viewport(self, frame: Frame) -> Frame:
        """See :meth:`.ServedCamera.set_viewport`."""
        return self.viewport.apply(frame, self.info)

    def publish(self, segmentation: Segmentation, header: object) -> None:
        """See :meth:`.ServedCamera.publish`. The header is a std_msgs/Header."""
        sent = self.info
        info = sent and describe_results(sent, segmentation.frame)
        self._outputs.publish(segmentation, header, info)
        if self.ground:
            self.ground.publish(segmentation.labels, header, info, sent)
        self.health.publish(segmentation, header)

    def count_frame_in(self, now: float, arrived: float) -> None:
        """See :meth:`.ServedCamera.count_frame_in`."""
        self.last_image = arrived
        self.stats.count_frame_in(now)
        self._node_stats.count_frame_in(now)

    def count_frame_out(self, now: float, timings: Mapping[str, float]) -> None:
        """See :meth:`.ServedCamera.count_frame_out`."""
        self.stats.count_frame_out(now, timings)
        self._node_stats.count_frame_out(now, timings)
        self.health.lateness.count_published(now, timings['total'], self._value('latency_warn_ms'))

    def count_frame_dropped(self, reason: str) -> None:
        """See :meth:`.ServedCamera.count_frame_dropped`."""
        self.stats.count_drop(reason)
        self._node_stats.count_drop(reason)
        if reason == TOO_OLD:
            self.health.lateness.count_too_old(self._clock.seconds())

    def _count_lost_images(self, count: int) -> None:
        now = self._clock.seconds()
        self.stats.count_lost(count, now)
        self._node_stats.count_lost(count, now)
        # If messages are numbered, the numbers show exactly where a packet is missing. So the
        # less exact report of the middleware is used only for messages without numbers.
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
    """Return the image topic for a subscription. rclpy then applies remappings to this name.

    As usual in ROS, compressed images come on the sub-topic ``compressed`` of the image topic.
    Video comes on the sub-topic ``foxglove`` or ``ffmpeg``. If the user remaps ``image``, these
    sub-topics are remapped too.
    """
    image = _in_namespace(camera, 'image')
    if image_transport == 'raw':
        return image
    name = f'{image}/{image_transport}'
    return (name if _is_remapped(node, name)
            else f'{node.resolve_topic_name(image)}/{image_transport}')


def camera_info_topic(node: Node, image: str, camera: str = '') -> str:
    """Return the camera_info topic for a subscription. rclpy then applies remappings to this name.

    If the user does not remap ``camera_info``, the topic is in the namespace of the image topic.

    :param image: full name of the image topic, without a sub-topic such as ``compressed``.
    """
    name = _in_namespace(camera, 'camera_info')
    if _is_remapped(node, name):
        return name
    return f'{image.rpartition("/")[0]}/camera_info'


def _is_remapped(node: Node, name: str) -> bool:
    return bool(node.resolve_topic_name(name) != node.resolve_topic_name(name, only_expand=True))


def _in_namespace(camera: str, topic: str) -> str:
    return f'{camera}/{topic}' if camera else topic
