# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS message types that this package reads from bags and writes to bags."""

from __future__ import annotations

from rosbags.typesys import get_types_from_msg, get_typestore, Stores

LABEL_INFO = 'vision_msgs/msg/LabelInfo'

STORE = get_typestore(Stores.ROS2_JAZZY)
"""A fixed set of message types. The type definitions in a bag are never used: rosbags would turn
them into Python code and execute it. The types Image, CompressedImage and CameraInfo are the same
in all present ROS 2 distributions."""
STORE.register({
    **get_types_from_msg('uint16 class_id\nstring class_name', 'vision_msgs/msg/VisionClass'),
    **get_types_from_msg('std_msgs/Header header\nvision_msgs/VisionClass[] class_map\n'
                         'float32 threshold', LABEL_INFO)})
