# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Nav2's semantic_segmentation_layer can read what the node publishes.

The tests follow the source of github.com/kiwicampus/semantic_segmentation_layer (robot.com),
branch rolling, commit a70cf6e of 2026-04-02. src/semantic_segmentation_layer.cpp has the topics,
the QoS and the synchronisation. src/segmentation_buffer.cpp reads the pixels and the class ids.
Branch jazzy, commit 274c713, has the same subscriptions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from node_rig import camera_image, NODE
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    qos_check_compatible,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
)
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from sensor_msgs.msg import Image
import yaml

from trt_segmentation.model.card import load_card, ModelCard
from trt_segmentation.ros import publishers
from trt_segmentation.ros.transport.messages import stamp_ns
from trt_segmentation.ros.transport.qos import LATCHED, RELIABLE

# the layer leaves liveliness at the default of the middleware, which is automatic
SENSOR_DATA = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT,
                         durability=DurabilityPolicy.VOLATILE,
                         liveliness=LivelinessPolicy.AUTOMATIC)
LABELS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE,
                    durability=DurabilityPolicy.TRANSIENT_LOCAL,
                    liveliness=LivelinessPolicy.AUTOMATIC)
RECIPE = Path(__file__).parents[2] / 'docs' / 'nav2.md'


def test_its_subscriptions_match_our_publishers() -> None:
    assert qos_check_compatible(RELIABLE, SENSOR_DATA)[0] == QoSCompatibility.OK
    assert qos_check_compatible(LATCHED, LABELS)[0] == QoSCompatibility.OK


def test_the_layer_finds_pixels_and_stamps_in_our_masks(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'confidence:=true'])
    masks = rig.hear(Image, f'{NODE}/label_map', SENSOR_DATA)
    confidences = rig.hear(Image, f'{NODE}/confidence', SENSOR_DATA)
    sent = camera_image(3)
    rig.speaker(Image).publish(sent)
    rig.until(lambda: masks and confidences)
    rows = np.frombuffer(sent.data, np.uint8).reshape(sent.height, sent.step)
    for got in (masks[0], confidences[0]):
        # the layer joins mask, confidence and point cloud only if their stamps are equal
        assert stamp_ns(got.header) == stamp_ns(sent.header)
        assert got.header.frame_id == sent.header.frame_id
        # the layer reads pixel (u, v) at data[v * width + u], so rows must not have padding
        assert (got.encoding, got.step) == ('mono8', got.width)
        assert len(got.data) == got.width * got.height == sent.width * sent.height
    assert [masks[0].data[v * masks[0].width + u] for v, u in ((0, 0), (2, 5))] == [
        rows[0, 0], rows[2, 15]]


def test_label_info_is_the_vision_msgs_message(monkeypatch: pytest.MonkeyPatch) -> None:
    # PyPI has no vision_msgs, so the test registers the published definition of the messages
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register({
        **get_types_from_msg('uint16 class_id\nstring class_name',
                             'vision_msgs/msg/VisionClass'),
        **get_types_from_msg('std_msgs/Header header\nvision_msgs/VisionClass[] class_map\n'
                             'float32 threshold', 'vision_msgs/msg/LabelInfo')})
    kinds = store.types
    monkeypatch.setattr(publishers, 'LabelInfo', kinds['vision_msgs/msg/LabelInfo'])
    monkeypatch.setattr(publishers, 'VisionClass', kinds['vision_msgs/msg/VisionClass'])
    card = load_card('street')
    header = kinds['std_msgs/msg/Header'](kinds['builtin_interfaces/msg/Time'](1, 2), '')
    message = publishers.label_info_message(header, card)
    data = store.serialize_cdr(message, 'vision_msgs/msg/LabelInfo')
    got: Any = store.deserialize_cdr(data, 'vision_msgs/msg/LabelInfo')
    # the layer finds a cost by class_name, and a mask value is a class_id in a uint8
    assert [(c.class_id, c.class_name) for c in got.class_map] == list(enumerate(card.classes))
    assert len(set(card.classes)) == len(card.classes) and got.class_map[-1].class_id < 255


def test_the_recipe_names_existing_topics_and_classes() -> None:
    text = RECIPE.read_text(encoding='utf-8')
    (block,) = [part for part in text.split('```yaml')[1:] if 'observation_sources' in part]
    layer = yaml.safe_load(block.split('```')[0])['semantic_segmentation_layer']
    source = layer[layer['observation_sources']]
    assert source['segmentation_topic'] == '/front/segmentation/label_map'
    assert source['confidence_topic'] == '/front/segmentation/confidence'
    assert source['labels_topic'] == '/front/segmentation/label_info'
    named = [name for kind in source['class_types'] for name in source[kind]['classes']]
    card: ModelCard = load_card('cityscapes', (Path(),))
    assert sorted(named) == sorted(card.classes)
