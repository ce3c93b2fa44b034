# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes /diagnostics once per period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

from ..engines import Identity
from ..serving.engine_state import EngineStatus
from ..serving.protocols import ServingClock
from ..stats import Stats
from .camera import Camera
from .camera_watch import CameraWatch
from .diagnostics import Limits, Mishaps, NodeReport, tasks
from .process.mishap_counter import MishapCounter
from .transport.choose import Transport
from .transport.qos import overridable, RELIABLE


@dataclass(frozen=True)
class NodeState:
    """The node at one moment.

    :param lifecycle: name of the lifecycle state, such as active.
    :param trouble: why the last configure or activate failed. Empty if it succeeded.
    :param progress: what configure does now. Empty if configure does not run.
    :param engine: state of the engine and the reason for it.
    :param transport: how images travel. None if the node is unconfigured.
    :param identity: what computes the segmentations. None if the node is unconfigured.
    :param cameras: the cameras that configure made. Empty if the node is unconfigured.
    """

    lifecycle: str
    trouble: str
    progress: str
    engine: EngineStatus
    transport: Transport | None
    identity: Identity | None
    cameras: Sequence[Camera]


class Monitor:
    """Publishes the status of every task once per period. It runs in the executor's thread.

    :param node: owns the publisher, the timer and the log.
    :param value: returns the value of the parameter with the given name.
    :param stats: counts of all cameras together.
    :param clock: the clock that ``stats`` uses.
    :param errors: counts the exceptions of callbacks.
    :param bad_clocks: counts the messages of /clock that were ignored.
    """

    def __init__(self, *, node: LifecycleNode, read_state: Callable[[], NodeState],
                 value: Callable[[str], Any], stats: Stats, clock: ServingClock,
                 errors: MishapCounter, bad_clocks: MishapCounter) -> None:
        self._node = node
        self._read_state = read_state
        self._value = value
        self._stats = stats
        self._clock = clock
        self._errors, self._errors_before = errors, 0
        self._bad_clocks, self._bad_clocks_before = bad_clocks, 0
        self._watches: dict[str, CameraWatch] = {}
        with overridable(node, '/diagnostics', RELIABLE) as (qos, options):
            self._publisher = node.create_publisher(
                DiagnosticArray, '/diagnostics', qos, qos_overriding_options=options)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        """The clock of the node's timers. It runs even if the simulated time stands still."""
        self._timer = node.create_timer(
            value('diagnostics_period'), self.publish, clock=self.steady)

    def publish_if_due(self) -> None:
        """Publish a report if a period has passed. Call this in a callback that runs long."""
        if self._timer.is_ready():
            self._timer.reset()
            self.publish()

    def publish(self) -> None:
        """Publish a report now, and log the warnings that the last report did not have."""
        state = self._read_state()
        now = self._node.get_clock().now()
        for camera in state.cameras:
            self._watches.setdefault(camera.name, CameraWatch(self._node, self._value))
        report = self._read(state, not now.nanoseconds)
        message = DiagnosticArray(status=tasks(report))
        message.header.stamp = now.to_msg()
        self._publisher.publish(message)
        self._errors_before = report.errors.count
        self._bad_clocks_before = report.bad_clocks.count
        for camera, camera_report in zip(state.cameras, report.cameras, strict=True):
            self._watches[camera.name].remember(camera, camera_report)

    def _read(self, state: NodeState, clock_stands: bool) -> NodeReport:
        seconds = self._clock.seconds()
        return NodeReport(
            node=self._node.get_name(), state=state.lifecycle, trouble=state.trouble,
            snapshot=self._stats.snapshot(seconds),
            limits=Limits(**{field.name: self._value(field.name) for field in fields(Limits)}),
            cameras=tuple(self._watches[camera.name].read(camera, camera.stats.snapshot(seconds))
                          for camera in state.cameras),
            engine_error=state.engine.reason, progress=state.progress, clock_stands=clock_stands,
            transport=state.transport, identity=state.identity,
            errors=_mishaps_since(self._errors, self._errors_before),
            bad_clocks=_mishaps_since(self._bad_clocks, self._bad_clocks_before))


def _mishaps_since(counter: MishapCounter, before: int) -> Mishaps:
    return Mishaps(counter.count, counter.count - before, counter.newest)
