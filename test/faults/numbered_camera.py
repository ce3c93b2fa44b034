# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A camera process: ``python -m faults.numbered_camera --camera 0 --fps 50``.

It publishes numbered images on ``--topic`` until it is killed. The first image has the number
``--first``.
"""

from __future__ import annotations

import argparse
import time

from faults.numbered import numbered_image
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--camera', type=int, default=0)
    parser.add_argument('--topic', default='image')
    parser.add_argument('--first', type=int, default=0)
    parser.add_argument('--fps', type=float, default=50.0)
    given = parser.parse_args()
    rclpy.init(args=[])
    node = Node(f'camera_{given.camera}')
    publisher = node.create_publisher(Image, given.topic, 5)
    number, due = given.first, time.monotonic()
    while True:
        publisher.publish(numbered_image(number, given.camera))
        number += 1
        due = max(due + 1 / given.fps, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == '__main__':
    main()
