# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes that come and go: ``python -m faults.passers_by COUNT``.

Each node is its own DDS participant and has an image publisher. The process makes the nodes and
prints ``up``. When it reads a line it destroys the nodes and prints ``gone``. When it reads the
next line it makes them again.
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
