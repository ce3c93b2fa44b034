# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses how images travel: directly through the C library librcl, or as messages of rclpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.utilities import get_rmw_implementation_identifier
from std_msgs.msg import Header

from ...errors import TransportError
from ...memory import Memory
from ...serving.protocols import FrameSink
from .direct_publisher import DirectPublisher
from .direct_subscription import DirectSubscription
from .librcl import Librcl
from .messages import image_message, message_class, TakenImage

TRANSPORTS = ('auto', 'direct', 'typed')


class TypedSubscription:
    """Receives images through rclpy, which copies each message into a bytes object.

    :class:`.TakenImage` reads the bytes. If rclpy read them, it would silently drop the messages
    that it cannot read.
    """

    # The messages of each publisher are numbered apart, but rclpy does not name the publisher.
    numbered = False

    def __init__(self, node: Node, topic: str, qos: QoSProfile,
                 sink: FrameSink, image_transport: str = 'raw', **options: Any) -> None:
        self._node = node
        self.subscription = node.create_subscription(
            message_class(image_transport), topic, lambda message: sink.offer(
                TakenImage(np.frombuffer(message, np.uint8), image_transport)),
            qos, raw=True, **options)

    def renew(self) -> None:
        """Do nothing, because this subscription has no memory of its own."""

    def close(self) -> None:
        """Stop receiving messages."""
        self._node.destroy_subscription(self.subscription)


class TypedPublisher:
    """Publishes images as Python messages."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def publish(self, header: Header, encoding: str, pixels: npt.NDArray[Any],
                memory: Memory | None = None) -> bool:
        """Publish C-contiguous pixels, without the use of ``memory``.

        :returns: False, because the pixels are copied.
        """
        self._publisher.publish(image_message(header, encoding, pixels))
        return False


ImageSubscription = TypedSubscription | DirectSubscription
ImagePublisher = TypedPublisher | DirectPublisher


@dataclass(frozen=True)
class Transport:
    """The chosen transport.

    :param name: ``direct`` or ``typed``.
    :param reason: why this transport was chosen, as one line for the log and for diagnostics.
    :param librcl: the library for ``direct``. None if the name is ``typed``.
    """

    name: str
    reason: str
    librcl: Librcl | None = None

    def __str__(self) -> str:
        """Return the name and the reason, for the log."""
        return f'{self.name} ({self.reason})'

    def subscribe(self, node: Node, topic: str, qos: QoSProfile, sink: FrameSink, *,
                  skipped: Callable[[int], None] = lambda count: None,
                  image_transport: str = 'raw', **options: Any) -> ImageSubscription:
        """Subscribe to images. :class:`DirectSubscription` describes the parameters."""
        if self.librcl is None:
            return TypedSubscription(node, topic, qos, sink, image_transport, **options)
        return DirectSubscription(node, topic, qos, self.librcl, sink, skipped=skipped,
                                  image_transport=image_transport, **options)

    def publisher(self, publisher: Publisher) -> ImagePublisher:
        """Return an image publisher that uses the given rclpy publisher."""
        if self.librcl is None:
            return TypedPublisher(publisher)
        return DirectPublisher(publisher, self.librcl)


def choose_transport(asked: str = 'auto') -> Transport:
    """Choose a transport.

    :param asked: one of :data:`TRANSPORTS`. ``auto`` means ``direct`` if librcl can be called in
        this process, and otherwise ``typed``.
    :raises TransportError: if ``asked`` is unknown, or if ``asked`` is ``direct`` and librcl
        cannot be called in this process.
    """
    if asked not in TRANSPORTS:
        raise TransportError(f'`transport` is {asked!r}; expected one of {", ".join(TRANSPORTS)}')
    if asked == 'typed':
        return Transport('typed', 'asked for')
    try:
        librcl = Librcl()
    except TransportError as error:
        if asked == 'direct':
            raise TransportError(
                f'`transport: direct` does not work here: {error}; set `transport` to auto or '
                'typed'
            ) from error
        return Transport('typed', f'`direct` does not work here: {error}')
    rmw = get_rmw_implementation_identifier()
    return Transport('direct', f'{"asked for" if asked == "direct" else "it works here"}, with '
                               f'librcl over {rmw}', librcl)
