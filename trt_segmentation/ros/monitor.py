# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes /diagnostics. The parameter ``diagnostics_period`` is the time between two reports."""

from __future__ import annotations

from dataclasses import fields
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
"""The node warns if two nodes have the same name for this many seconds. If a process is killed,
the ROS graph shows its node for 20 s more, beside the new node that seg.launch.py starts."""


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
        self._warned_twin = False
        with overridable(node, '/diagnostics', RELIABLE) as (qos, options):
            self._publisher = node.create_publisher(
                DiagnosticArray, '/diagnostics', qos, qos_overriding_options=options)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        """Clock of the node's timers. This clock runs even if the simulated time stands still."""
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
        if report.twin and not self._warned_twin:  # once, until the other node ends
            self._node.get_logger().warning(report.twin)
        self._warned_twin = bool(report.twin)

    def _read_twin(self) -> str:
        """Return a warning if another node has had the name of this node for TWIN_SECONDS.

        Otherwise, return an empty text.
        """
        node, now = self._node, time.monotonic()
        own = node.get_name(), node.get_namespace()
        if node.get_node_names_and_namespaces().count(own) < 2:
            self._twin_since = None
            return ''
        if self._twin_since is None:
            self._twin_since = now
        if now - self._twin_since < TWIN_SECONDS:
            return ''
        return (f'another node has the name {node.get_fully_qualified_name()} too. The commands '
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
            clock_stands=clock_stands, twin=self._read_twin(), transport=node.transport,
            identity=pipeline.identity if pipeline else None,
            card=str(pipeline.card.source or '') if pipeline else '',
            errors=_mishaps_since(node.errors, self._errors_before),
            bad_clocks=_mishaps_since(node.bad_clocks, self._bad_clocks_before))


def _mishaps_since(counter: MishapCounter, before: int) -> Mishaps:
    return Mishaps(counter.count, counter.count - before, counter.newest)
