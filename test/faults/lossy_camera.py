# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A camera process without a Fast DDS profile: ``python -m faults.lossy_camera TOPIC``.

It publishes numbered images that are larger than its shared memory segment, so Fast DDS loses some
of them. The process ends when its standard input is closed.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from faults.numbered import numbered_image
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image

from trt_segmentation.installed.files import PROFILES


def main(topic: str) -> None:
    for name in PROFILES:
        os.environ.pop(name, None)
    rclpy.init(args=[])
    node = Node('lossy_camera')
    publisher = node.create_publisher(Image, topic, 5)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    number = 0
    while not ended.is_set():
        if publisher.get_subscription_count():
            publisher.publish(numbered_image(number, height=720, width=1280))
            number += 1
        time.sleep(0.02)
    rclpy.shutdown()


if __name__ == '__main__':
    main(sys.argv[1])
