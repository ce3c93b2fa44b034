# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A base class of nodes. No service request and no message of /clock can end such a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.time_source import CLOCK_TOPIC

from .clock import check_time
from .mishap_counter import MishapCounter
from .requests import guard_services


class Guarded:
    """Catches the errors of services, and ignores messages of /clock without a valid time.

    Use this as the first base of a class, and rclpy's own node class as the second base.
    """

    get_logger: Callable[[], Any]

    def __init__(self, *names: Any, **options: Any) -> None:
        self.errors = MishapCounter(lambda text: self.get_logger().error(text))
        """Counts the unexpected exceptions that were caught in the executor's thread."""
        self.bad_clocks = MishapCounter(lambda text: self.get_logger().warning(text))
        """Counts the messages of /clock that were ignored."""
        super().__init__(*names, **options)
        guard_services(self, self.errors)

    def create_subscription(self, kind: Any, topic: str, callback: Callable[[Any], Any],
                            *arguments: Any, **options: Any) -> Any:
        """See Node. rclpy also calls this method to subscribe to /clock."""
        if topic == CLOCK_TOPIC:
            callback = self._only_valid_times(callback)
        return super().create_subscription(  # type: ignore[misc]  # the second base is a Node
            kind, topic, callback, *arguments, **options)

    def _only_valid_times(self, callback: Callable[[Any], Any]) -> Callable[[Any], None]:
        def check(message: Any) -> None:
            if reason := check_time(message.clock):
                self.bad_clocks.add(f'a message of /clock was ignored: {reason}')
            else:
                callback(message)
        return check
