# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The SROS2 policy allows exactly the topics and services that the node uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip('rclpy')

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'
ONLY_SOMETIMES = {'/image/compressed', '/clock', '/parameter_events', '/image', '/camera_info',
                  '/tf', '/tf_static'}
"""The node subscribes only with compressed images, with sim time, while it is active, or if tf2
gives the pose of the camera for the ground grid."""


def allowed(kind: str, way: str, node: str = '/trt_segmentation') -> set[str]:
    """Return the full names of topics or services that the policy allows for one use."""
    (profile,) = ET.parse(POLICY).getroot().iter('profile')
    assert f'{profile.get("ns")}{profile.get("node")}' == node
    names = [str(entry.text) for group in profile.iter(f'{kind}s') if group.get(way) == 'ALLOW'
             for entry in group]
    assert len(set(names)) == len(names)
    return {name.replace('~', node) if name.startswith('~') else f'/{name.lstrip("/")}'
            for name in names}


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_the_policy_allows_exactly_what_an_active_node_uses(make_rig: Any, transport: str) -> None:
    """The node may have fewer subscriptions than the policy allows, but no others."""
    rig = make_rig(cli_args=['--ros-args', '-p', f'image_transport:={transport}',
                             '-p', 'confidence:=true'])
    node = rig.node
    published = {publisher.topic_name for publisher in node.publishers}
    # label_info needs vision_msgs of a ROS install, ground needs a parameter, and rcl makes the
    # other two topics
    optional = {'/trt_segmentation/label_info', '/trt_segmentation/ground',
                '/trt_segmentation/transition_event', '/rosout'}
    assert published - allowed('topic', 'publish') == set()
    assert allowed('topic', 'publish') - published <= optional
    served = {name for name, _ in node.get_service_names_and_types_by_node(
        node.get_name(), node.get_namespace())}
    assert served == allowed('service', 'reply')
    subscribed = {subscription.topic_name for subscription in node.subscriptions}
    assert subscribed and subscribed - allowed('topic', 'subscribe') == set()
    assert allowed('topic', 'subscribe') - subscribed <= ONLY_SOMETIMES
