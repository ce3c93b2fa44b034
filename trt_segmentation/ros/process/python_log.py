# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings of modules that know no ROS, such as those about a model card, to the node's log."""

from __future__ import annotations

import logging
from typing import Any


class _Forward(logging.Handler):
    """Gives each record to the node made last in this process; any thread."""

    logger: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        try:
            # one call each: rclpy refuses a call that changes its severity
            if record.levelno >= logging.ERROR:
                self.logger.error(record.getMessage())
            else:
                self.logger.warning(record.getMessage())
        except Exception:  # whoever logs has other work to do
            self.handleError(record)


_FORWARD = _Forward(logging.WARNING)


def forward_python_log(logger: Any) -> None:
    """Send warnings and errors of this package's Python loggers to a node's logger.

    :param logger: the node's; replaces the one of an earlier call.
    """
    _FORWARD.logger = logger
    logging.getLogger(__package__.partition('.')[0]).addHandler(_FORWARD)
