# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the warnings of Python's ``logging`` to the node's log."""

from __future__ import annotations

import logging
from typing import Any


class _Forward(logging.Handler):
    """Writes each record to the log of the newest node. Any thread may use this handler."""

    logger: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # rclpy does not allow two severities in one line of code, so there are two calls.
            if record.levelno >= logging.ERROR:
                self.logger.error(record.getMessage())
            else:
                self.logger.warning(record.getMessage())
        except Exception:  # a failing log must not stop the code that logs
            self.handleError(record)


_FORWARD = _Forward(logging.WARNING)


def forward_python_log(logger: Any) -> None:
    """Send the warnings and errors of trt_segmentation's Python loggers to a node's logger.

    A second call replaces the node's logger of the first call.
    """
    _FORWARD.logger = logger
    logging.getLogger(__package__.partition('.')[0]).addHandler(_FORWARD)
