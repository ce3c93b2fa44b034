# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Which way images come in and go out: directly through librcl, or as Python messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.utilities import get_rmw_implementation_identifier
from std_msgs.msg import Header

from ...errors import TransportError
from ...memory import Allocate, Memory, PageMemory
from ...serving.protocols import FrameSink
from .direct_publisher import DirectPublisher
from .direct_subscription import DirectSubscription
from .librcl import Librcl
from .messages import image_message, TAKEN, TakenImage

TRANSPORTS = ('auto', 'direct', 'typed')


class ImageSubscription(Protocol):
    """A subscription to images, whichever way they come; of the executor's thread."""

    subscription: Any
    """The rclpy subscription: topic, QoS, number of publishers."""
    numbered: bool
    """Whether messages come with the number that their publisher gave them."""

    def renew(self) -> None:
        """Give up all memory and take into new from now on; no image may be held."""

    def close(self) -> None:
        """Stop taking."""


class ImagePublisher(Protocol):
    """Publishes images, whichever way they go."""

    def publish(self, header: Header, encoding: str, pixels: npt.NDArray[Any],
                memory: Memory | None = None) -> bool:
        """Publish an image; see :meth:`DirectPublisher.publish`."""


class TypedSubscription:
    """Takes images through rclpy, which copies each message into a bytes object.

    The bytes are read here and not by rclpy, which drops a message that it cannot read without
    a word, so nobody could count it.

    :param image_transport: raw or compressed.
    """

    numbered = False  # rclpy tells the number, and not whose it is

    def __init__(self, node: Node, topic: str, qos: QoSProfile,
                 sink: FrameSink, image_transport: str = 'raw', **options: Any) -> None:
        self._node = node
        self.subscription = node.create_subscription(
            TAKEN[image_transport], topic, lambda message: sink.offer(
                TakenImage(np.frombuffer(message, np.uint8), image_transport)),
            qos, raw=True, **options)

    def renew(self) -> None:
        """Do nothing: it has no memory of its own."""

    def close(self) -> None:
        """Stop taking."""
        self._node.destroy_subscription(self.subscription)


class TypedPublisher:
    """Publishes images as Python messages."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def publish(self, header: Header, encoding: str, pixels: npt.NDArray[Any],
                memory: Memory | None = None) -> bool:
        """Publish a copy of C-contiguous pixels; ``memory`` is of no use to it."""
        self._publisher.publish(image_message(header, encoding, pixels))
        return False


@dataclass(frozen=True)
class Transport:
    """How images travel, and why.

    :param name: direct or typed.
    :param reason: one line for the log and for diagnostics.
    :param librcl: what direct endpoints are made with; None where typed.
    """

    name: str
    reason: str
    librcl: Librcl | None = None

    def __str__(self) -> str:
        """For the log."""
        return f'{self.name} ({self.reason})'

    def subscribe(self, node: Node, topic: str, qos: QoSProfile, sink: FrameSink, *,
                  skipped: Callable[[int], None] = lambda count: None,
                  image_transport: str = 'raw', **options: Any) -> ImageSubscription:
        """Subscribe to images; the parameters are those of :class:`DirectSubscription`."""
        if self.librcl is None:
            return TypedSubscription(node, topic, qos, sink, image_transport, **options)
        return DirectSubscription(node, topic, qos, self.librcl, sink, skipped=skipped,
                                  image_transport=image_transport, **options)

    def publisher(self, publisher: Publisher,
                  allocate: Allocate = PageMemory) -> ImagePublisher:
        """Publish images through a publisher that the node has made."""
        if self.librcl is None:
            return TypedPublisher(publisher)
        return DirectPublisher(publisher, self.librcl, allocate)


def choose_transport(asked: str = 'auto') -> Transport:
    """Direct where librcl can be called, else typed; told why.

    :param asked: one of :data:`TRANSPORTS`.
    :raises TransportError: when direct was asked for and cannot be had, or on another name.
    """
    if asked not in TRANSPORTS:
        raise TransportError(f'transport {asked!r}; expected one of {", ".join(TRANSPORTS)}')
    if asked == 'typed':
        return Transport('typed', 'asked for')
    try:
        librcl = Librcl()
    except TransportError as error:
        if asked == 'direct':
            raise TransportError(
                f'transport direct cannot be had: {error}; set transport: auto or typed'
            ) from error
        return Transport('typed', f'direct cannot be had: {error}')
    rmw = get_rmw_implementation_identifier()
    return Transport('direct', f'{"asked for" if asked == "direct" else "it works here"}, with '
                               f'librcl over {rmw}', librcl)
