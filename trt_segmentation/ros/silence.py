# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds out from the ROS graph why no image comes."""

from __future__ import annotations

from difflib import SequenceMatcher

from rclpy.node import Node

from .publishers import IMAGES
from .transport.messages import MESSAGE_TYPES

MOST_SUGGESTIONS = 5
"""Largest number of topics that the message names."""


def describe_silence(node: Node, topic: str, image_transport: str, seconds: float,
                     has_come: bool) -> str:
    """Return one line that says why no image comes from a topic.

    :param topic: full name of the image topic.
    :param image_transport: raw, compressed, foxglove or ffmpeg.
    :param seconds: seconds since the last image, or since the subscription if no image came.
    :param has_come: whether any image has come.
    """
    what = f'no image for {seconds:.1f} s' if has_come else f'no image yet, after {seconds:.1f} s,'
    if publishers := node.count_publishers(topic):
        count = '1 publisher' if publishers == 1 else f'{publishers} publishers'
        return (f'{what} on {topic}, which has {count}: the camera sends no images, or its '
                'images get lost on the way (large images need config/fastdds.xml on both sides; '
                'other hosts need the same ROS_DOMAIN_ID and a network that does not block UDP)')
    others = suggest_topics(node, topic, image_transport)
    return f'{what} on {topic}, which nobody publishes{others}'


def suggest_topics(node: Node, topic: str, image_transport: str) -> str:
    """Return words that name the other image topics. Topics with similar names come first.

    The topics of segmentation nodes are not named.
    """
    kind = MESSAGE_TYPES[image_transport]
    own = {publisher.topic_name for publisher in node.publishers}
    found = [name for name, kinds in node.get_topic_names_and_types()
             if kind in kinds and name != topic and name not in own
             and name.rpartition('/')[2] not in IMAGES and node.count_publishers(name)]
    found.sort(key=lambda name: SequenceMatcher(None, topic, name).ratio(), reverse=True)
    if not found:
        adjective = '' if image_transport == 'raw' else f'{image_transport} '
        return f'; there is no topic with {adjective}images at all'
    more = f' and {len(found) - MOST_SUGGESTIONS} more' if len(found) > MOST_SUGGESTIONS else ''
    return f'; there are images on {", ".join(found[:MOST_SUGGESTIONS])}{more}'
