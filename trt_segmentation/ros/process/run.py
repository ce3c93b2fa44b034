# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs one node in this process until a signal comes, and then ends cleanly."""

from __future__ import annotations

from collections.abc import Callable
import gc
from itertools import chain
import os
import sys
from typing import Any

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

ENDLESS = 100
"""After this many errors without a successful callback between them, the process ends."""

PAUSE = 0.05
"""Pause in seconds after an error that directly follows another error."""

START_ERRORS = (ParameterException, rclpy_implementation.RCLError,
                rclpy_implementation.UnknownROSArgsError)
"""If ROS does not start, or if a start-up parameter is refused, one of these errors is raised."""


def run(make: Callable[[], Any], begin: Callable[[Any], None], args: list[str] | None = None,
        ended: Callable[[Any], int | None] = lambda node: None, name: str = 'trt_segmentation'
        ) -> int:
    """Make a node, run its callbacks until the process must end, then destroy the node.

    A signal ends the run. An exception of a callback is counted, and the node goes on.

    :param make: makes the node, after ROS was started. Then ``begin`` is called once. The node has
        ``errors``, a :class:`.MishapCounter`, and ``stop()``, which is called before ROS ends.
    :param ended: called again and again. Returns the exit code if the process must end, else None.
    :param name: name of the logger that gets the error if the node cannot be made.
    :returns: the exit code. It is 0 after a signal, or if ``ended`` returned 0. It is 2 if ROS
        does not start, or if a start-up parameter is refused. With any other exit code, or if a
        thread cannot be stopped, this function ends the process and does not return. The code is
        :data:`BROKEN` after :data:`ENDLESS` errors in a row, or if the node cannot end cleanly.
    """
    # rclpy's own signal handlers would end ROS before the last frames and diagnostics are sent.
    request_stop_on_signals()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node: Any = make()
    except START_ERRORS as error:
        rclpy.logging.get_logger(name).fatal(f'cannot start: {_describe_start_error(error)}')
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    begin(node)
    code = _spin(executor, node, ended)
    if not _shut_down(executor, node):
        code = code or BROKEN
    if code or has_unstoppable_work():
        # If Python ended normally, it would free objects that a library still uses, or a library
        # would try to clean up a lost GPU.
        del node, executor
        gc.collect()  # frees the node's shared memory. Otherwise this memory would remain
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    return 0


def _describe_start_error(error: Exception) -> str:
    if isinstance(error, rclpy_implementation.UnknownROSArgsError):
        return f'ROS does not know the arguments {str(error).strip("[]")}. Use --help'
    return str(error)


def skip_present_objects() -> None:
    """Let Python's garbage collector skip all objects that exist now, until :func:`run` ends.

    In the segmentation node, these are 90,000 objects. The collector needs 45 ms to check them.
    Meanwhile, no other Python thread can run.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _shut_down(executor: SingleThreadedExecutor, node: Any) -> bool:
    """Stop and destroy the node. If this fails, log the reason and return False."""
    gc.unfreeze()  # undo skip_present_objects(), so that all objects can be freed
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
    """Run callbacks until the process must end. Return the exit code, or None after a signal."""
    row, code = 0, None
    while not STOP_REQUESTED.is_set() and (code := ended(node)) is None:
        try:
            executor.spin_once(timeout_sec=0.1)  # short: a signal does not end this wait
            row = 0
        except Exception as error:
            row += 1
            node.errors.add_exception('a callback', error)
            if row == ENDLESS:
                node.get_logger().fatal(
                    f'there were {row} errors in a row, and no callback succeeded between them. '
                    f'The newest error is: {node.errors.newest}. The process ends with exit code '
                    f'{BROKEN}, and seg.launch.py starts a new process')
                return BROKEN
            _release_entities(node)
            if row > 1:
                STOP_REQUESTED.wait(PAUSE)
    return code


def _release_entities(node: Any) -> None:
    """After an exception, let every entity (subscription, timer, service, …) run again.

    rclpy marks an entity and its callback group as busy, and then receives the message. If
    receiving raises an exception, rclpy does not remove the marks. Without this function, no
    callback of the callback group would run again.
    """
    for entity in chain(node.subscriptions, node.timers, node.clients, node.services,
                        node.guards, node.waitables):
        if entity._executor_event:
            entity._executor_event = False
            entity.callback_group.ending_execution(entity)
