# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A reliable subscriber of label maps: ``python -m faults.deaf_subscriber TOPIC``.

It prints ``heard`` for every label map. The test then stops this process with SIGSTOP.
"""

from __future__ import annotations

import sys

import rclpy
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image


def main() -> None:
    rclpy.init(args=[])
    node = Node('deaf')
    # with this QoS, the publisher keeps each label map until this node acknowledges it
    qos = QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE)
    node.create_subscription(Image, sys.argv[1], lambda _: print('heard', flush=True), qos)
    rclpy.spin(node)


if __name__ == '__main__':
    main()
