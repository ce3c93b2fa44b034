# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A node that lives on whatever its services and the clock's topic bring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.time_source import CLOCK_TOPIC

from .clock import unusable
from .requests import guard_services
from .tally import Tally


class Guarded:
    """First base of a node's class, before rclpy's own."""

    get_logger: Callable[[], Any]
    """The Node's."""

    def __init__(self, *names: Any, **options: Any) -> None:
        self.errors = Tally(lambda text: self.get_logger().error(text))
        """Exceptions caught in the executor's thread, which nobody foresaw."""
        self.bad_clocks = Tally(lambda text: self.get_logger().warning(text))
        """Messages of /clock that were ignored."""
        super().__init__(*names, **options)
        guard_services(self, self.errors)

    def create_subscription(self, kind: Any, topic: str, callback: Callable[[Any], Any],
                            *arguments: Any, **options: Any) -> Any:
        """See Node; rclpy subscribes to /clock through it, at start-up or at any later time."""
        if topic == CLOCK_TOPIC:
            callback = self._usable_times(callback)
        return super().create_subscription(  # type: ignore[misc]  # a Node is beside it
            kind, topic, callback, *arguments, **options)

    def _usable_times(self, hear: Callable[[Any], Any]) -> Callable[[Any], None]:
        def checked(message: Any) -> None:
            if reason := unusable(message.clock):
                self.bad_clocks.add(f'a message of /clock was ignored: {reason}')
            else:
                hear(message)
        return checked
