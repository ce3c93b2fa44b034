# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs one node in this process, and ends cleanly on a signal."""

from __future__ import annotations

from collections.abc import Callable
import gc
from itertools import chain
import os
import sys
from typing import Any, Protocol, TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.signals import SignalHandlerOptions

from ...serving.stopping import (
    BROKEN,
    has_unstoppable_work,
    request_stop_on_signals,
    STOP_REQUESTED,
)
from .mishap_counter import MishapCounter

ENDLESS = 100
"""After this many errors in a row, without a successful callback, the process ends."""

PAUSE = 0.05
"""Pause in seconds after the second error in a row and after every later error."""


class Stoppable(Protocol):
    """A node that must do something before it is destroyed."""

    errors: MishapCounter
    """Counts the exceptions of its callbacks."""

    def stop(self) -> None:
        """Called once in the executor's thread, while ROS still works."""


N = TypeVar('N', bound=Stoppable)


def run(make: Callable[[], N], begin: Callable[[N], None], args: list[str] | None = None,
        ended: Callable[[N], int | None] = lambda node: None) -> int:
    """Make a node, call ``begin``, spin until the end, then stop and destroy the node.

    Spinning ends after SIGINT or SIGTERM, or if ``ended`` returns a number. Exceptions of
    callbacks are counted, and the node goes on.

    :param make: makes the node, after ROS was started.
    :param begin: called once with the node, before the first callback.
    :param ended: called again and again with the node. Returns the exit code if the process must
        end, and None otherwise.
    :returns: the exit code. This is 2 if a start-up parameter was refused or ROS does not start,
        :data:`BROKEN` after :data:`ENDLESS` errors in a row, the number that ``ended`` returned,
        or 0 after a signal.
    """
    # rclpy's own handlers would shut ROS down at once. The worker could not publish its frames,
    # and the node could not publish its last diagnostics.
    request_stop_on_signals()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node: Any = make()
    except (ParameterException, rclpy_implementation.RCLError) as error:
        rclpy.logging.get_logger('trt_segmentation').fatal(f'cannot start: {error}')
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    begin(node)
    code = _spin(executor, node, ended)
    if not _shut_down(executor, node):
        code = code or BROKEN
    if code or has_unstoppable_work():
        # Do not let Python end the process. Python would free objects that a library still uses,
        # or the library would try to clean up a GPU that is lost.
        del node, executor
        gc.collect()  # the node holds shared memory, which would stay allocated
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    return 0


def _shut_down(executor: SingleThreadedExecutor, node: Any) -> bool:
    """Stop and destroy the node. Returns False if that failed. The log gives the reason."""
    try:
        node.stop()
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
    except Exception as error:
        node.get_logger().fatal(f'cannot end cleanly: {type(error).__name__}: {error}')
        return False
    return True


def _spin(executor: SingleThreadedExecutor, node: Any,
          ended: Callable[[Any], int | None]) -> int | None:
    """Run callbacks until the process must end. Returns the exit code; None after a signal."""
    row, code = 0, None
    while not STOP_REQUESTED.is_set() and (code := ended(node)) is None:
        try:
            executor.spin_once(timeout_sec=0.1)  # a signal does not end the wait
            row = 0
        except Exception as error:
            row += 1
            node.errors.add_exception('a callback', error)
            if row == ENDLESS:
                node.get_logger().fatal(
                    f'{row} errors in a row, and no callback succeeded between them; the newest: '
                    f'{node.errors.newest}. The process ends with exit code {BROKEN}, and '
                    f'seg.launch.py starts a new process')
                return BROKEN
            _release_entities(node)
            if row > 1:
                STOP_REQUESTED.wait(PAUSE)
    return code


def _release_entities(node: Any) -> None:
    """Let the executor wait again for the entities whose message could not be received.

    rclpy marks an entity and its callback group as busy before it receives a message. If this
    raises, the entity and the group stay busy, and no callback of the group would run again.
    """
    for entity in chain(node.subscriptions, node.timers, node.clients, node.services,
                        node.guards, node.waitables):
        if entity._executor_event:
            entity._executor_event = False
            entity.callback_group.ending_execution(entity)
