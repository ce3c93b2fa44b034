# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS message types that are read from bags and written to bags."""

from __future__ import annotations

from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

LABEL_INFO = 'vision_msgs/msg/LabelInfo'


def _typestore() -> Typestore:
    """Return a fixed set of message types. The definitions in a bag are never used.

    rosbags would turn the definitions in a bag into Python code and execute this code. Image,
    CompressedImage and CameraInfo are the same in every ROS 2 distribution so far.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register({
        **get_types_from_msg('uint16 class_id\nstring class_name', 'vision_msgs/msg/VisionClass'),
        **get_types_from_msg('std_msgs/Header header\nvision_msgs/VisionClass[] class_map\n'
                             'float32 threshold', LABEL_INFO)})
    return store


STORE = _typestore()
