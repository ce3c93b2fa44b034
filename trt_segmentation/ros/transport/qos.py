# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The quality of service (QoS) of every topic, and warnings about a QoS that does not match."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    qos_policy_name_from_kind,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

try:
    from rclpy import event_handler as events
except ImportError:  # Humble
    from rclpy import qos_event as events

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT,
                    durability=DurabilityPolicy.VOLATILE)
"""For subscriptions. This QoS matches every publisher, and keeps only the newest message."""

VIDEO = QoSProfile(depth=120, reliability=ReliabilityPolicy.BEST_EFFORT,
                   durability=DurabilityPolicy.VOLATILE)
"""For subscriptions to a video. A packet can be decoded only if all packets since the last
keyframe have arrived. So the queue is long."""

RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.VOLATILE)
"""For publishers. This QoS matches every subscriber, unless the subscriber asks for the durability
transient local, for a deadline or for a certain liveliness."""

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""For the topic label_info. A later subscriber still gets the last message."""

PROMISES = (QoSPolicyKind.DEADLINE, QoSPolicyKind.LIVELINESS,
            QoSPolicyKind.LIVELINESS_LEASE_DURATION)
"""Policies with which a publisher promises to publish, or to show that it is alive, within a given
time. In the parameters ``qos_overrides.*``, this time is in nanoseconds."""

Warn = Callable[[str], None]


@contextmanager
def overridable(node: Node, topic: str, qos: QoSProfile,
                more: tuple[QoSPolicyKind, ...] = ()) -> Iterator[
        tuple[QoSProfile, QoSOverridingOptions]]:
    """Let ``qos_overrides`` change the QoS of a publisher or subscription.

    The ``with`` block must make the publisher or subscription with the two yielded arguments: a
    copy of the profile, and the options. rclpy writes the user's overrides into the copy.

    :param topic: name of the topic before remapping.
    :param more: policies that users can change, in addition to history, depth and reliability.
    :raises ParameterException: if an override is not a valid policy. The error names the topic.
    """
    try:
        usual = QoSOverridingOptions.with_default_policies().policy_kinds
        yield copy(qos), QoSOverridingOptions((*usual, *more))
    except RuntimeError as error:
        if type(error) is not RuntimeError:  # a subclass, such as RCLError, is another problem
            raise
        raise ParameterException(
            f'{error}; reliability may be reliable or best_effort; history may be keep_last or '
            'keep_all' + ('; liveliness may be automatic or manual_by_topic' if more else ''),
            f'qos_overrides.{node.resolve_topic_name(topic)}') from error


def _once(warn: Warn, text: Callable[[str], str]) -> Callable[[Any], None]:
    """Return an event callback that warns once for each policy."""
    told: set[str] = set()

    def incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        if policy not in told:
            told.add(policy)
            warn(text(policy))
    return incompatible


def _plausible(count: int) -> int:
    """Return the reported number of lost messages, or 1 if the number is impossibly large.

    Fast DDS reports 2147483647 if it drops an old part of a message after newer messages came.
    """
    return count if count < 1_000_000 else 1


class SubscriptionEvents(events.SubscriptionEventCallbacks):  # type: ignore[misc]
    """Event callbacks of a subscription to a resolved topic. They run in the executor's thread.

    :param warn: called once for each policy in which a publisher does not match.
    :param lost: called with the number of messages that the middleware lost since the last call.
    """

    def __init__(self, topic: str, warn: Warn, lost: Callable[[int], None]) -> None:
        super().__init__(
            incompatible_qos=_once(warn, lambda policy: (
                f'a publisher of {topic} offers a {policy} QoS that this node does not accept, so '
                f'this node gets none of its messages; {_subscription_cure(topic, policy)}')),
            message_lost=lambda event: lost(_plausible(event.total_count_change)))

    @property
    def loss_is_reported(self) -> bool:
        """Whether the middleware reports lost messages.

        Read this property after the subscription was made.
        """
        return self.message_lost is not None

    def create_event_handlers(self, *arguments: Any, **keywords: Any) -> Any:
        """See SubscriptionEventCallbacks. Not every middleware reports lost messages."""
        try:
            return super().create_event_handlers(*arguments, **keywords)
        except events.UnsupportedEventTypeError:
            self.message_lost = None
            return super().create_event_handlers(*arguments, **keywords)


def publisher_events(topic: str, warn: Warn) -> events.PublisherEventCallbacks:
    """Return callbacks that warn once for each policy in which a subscriber does not match."""
    return events.PublisherEventCallbacks(incompatible_qos=_once(warn, lambda policy: (
        f'a subscriber of {topic} asks for a {policy} QoS that this node does not offer, so '
        f'the subscriber gets no messages; {_publisher_cure(topic, policy)}')))


def make_lifecycle_publisher(node: LifecycleNode, kind: Any, topic: str,
                             qos: QoSProfile = RELIABLE,
                             more: tuple[QoSPolicyKind, ...] = ()) -> Any:
    """Make a lifecycle publisher. See :func:`overridable` and :func:`publisher_events`.

    :param kind: type of the messages.
    """
    callbacks = publisher_events(node.resolve_topic_name(topic), node.get_logger().warning)
    with overridable(node, topic, qos, more) as (own, options):
        return node.create_lifecycle_publisher(
            kind, topic, own, event_callbacks=callbacks, qos_overriding_options=options)


def _subscription_cure(topic: str, policy: str) -> str:
    if policy == 'RELIABILITY':
        return f"set this node's qos_overrides.{topic}.subscription.reliability to best_effort"
    return f"set the publisher's {policy.lower()} back to its default"


def _publisher_cure(topic: str, policy: str) -> str:
    if policy == 'RELIABILITY':
        return f"set this node's qos_overrides.{topic}.publisher.reliability to reliable"
    if policy == 'DURABILITY':
        return "set the subscriber's durability to volatile"
    default = f"set the subscriber's {policy.lower()} back to its default"
    return default if policy not in ('DEADLINE', 'LIVELINESS') else (
        f"set this node's qos_overrides.{topic}.publisher.{policy.lower()} to what the "
        f'subscriber asks for (only the label map has this override), or {default}')
