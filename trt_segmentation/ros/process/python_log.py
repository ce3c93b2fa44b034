# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Forwards the warnings of modules that do not use ROS to the node's log."""

from __future__ import annotations

import logging
from typing import Any


class _Forward(logging.Handler):
    """Gives each record to the newest node of this process. Any thread may use this."""

    logger: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record to the node's log."""
        try:
            # two calls, because rclpy refuses a call whose severity changes
            if record.levelno >= logging.ERROR:
                self.logger.error(record.getMessage())
            else:
                self.logger.warning(record.getMessage())
        except Exception:  # a failing log must not stop the code that logs
            self.handleError(record)


_FORWARD = _Forward(logging.WARNING)


def forward_python_log(logger: Any) -> None:
    """Send the warnings and errors of this package's Python loggers to a node's logger.

    :param logger: the node's logger. It replaces the logger of an earlier call.
    """
    _FORWARD.logger = logger
    logging.getLogger(__package__.partition('.')[0]).addHandler(_FORWARD)
