# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""If QoS does not match, the node warns once for each policy and says what to change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

from diagnostic_msgs.msg import DiagnosticArray
from node_rig import camera_image
from rclpy import event_handler
from rclpy.qos import QoSPolicyKind, ReliabilityPolicy
from sensor_msgs.msg import Image

from trt_segmentation.ros.transport.qos import publisher_events, SubscriptionEvents


@pytest.mark.parametrize('policy, of_subscription, of_publisher', [
    ('RELIABILITY', 'qos_overrides./image.subscription.reliability to best_effort',
     'qos_overrides./image.publisher.reliability to reliable'),
    ('DURABILITY', "the publisher's durability back to its default",
     "the subscriber's durability to volatile"),
    ('DEADLINE', "the publisher's deadline back to its default",
     "the subscriber's deadline back to its default")])
def test_each_policy_gets_one_warning_with_its_cure(
        policy: str, of_subscription: str, of_publisher: str) -> None:
    told: list[str] = []
    event = SimpleNamespace(last_policy_kind=QoSPolicyKind[policy])
    for events, cure in (
            (SubscriptionEvents('/image', told.append, lambda count: None), of_subscription),
            (publisher_events('/image', told.append), of_publisher)):
        told.clear()
        incompatible = events.incompatible_qos
        incompatible(event)
        incompatible(event)
        (line,) = told
        assert '/image' in line and policy in line and cure in line
        incompatible(SimpleNamespace(last_policy_kind=QoSPolicyKind.LIVELINESS))
        assert len(told) == 2  # each policy gets its own warning


def test_the_node_works_if_the_middleware_reports_no_losses(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node publishes as usual, and diagnostics say that the number of losses is unknown."""
    lost = event_handler.QoSSubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST
    real = event_handler.EventHandler

    def handler(*, event_type: Any, **options: Any) -> Any:
        if event_type == lost:
            raise event_handler.UnsupportedEventTypeError('not here')
        return real(event_type=event_type, **options)

    monkeypatch.setattr(event_handler, 'EventHandler', handler)
    rig = make_rig()
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    rig.speaker(Image).publish(camera_image())
    rig.until(lambda: rig.snapshot().frames_out == 1)
    rig.node.monitor.publish()
    rig.until(lambda: reports)
    for task, key in ((0, 'frames_lost'), (2, 'frames_lost'), (2, 'camera_info_lost')):
        values = {pair.key: pair.value for pair in reports[-1].status[task].values}
        assert values[key] == 'unknown: this middleware does not report lost messages'


def test_an_override_changes_only_its_own_topic(make_rig: Any) -> None:
    overridden = {'/diagnostics': 'publisher', '/trt_segmentation/label_map': 'publisher',
                  '/image': 'subscription'}
    other = {'publisher': 'best_effort', 'subscription': 'reliable'}
    rig = make_rig(cli_args=['--ros-args', *(
        word for topic, end in overridden.items() for word in (
            '-p', f'qos_overrides.{topic}.{end}.reliability:={other[end]}'))])
    found = {entity.topic_name: entity.qos_profile.reliability for entity in (
        *rig.node.publishers, rig.node.cameras[0]._image.subscription,
        rig.node.cameras[0]._info_subscription)}
    best_effort = {topic for topic, reliability in found.items()
                   if reliability == ReliabilityPolicy.BEST_EFFORT}
    assert best_effort == {'/diagnostics', '/trt_segmentation/label_map', '/camera_info'}
    assert {'/image', '/trt_segmentation/overlay', '/trt_segmentation/camera_info'} <= set(found)


def test_an_impossible_number_of_losses_counts_as_one():
    """Fast DDS reports INT32_MAX for an old fragment that it drops late."""
    from types import SimpleNamespace

    from trt_segmentation.ros.transport.qos import SubscriptionEvents
    counts: list[int] = []
    events: Any = SubscriptionEvents('/image', print, counts.append)
    for change in (3, 2**31 - 1):
        events.message_lost(SimpleNamespace(total_count_change=change))
    assert counts == [3, 1]
