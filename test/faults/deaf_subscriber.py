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

"""A reliable subscriber of label maps: ``python -m faults.deaf_subscriber TOPIC``.

It prints ``heard`` at the first one, and is then stopped from outside in the middle of its work.
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
    # wants every single one, and has the node keep what it has not acknowledged
    qos = QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE)
    node.create_subscription(Image, sys.argv[1], lambda _: print('heard', flush=True), qos)
    rclpy.spin(node)


if __name__ == '__main__':
    main()
