# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Print the diagnostics of running nodes, as ``ros2 topic echo /diagnostics`` does."""

from __future__ import annotations

from contextlib import suppress

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import rclpy
from rclpy.executors import ExternalShutdownException

LEVELS = {DiagnosticStatus.OK: 'OK', DiagnosticStatus.WARN: 'WARN',
          DiagnosticStatus.ERROR: 'ERROR', DiagnosticStatus.STALE: 'STALE'}


def show(message: DiagnosticArray) -> None:
    """Print the level and the text of each status of a message, and its values."""
    for status in message.status:
        print(f'{LEVELS[status.level]} {status.name}: {status.message}')
        for pair in status.values:
            print(f'  {pair.key}: {pair.value}')
    print(flush=True)


if __name__ == '__main__':
    rclpy.init()
    node = rclpy.create_node('show_diagnostics')
    node.create_subscription(DiagnosticArray, '/diagnostics', show, 10)
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)
