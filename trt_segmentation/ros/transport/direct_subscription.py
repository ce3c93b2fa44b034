# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Receives images from the middleware without making Python message objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation as rclpy_c
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from rclpy.waitable import NumberOfEntities, Waitable

from ...errors import TransportError
from ...memory import Allocate, PageMemory
from ...serving.drop_reasons import NO_BUFFER, TAKE_ERROR
from ...serving.protocols import FrameSink
from .librcl import Librcl, MessageBuffer
from .messages import message_class, TakenImage


class _NotTaken(NamedTuple):
    """The arguments of :meth:`.FrameSink.not_taken` for a message that gives no image."""

    reason: str
    text: str


class _OutOfTurn(MutuallyExclusiveCallbackGroup):  # type: ignore[misc]
    """The callback group of an rclpy subscription that only :class:`DirectSubscription` may read.

    An executor asks the callback group which entities may run. This group allows the QoS events of
    the subscription, but not the subscription itself. So the executor reads no Python message.
    """

    def can_execute(self, entity: Any) -> bool:
        """See CallbackGroup."""
        return not isinstance(entity, Subscription) and bool(super().can_execute(entity))


def _never(message: Any) -> None:
    raise AssertionError('the executor read a message that only DirectSubscription may read')


class DirectSubscription(Waitable):  # type: ignore[misc]
    """Receives images without making Python message objects.

    Call the methods in the executor's thread.

    While the middleware copies a message into a buffer, the GIL is released.

    :param sink: gets every image, and a report of every message that could not be received. The
        sink must release each image. It may hold ``sink.buffers`` images at the same time.
        ``sink.allocate`` gives the memory for raw images. Compressed images need no special
        memory, because they are decoded into a new array.
    :param skipped: called with the number of messages that never came. A publisher numbers its
        messages, so a gap between two numbers shows how many messages are missing.
    :param image_transport: raw, compressed, foxglove or ffmpeg.
    :param options: the options event_callbacks and qos_overriding_options for
        ``Node.create_subscription``.
    """

    def __init__(self, node: Node, topic: str, qos: QoSProfile, librcl: Librcl,
                 sink: FrameSink, *, skipped: Callable[[int], None] = lambda count: None,
                 image_transport: str = 'raw', **options: Any) -> None:
        super().__init__(node.default_callback_group)
        self._node = node
        self._librcl = librcl
        self._image_transport = image_transport
        self._sink = sink
        self._allocate: Allocate = sink.allocate if image_transport == 'raw' else PageMemory
        self._skipped = skipped
        self._newest = (b'', 0)  # publisher and number of the last message
        self.numbered = True
        """Whether the publisher of the last message numbers its messages. True at the start."""
        # There is one buffer more than the sink may hold. If the sink holds all its buffers, the
        # next message is received into the extra buffer and dropped. If this message stayed in the
        # middleware, it would always be ready, and the executor would run in a busy loop.
        self._free = self._make_buffers()
        self._held = (f'all {sink.buffers} buffers hold images that were not released; if this '
                      'warning comes again and again, report a bug')
        self._index: int | None = None
        self.subscription = node.create_subscription(
            message_class(image_transport), topic, _never, qos, callback_group=_OutOfTurn(),
            **options)
        """The rclpy subscription, which knows the topic, the QoS and the number of publishers."""
        node.add_waitable(self)

    def renew(self) -> None:
        """Use new memory for the next images. Images in the old memory stay valid."""
        self._free = self._make_buffers()

    def _make_buffers(self) -> deque[MessageBuffer]:
        return deque(MessageBuffer(self._allocate) for _ in range(self._sink.buffers + 1))

    def close(self) -> None:
        """Stop receiving messages. Images that came before stay valid until they are released."""
        self._node.remove_waitable(self)
        self._node.destroy_subscription(self.subscription)
        # An executor may keep this object for long. So replace the buffers: new buffers have no
        # memory yet.
        self.renew()

    def __enter__(self) -> None:
        """Keep the subscription alive while the executor waits for a message."""
        self._index = None
        self.subscription.handle.__enter__()

    def __exit__(self, *exception: object) -> None:
        """The executor's wait has ended, so the subscription may be destroyed from now on."""
        self.subscription.handle.__exit__(*exception)

    def get_num_entities(self) -> NumberOfEntities:
        """See Waitable."""
        return NumberOfEntities(num_subs=1)

    def add_to_wait_set(self, wait_set: Any) -> None:
        """See Waitable."""
        try:
            with self.subscription.handle:
                self._index = wait_set.add_subscription(self.subscription.handle)
        except rclpy_c.InvalidHandle:  # the subscription was closed meanwhile
            self._index = None

    def is_ready(self, wait_set: Any) -> bool:
        """See Waitable."""
        return self._index is not None and bool(wait_set.is_ready('subscription', self._index))

    def take_data(self) -> TakenImage | _NotTaken | None:
        """Receive one message. Returns None if there is no message."""
        # If renew() replaces the queue meanwhile, the buffer still goes back to the old queue.
        free = self._free
        buffer = free.pop()  # the buffer that was used last is still in the CPU caches
        kept = False
        try:
            with self.subscription.handle:
                message = self._librcl.take(self.subscription.handle.pointer, buffer)
            if message is None:
                return None
            self._count_skipped(buffer)
            if not free:  # this was the last free buffer, which the next message needs
                return _NotTaken(NO_BUFFER, self._held)
            kept = True
            return TakenImage(message, self._image_transport, lambda: free.append(buffer))
        except rclpy_c.InvalidHandle:  # the subscription was closed after the wait
            return None
        except TransportError as error:
            publisher, number = self._newest
            self._newest = publisher, number + 1  # this message does not count as missing
            return _NotTaken(TAKE_ERROR, str(error))
        finally:
            if not kept:
                free.append(buffer)

    def _count_skipped(self, buffer: MessageBuffer) -> None:
        """Report how many messages are missing between the last message and this message."""
        (publisher, before), number = self._newest, buffer.number
        self.numbered = number is not None
        if number is None:
            return
        self._newest = (buffer.publisher, number)
        if publisher == buffer.publisher and number > before + 1:
            self._skipped(number - before - 1)

    async def execute(self, taken: TakenImage | _NotTaken | None) -> None:
        """Give the image to the sink, or tell the sink why there is no image."""
        if isinstance(taken, TakenImage):
            self._sink.offer(taken)
        elif taken is not None:
            self._sink.not_taken(*taken)
