# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The SROS2 policy allows what the node does, and nothing it does not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip('rclpy')

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'
ONLY_SOMETIMES = {'/image/compressed', '/clock', '/parameter_events', '/image', '/camera_info'}
"""Subscribed under image_transport: compressed, with simulated time, and while active."""


def allowed(kind: str, way: str, node: str = '/trt_segmentation') -> set[str]:
    """Full names of the topics or services that may be used one way."""
    (profile,) = ET.parse(POLICY).getroot().iter('profile')
    assert f'{profile.get("ns")}{profile.get("node")}' == node
    names = [entry.text for group in profile.iter(f'{kind}s') if group.get(way) == 'ALLOW'
             for entry in group]
    assert len(set(names)) == len(names)
    return {name.replace('~', node) if name.startswith('~') else f'/{name.lstrip("/")}'
            for name in names}


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_policy_is_what_an_active_node_does(make_rig: Any, transport: str) -> None:
    """Publishers and services exactly; subscriptions are all allowed."""
    rig = make_rig(cli_args=['--ros-args', '-p', f'image_transport:={transport}',
                             '-p', 'confidence:=true'])
    node = rig.node
    published = {publisher.topic_name for publisher in node.publishers}
    # vision_msgs comes with a ROS install; the others are rcl's own
    optional = {'/trt_segmentation/label_info', '/trt_segmentation/transition_event', '/rosout'}
    assert published - allowed('topic', 'publish') == set()
    assert allowed('topic', 'publish') - published <= optional
    served = {name for name, _ in node.get_service_names_and_types_by_node(
        node.get_name(), node.get_namespace())}
    assert served == allowed('service', 'reply')
    subscribed = {subscription.topic_name for subscription in node.subscriptions}
    assert subscribed and subscribed - allowed('topic', 'subscribe') == set()
    assert allowed('topic', 'subscribe') - subscribed <= ONLY_SOMETIMES
