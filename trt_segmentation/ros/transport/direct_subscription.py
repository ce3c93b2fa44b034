# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Takes images from the middleware into this package's own memory, without a Python message."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation as rclpy_c
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from rclpy.waitable import NumberOfEntities, Waitable

from ...errors import TransportError
from ...memory import Allocate, PageMemory
from .librcl import Librcl, MessageBuffer
from .messages import TAKEN, TakenImage

NO_BUFFER = 'no free buffer'
TAKE_ERROR = 'take error'


class _OutOfTurn(MutuallyExclusiveCallbackGroup):  # type: ignore[misc]
    """Lets QoS events run, but never the subscription itself.

    An executor would take a Python message from the subscription. rclpy asks the callback group
    what may run, so the executor neither waits for the subscription nor takes from it. The
    events of the subscription still work as usual.
    """

    def can_execute(self, entity: Any) -> bool:
        """See CallbackGroup."""
        return not isinstance(entity, Subscription) and bool(super().can_execute(entity))


def _never(message: Any) -> None:
    raise AssertionError('the executor ran a subscription that only DirectSubscription takes '
                         'from')


class DirectSubscription(Waitable):  # type: ignore[misc]
    """Takes images directly into this package's own memory, with the GIL released.

    Create, close and run a subscription in the executor's thread.

    :param callback: called with every image that was taken. The receiver owns the image and must
        call release().
    :param dropped: called with a reason and a text for every message that is lost here. The
        reason is :data:`NO_BUFFER` or :data:`TAKE_ERROR`.
    :param skipped: called with the number of messages that never came, found by gaps in the
        numbers that a publisher gives its messages.
    :param image_transport: raw or compressed.
    :param buffers: images that may be held at once, in addition to the one that is being taken.
    :param allocate: allocates the memory of the images.
    :param options: more options of ``Node.create_subscription``: event_callbacks,
        qos_overriding_options.
    """

    def __init__(self, node: Node, topic: str, qos: QoSProfile, librcl: Librcl,
                 callback: Callable[[TakenImage], None], dropped: Callable[[str, str], None],
                 *, skipped: Callable[[int], None] = lambda count: None,
                 image_transport: str = 'raw', buffers: int = 4, allocate: Allocate = PageMemory,
                 callback_group: CallbackGroup | None = None, **options: Any) -> None:
        super().__init__(callback_group or node.default_callback_group)
        self._node = node
        self._librcl = librcl
        self._image_transport = image_transport
        self._allocate = allocate
        self._callback = callback
        self._dropped = dropped
        self._skipped = skipped
        self._newest = (b'', 0)  # publisher and number of the last message taken
        self.numbered = True
        # One buffer more than may be held. If all are held, a message still has to be taken into
        # the extra buffer and dropped: a wait set does not wait while a message is ready.
        self._free = deque(MessageBuffer(allocate) for _ in range(buffers + 1))
        self._held = f'all {buffers} buffers are held; is an image not released?'
        self._index: int | None = None
        self.subscription = node.create_subscription(
            TAKEN[image_transport], topic, _never, qos, callback_group=_OutOfTurn(), **options)
        node.add_waitable(self)

    def renew(self) -> None:
        """Drop all buffers and use new memory from now on. Nobody may hold an image then."""
        self._free = deque(MessageBuffer(self._allocate) for _ in self._free)

    def close(self) -> None:
        """Stop taking messages. Images that were taken stay valid until they are released."""
        self._node.remove_waitable(self)
        self._node.destroy_subscription(self.subscription)
        self.renew()  # frees the memory, because an executor may keep this object for long

    def __enter__(self) -> None:
        """Keep the subscription alive while the executor waits for it."""
        self._index = None
        self.subscription.handle.__enter__()

    def __exit__(self, *exception: object) -> None:
        """Allow the subscription to be destroyed."""
        self.subscription.handle.__exit__(*exception)

    def get_num_entities(self) -> NumberOfEntities:
        """Return the number of entities in the wait set: one subscription."""
        return NumberOfEntities(num_subs=1)

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Add the subscription to what the executor waits for."""
        try:
            with self.subscription.handle:
                self._index = wait_set.add_subscription(self.subscription.handle)
        except rclpy_c.InvalidHandle:  # closed after the executor listed what to wait for
            self._index = None

    def is_ready(self, wait_set: Any) -> bool:
        """Return whether a message is ready."""
        return self._index is not None and bool(wait_set.is_ready('subscription', self._index))

    def take_data(self) -> Callable[[], None] | None:
        """Take a message; returns the function to call for it, or None."""
        buffer = self._free.pop()  # the last one used, which is still in the CPU caches
        kept = False
        try:
            with self.subscription.handle:
                message = self._librcl.take(self.subscription.handle.pointer, buffer)
            if message is None:
                return None
            self._count_skipped(buffer)
            if not self._free:  # only this thread removes buffers
                return lambda: self._dropped(NO_BUFFER, self._held)
            kept = True
            image = TakenImage(
                message, self._image_transport, lambda: self._free.append(buffer))
            return lambda: self._callback(image)
        except rclpy_c.InvalidHandle:  # closed between the wait and the take
            return None
        except TransportError as error:
            publisher, number = self._newest
            self._newest = publisher, number + 1  # it came, so it is not skipped
            text = str(error)
            return lambda: self._dropped(TAKE_ERROR, text)
        finally:
            if not kept:
                self._free.append(buffer)

    def _count_skipped(self, buffer: MessageBuffer) -> None:
        """Report messages that never came: they were lost, or a newer one replaced them."""
        (publisher, before), number = self._newest, buffer.number
        self.numbered = number is not None
        if number is None:
            return
        self._newest = (buffer.publisher, number)
        if publisher == buffer.publisher and number > before + 1:
            self._skipped(number - before - 1)

    async def execute(self, taken_data: Callable[[], None] | None) -> None:
        """Call the function that :meth:`take_data` returned."""
        if taken_data is not None:
            taken_data()
