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
