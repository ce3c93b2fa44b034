# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Other nodes that come and go: ``python -m faults.passers_by COUNT``.

Each is a DDS participant of its own with the endpoints every node has and an image publisher. It
prints ``up`` when all are there, destroys them at a line on its standard input and prints
``gone``, and makes them again at the next.
"""

from __future__ import annotations

import sys

import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image


def main() -> None:
    count = int(sys.argv[1])
    while True:
        contexts = []
        nodes = []
        for index in range(count):
            context = rclpy.Context()
            rclpy.init(args=[], context=context)
            node = Node(f'passer_by_{index}', context=context)
            node.create_publisher(Image, f'image_{index}', 1)
            contexts.append(context)
            nodes.append(node)
        print('up', flush=True)
        sys.stdin.readline()
        for context, node in zip(contexts, nodes):
            node.destroy_node()
            rclpy.shutdown(context=context)
        print('gone', flush=True)
        sys.stdin.readline()


if __name__ == '__main__':
    main()
