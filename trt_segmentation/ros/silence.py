# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds out from the ROS graph why no image comes."""

from __future__ import annotations

from difflib import SequenceMatcher
from enum import Enum

from rclpy.node import Node
from rclpy.qos import qos_check_compatible, QoSCompatibility

from ..untrusted.terminal_text import count_noun
from .publishers import IMAGES
from .transport.messages import MESSAGE_TYPES

MOST_SUGGESTIONS = 5
"""Largest number of topics that a warning suggests."""


class Silence(Enum):
    """Why no image comes from a topic."""

    NO_PUBLISHER = 'no publisher'
    OTHER_TYPE = 'other type'
    """Every publisher sends messages of a type that does not fit ``image_transport``."""
    OTHER_QOS = 'other QoS'
    """Every publisher of images has a QoS that does not match the subscription."""
    NO_IMAGE = 'no image'
    """A publisher of images matches, but sends no images, or its images get lost."""


def find_cause(node: Node, topic: str, image_transport: str) -> Silence:
    """Return why no image comes from a topic to which the node is subscribed.

    :param topic: full name of the image topic.
    :param image_transport: a key of ``MESSAGE_TYPES``.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    senders = [one for one in publishers if one.topic_type == MESSAGE_TYPES[image_transport]]
    if not senders:
        return Silence.OTHER_TYPE if publishers else Silence.NO_PUBLISHER
    own = [one.qos_profile for one in node.subscriptions if one.topic_name == topic]
    matches = [qos_check_compatible(sender.qos_profile, qos)[0] != QoSCompatibility.ERROR
               for sender in senders for qos in own]
    return Silence.NO_IMAGE if any(matches) else Silence.OTHER_QOS


def describe_silence(node: Node, topic: str, image_transport: str, seconds: float,
                     has_come: bool) -> str:
    """Return one line that says why no image comes. See also :func:`find_cause`.

    :param seconds: seconds since the last image, or since the subscription if no image came.
    :param has_come: whether any image has come.
    """
    what = f'no image for {seconds:.1f} s' if has_come else f'no image yet, after {seconds:.1f} s,'
    cause = find_cause(node, topic, image_transport)
    if cause is Silence.NO_PUBLISHER:
        return (f'{what} on {topic}, which nobody publishes'
                f'{suggest_topics(node, topic, image_transport)}')
    publishers = node.get_publishers_info_by_topic(topic)
    if cause is Silence.OTHER_TYPE:
        types = ', '.join(sorted({one.topic_type for one in publishers}))
        return (f'{what} on {topic}, whose messages have the type {types}; expected '
                f'{MESSAGE_TYPES[image_transport]}, because `image_transport` is {image_transport}'
                f'{suggest_topics(node, topic, image_transport)}')
    if cause is Silence.OTHER_QOS:
        return (f'{what} on {topic}, because the QoS of its publisher does not match the QoS of '
                f"this node; set this node's qos_overrides.{topic}.subscription.reliability to "
                "best_effort, or set the publisher's QoS back to its default")
    count = count_noun(len(publishers), 'publisher')
    return (f'{what} on {topic}, which has {count}: the camera sends no images, or its images get '
            'lost on the way (large images need config/fastdds.xml in both processes; other hosts '
            'need the same ROS_DOMAIN_ID and a network that does not block UDP)')


def suggest_topics(node: Node, topic: str, image_transport: str) -> str:
    """Return the end of a warning: the image topics that the user may have meant.

    The names that are most similar to ``topic`` come first. The topics that segmentation nodes
    publish are not suggested.
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
