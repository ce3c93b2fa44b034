# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic, and what to change when two ends do not match."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    qos_policy_name_from_kind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

try:
    from rclpy.event_handler import (
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
        UnsupportedEventTypeError,
    )
except ImportError:  # Humble
    from rclpy.qos_event import (
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
        UnsupportedEventTypeError,
    )

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT,
                    durability=DurabilityPolicy.VOLATILE)
"""Subscriptions: SensorData, which matches every publisher, but only the newest message."""

RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.VOLATILE)
"""Publishers: reliable, which matches every subscriber that is not transient local."""

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""label_info: whoever subscribes later still gets the last one."""

Warn = Callable[[str], None]


@contextmanager
def overridable(node: Node, topic: str, qos: QoSProfile) -> Iterator[
        tuple[QoSProfile, QoSOverridingOptions]]:
    """Make a publisher or subscription whose QoS the user's ``qos_overrides`` may change.

    :param topic: as it is made with, before it is remapped.
    :returns: its profile, a copy as rclpy writes the overrides into it, and its options.
    :raises ParameterException: where an override is no policy; names the topic.
    """
    try:
        yield copy(qos), QoSOverridingOptions.with_default_policies()
    except RuntimeError as error:
        if type(error) is not RuntimeError:  # those of rcl, such as RCLError, derive from it
            raise
        raise ParameterException(
            f'{error}; reliability may be reliable or best_effort, history keep_last or keep_all',
            f'qos_overrides.{node.resolve_topic_name(topic)}') from error


def _once(warn: Warn, text: Callable[[str], str]) -> Callable[[Any], None]:
    """Turn an event into one warning a policy, however many endpoints come and go."""
    told: set[str] = set()

    def incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        if policy not in told:
            told.add(policy)
            warn(text(policy))
    return incompatible


class SubscriptionEvents(SubscriptionEventCallbacks):  # type: ignore[misc]
    """Events of a subscription. Told in the executor's thread.

    :param topic: resolved.
    :param warn: told once of each policy of a publisher that this node does not accept.
    :param lost: told how many more messages the middleware has lost.
    """

    def __init__(self, topic: str, warn: Warn, lost: Callable[[int], None]) -> None:
        super().__init__(
            incompatible_qos=_once(warn, lambda policy: (
                f'a publisher of {topic} offers a {policy} QoS this node does not accept, so '
                f'nothing will come from it; {_subscription_cure(topic, policy)}')),
            message_lost=lambda event: lost(event.total_count_change))

    @property
    def loss_is_reported(self) -> bool:
        """Whether the middleware reports lost messages; known once the subscription is made."""
        return self.message_lost is not None

    def create_event_handlers(self, *arguments: Any, **keywords: Any) -> Any:
        """See SubscriptionEventCallbacks; a middleware need not report lost messages."""
        try:
            return super().create_event_handlers(*arguments, **keywords)
        except UnsupportedEventTypeError:
            self.message_lost = None
            return super().create_event_handlers(*arguments, **keywords)


def publisher_events(topic: str, warn: Warn) -> PublisherEventCallbacks:
    """Say once a policy which subscribers of ``topic`` (resolved) this node cannot serve."""
    return PublisherEventCallbacks(incompatible_qos=_once(warn, lambda policy: (
        f'a subscriber of {topic} asks for a {policy} QoS this node does not offer, so it will '
        f'get nothing; {_publisher_cure(topic, policy)}')))


def _subscription_cure(topic: str, policy: str) -> str:
    if policy == 'RELIABILITY':
        return f"set this node's qos_overrides.{topic}.subscription.reliability to best_effort"
    return f"set the publisher's {policy.lower()} back to its default"


def _publisher_cure(topic: str, policy: str) -> str:
    if policy == 'RELIABILITY':
        return f"set this node's qos_overrides.{topic}.publisher.reliability to reliable"
    if policy == 'DURABILITY':
        return "set the subscriber's durability to volatile"
    return f"set the subscriber's {policy.lower()} back to its default"
