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
"""After this many errors in a row, with no successful callback between them, the process ends."""

PAUSE = 0.05
"""Seconds of pause after the second and every further error in a row."""


class Stoppable(Protocol):
    """A node that must do something before it is destroyed."""

    errors: MishapCounter
    """Counts the exceptions of its callbacks."""

    def stop(self) -> None:
        """Called once in the executor's thread; ROS still works."""


N = TypeVar('N', bound=Stoppable)


def run(make: Callable[[], N], begin: Callable[[N], None], args: list[str] | None = None,
        ended: Callable[[N], int | None] = lambda node: None) -> int:
    """Make a node, call ``begin``, spin until the end, then stop and destroy the node.

    The end comes with SIGINT or SIGTERM, or if ``ended`` returns a number. Exceptions of
    callbacks are counted, and the node goes on.

    :param ended: called again and again; returns the exit code if the process must end.
    :returns: the exit code: 0; 2 if a start-up parameter was refused or ROS does not start;
        :data:`BROKEN` after :data:`ENDLESS` errors in a row; or the code of ``ended``.
    """
    # rclpy's own handlers shut ROS down at once, before the worker has published its frames and
    # before the last diagnostics
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
        # Do not let Python end the process: that would free objects that a library still uses, or
        # it would let the library clean up a GPU that is lost.
        del node, executor
        gc.collect()  # the rest of the node holds shared memory, which would stay behind
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    return 0


def _shut_down(executor: SingleThreadedExecutor, node: Any) -> bool:
    """Stop and destroy the node; False if that failed, and the log says why."""
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
            executor.spin_once(timeout_sec=0.1)  # a signal does not wake a wait set
            row = 0
        except Exception as error:
            row += 1
            node.errors.add_exception('a callback', error)
            if row == ENDLESS:
                node.get_logger().fatal(
                    f'{row} errors in a row, with no callback between them that worked; the '
                    f'newest: {node.errors.newest}. The process ends with exit code {BROKEN}, and '
                    f'seg.launch.py starts another')
                return BROKEN
            _release_entities(node)
            if row > 1:
                STOP_REQUESTED.wait(PAUSE)
    return code


def _release_entities(node: Any) -> None:
    """Let the executor wait again for the entities that it could not take a message from.

    rclpy marks an entity and its callback group as busy before it takes a message. If taking
    raises, both stay busy, and no callback of that group would ever run again.
    """
    for entity in chain(node.subscriptions, node.timers, node.clients, node.services,
                        node.guards, node.waitables):
        if entity._executor_event:
            entity._executor_event = False
            entity.callback_group.ending_execution(entity)
