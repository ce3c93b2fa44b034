# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes /diagnostics. ``diagnostics_period`` is the time between two reports."""

from __future__ import annotations

from dataclasses import fields
import math
import time
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType

from ..serving.protocols import ServingClock
from ..serving.supervisor import Supervisor
from .camera_watch import CameraWatch
from .diagnostics import Limits, Mishaps, NodeReport, tasks
from .process.mishap_counter import MishapCounter
from .transport.qos import overridable, RELIABLE

if TYPE_CHECKING:
    from .node import SegmentationNode

TWIN_SECONDS = 30.0
"""The log warns if two nodes have the same name for this many seconds. If a process is killed, the
ROS graph still shows its node for some seconds, beside the new node of seg.launch.py."""


class Monitor:
    """Publishes the status of the pipeline, the engine, and each camera.

    All methods run in the executor's thread.

    :param clock: gives the times of the node's frames.
    """

    def __init__(self, node: SegmentationNode, supervisor: Supervisor,
                 clock: ServingClock) -> None:
        self._node = node
        self._supervisor = supervisor
        self._clock = clock
        self._errors_before = self._bad_clocks_before = 0
        self._watches: dict[str, CameraWatch] = {}
        self._twin_since: float | None = None  # time.monotonic()
        with overridable(node, '/diagnostics', RELIABLE) as (qos, options):
            self._publisher = node.create_publisher(
                DiagnosticArray, '/diagnostics', qos, qos_overriding_options=options)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        """The clock of the node's timers. It runs even if the simulated time stands still."""
        self._timer = node.create_timer(
            node.value('diagnostics_period'), self.publish, clock=self.steady)

    def publish_if_due(self) -> None:
        """Publish a report if the next report is due. Call this often in a long callback."""
        if self._timer.is_ready():
            self._timer.reset()
            self.publish()

    def publish(self) -> None:
        """Publish a report now, and log the warnings that are new."""
        now = self._node.get_clock().now()
        for camera in self._node.cameras:
            self._watches.setdefault(camera.name, CameraWatch(self._node, self._node.value))
        report = self._read(not now.nanoseconds)
        message = DiagnosticArray(status=tasks(report))
        message.header.stamp = now.to_msg()
        self._publisher.publish(message)
        self._errors_before = report.errors.count
        self._bad_clocks_before = report.bad_clocks.count
        for camera, camera_report in zip(self._node.cameras, report.cameras, strict=True):
            self._watches[camera.name].remember(camera, camera_report)
        self._warn_of_twin()

    def _warn_of_twin(self) -> None:
        """Log once that another node has the same name. Log again if such a node comes back."""
        node, now = self._node, time.monotonic()
        own = node.get_name(), node.get_namespace()
        if node.get_node_names_and_namespaces().count(own) < 2:
            self._twin_since = None
        elif self._twin_since is None:
            self._twin_since = now
        elif now - self._twin_since >= TWIN_SECONDS:
            self._twin_since = math.inf  # the log has the warning
            node.get_logger().warning(
                f'another node has the name {node.get_fully_qualified_name()} too. The commands '
                'and topics of the two nodes get mixed up. End one of the nodes, or start one '
                'with another name: --ros-args -r __node:=NAME')

    def _read(self, clock_stands: bool) -> NodeReport:
        node, seconds, pipeline = self._node, self._clock.seconds(), self._supervisor.pipeline
        return NodeReport(
            node=node.get_name(), state=node.state, trouble=node.trouble,
            snapshot=node.stats.snapshot(seconds),
            limits=Limits(**{field.name: node.value(field.name) for field in fields(Limits)}),
            cameras=tuple(self._watches[camera.name].read(
                camera, camera.stats.snapshot(seconds), seconds) for camera in node.cameras),
            engine_error=self._supervisor.status.reason, progress=node.progress,
            exchange=node.exchange.note,
            clock_stands=clock_stands, transport=node.transport,
            identity=pipeline.identity if pipeline else None,
            card=str(pipeline.card.source or '') if pipeline else '',
            errors=_mishaps_since(node.errors, self._errors_before),
            bad_clocks=_mishaps_since(node.bad_clocks, self._bad_clocks_before))


def _mishaps_since(counter: MishapCounter, before: int) -> Mishaps:
    return Mishaps(counter.count, counter.count - before, counter.newest)
