# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Why no image comes, as far as that can be seen from the ROS graph."""

from __future__ import annotations

from difflib import SequenceMatcher

from rclpy.node import Node
from sensor_msgs.msg import Image

from .publishers import IMAGES
from .transport.messages import TAKEN

NEAR = 5
"""Topics that are named at most."""


def silence(node: Node, topic: str, image_transport: str, seconds: float, came: bool) -> str:
    """Say in one line what is wrong with an image topic nothing comes from.

    :param topic: full name.
    :param seconds: since the last image, or since subscribing.
    :param came: whether there ever was one.
    """
    what = f'no image for {seconds:.1f} s' if came else f'no image yet, after {seconds:.1f} s,'
    if publishers := node.count_publishers(topic):
        count = '1 publisher' if publishers == 1 else f'{publishers} publishers'
        return (f'{what} on {topic}, which has {count}: the camera stands still, or its images '
                'get lost on the way (large ones need config/fastdds.xml on both sides, other '
                'hosts the same ROS_DOMAIN_ID and a network that lets UDP through)')
    return f'{what} on {topic}, which nobody publishes{near_misses(node, topic, image_transport)}'


def near_misses(node: Node, topic: str, image_transport: str) -> str:
    """The image topics of others but segmentation nodes, those with similar names first."""
    kind = f'sensor_msgs/msg/{TAKEN[image_transport].__name__}'
    own = {publisher.topic_name for publisher in node.publishers}
    found = [name for name, kinds in node.get_topic_names_and_types()
             if kind in kinds and name != topic and name not in own
             and name.rpartition('/')[2] not in IMAGES and node.count_publishers(name)]
    found.sort(key=lambda name: SequenceMatcher(None, topic, name).ratio(), reverse=True)
    if not found:
        raw = kind.endswith(f'/{Image.__name__}')
        return f'; there is no topic with {"" if raw else "compressed "}images at all'
    more = f' and {len(found) - NEAR} more' if len(found) > NEAR else ''
    return f'; there are images on {", ".join(found[:NEAR])}{more}'
