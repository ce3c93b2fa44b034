# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A process that runs one node and ends cleanly when told to."""

from __future__ import annotations

from collections.abc import Callable
import gc
from itertools import chain
import os
import signal
import sys
import threading
from typing import Any, Protocol, TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.signals import SignalHandlerOptions

from ...serving.stopping import BROKEN, TOLD, UNENDING
from .tally import Tally

ENDLESS = 100
"""Errors in a row, with no callback between them that worked, which end the process."""

PAUSE = 0.05
"""Seconds from the second error of a row on to the next try."""

class Stoppable(Protocol):
    """A node with something to do before it is destroyed."""

    errors: Tally
    """Counts what its callbacks raise."""

    def stop(self) -> None:
        """Called once, with ROS still up, in the executor's thread."""


N = TypeVar('N', bound=Stoppable)


def run(make: Callable[[], N], begin: Callable[[N], None], args: list[str] | None = None,
        ended: Callable[[N], int | None] = lambda node: None) -> int:
    """Make a node, begin, spin until SIGINT, SIGTERM or ``ended``, stop it, destroy it.

    What a callback raises is counted, and the node goes on.

    :param ended: asked all the time: the exit code once the process is to end, else None.
    :returns: the exit code: 0, 2 where a start-up parameter was refused or ROS does not start,
        :data:`BROKEN` after :data:`ENDLESS` errors in a row, or that of ``ended``.
    """
    # Not rclpy's handlers: they shut ROS down at once, under a worker that still publishes and
    # before the last diagnostics.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: TOLD.set())
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
    try:
        node.stop()
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
    except Exception as error:
        node.get_logger().fatal(f'cannot end cleanly: {type(error).__name__}: {error}')
        code = code or BROKEN
    if code or any(thread.name == UNENDING for thread in threading.enumerate()):
        # a library is at work in it and cannot be told to stop, or the GPU it wants to tidy up
        # is lost; Python's own end would pull the floor from under it
        del node, executor
        gc.collect()  # what is left of the node holds shared memory, which would stay behind
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    return 0


def _spin(executor: SingleThreadedExecutor, node: Any,
          ended: Callable[[Any], int | None]) -> int | None:
    """Run callbacks until the process is to end; its exit code, None if it was told to end."""
    row = 0
    while not TOLD.is_set() and (code := ended(node)) is None:
        try:
            executor.spin_once(timeout_sec=0.1)  # a signal does not wake a wait set
            row = 0
        except Exception as error:
            row += 1
            node.errors.caught('a callback', error)
            if row == ENDLESS:
                node.get_logger().fatal(
                    f'{row} errors in a row, with no callback between them that worked; the '
                    f'newest: {node.errors.newest}. The process ends with exit code {BROKEN}, and '
                    f'seg.launch.py starts another')
                return BROKEN
            _release(node)
            if row > 1:
                TOLD.wait(PAUSE)
    return None if TOLD.is_set() else code


def _release(node: Any) -> None:
    """Let the executor wait again for whatever it could not take a message from.

    rclpy marks an entity, and its callback group, as busy before it takes; if taking raises, both
    stay so, and no callback of that group would ever run again.
    """
    for entity in chain(node.subscriptions, node.timers, node.clients, node.services,
                        node.guards, node.waitables):
        if entity._executor_event:
            entity._executor_event = False
            entity.callback_group.ending_execution(entity)
