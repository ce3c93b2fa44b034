# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Watches the node: /diagnostics once a period, and a warning when a camera falls silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import time
from typing import Any, Protocol

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.utilities import get_rmw_implementation_identifier

from ..engines import Identity
from ..stats import Snapshot, Stats
from .camera import Camera
from .diagnostics import CameraReport, Limits, Mishaps, NodeReport, tasks
from .loss import loss
from .parameters import START_PERIODS
from .process.clock import ForwardClock
from .process.tally import Tally
from .silence import silence
from .transport.choose import Transport
from .transport.qos import overridable, RELIABLE

LIMITS = ('latency_warn_ms', 'latency_error_ms', 'age_warn_ms', 'age_error_ms')


class Watched(Protocol):
    """What the monitor asks the node."""

    trouble: str
    progress: str
    state: str
    engine_error: str
    transport: Transport | None
    identity: Identity | None
    cameras: Sequence[Camera]
    errors: Tally
    bad_clocks: Tally


class Monitor:
    """Publishes every task's status by a timer; in the executor's thread.

    :param value: current value of a parameter.
    """

    def __init__(self, node: LifecycleNode, watched: Watched, value: Callable[[str], Any],
                 stats: Stats, clock: ForwardClock) -> None:
        self._node = node
        self._watched = watched
        self._value = value
        self._stats = stats
        self._clock = clock
        self._dropped: dict[str, dict[str, int]] = {}
        self._bad_infos: dict[str, int] = {}
        self._tallied: dict[str, int] = {}
        self._told: dict[str, tuple[float, bool]] = {}
        self._advertised: dict[str, float] = {}
        """time.monotonic() when each camera's topic was first seen to have a publisher."""
        self._losing: set[str] = set()
        with overridable(node, '/diagnostics', RELIABLE) as (qos, options):
            self._publisher = node.create_publisher(
                DiagnosticArray, '/diagnostics', qos, qos_overriding_options=options)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        """What timers go by, so that they go on while sim time stands."""
        node.create_timer(value('diagnostics_period'), self.publish, clock=self.steady)

    def publish(self) -> None:
        """Publish now; the last report before the end, and while configure is at work."""
        watched = self._watched
        now = self._node.get_clock().now()
        report = NodeReport(
            node=self._node.get_name(), state=watched.state, trouble=watched.trouble,
            snapshot=self._stats.snapshot(self._clock.seconds()),
            limits=Limits(*(self._value(name) for name in LIMITS)),
            cameras=tuple(self._camera(camera) for camera in watched.cameras),
            engine_error=watched.engine_error, progress=watched.progress,
            clock_stands=not now.nanoseconds, transport=watched.transport,
            identity=watched.identity,
            errors=self._mishaps('errors', watched.errors),
            bad_clocks=self._mishaps('bad_clocks', watched.bad_clocks))
        message = DiagnosticArray(status=tasks(report))
        message.header.stamp = now.to_msg()
        self._publisher.publish(message)

    def _mishaps(self, kind: str, tally: Tally) -> Mishaps:
        before, self._tallied[kind] = self._tallied.get(kind, 0), tally.count
        return Mishaps(tally.count, tally.count - before, tally.newest)

    def _camera(self, camera: Camera) -> CameraReport:
        snapshot = camera.stats.snapshot(self._clock.seconds())
        before, self._dropped[camera.name] = \
            self._dropped.get(camera.name, {}), dict(snapshot.dropped)
        # a camera made anew by configure counts from 0 again
        infos_before = min(self._bad_infos.get(camera.name, 0), camera.bad_infos)
        self._bad_infos[camera.name] = camera.bad_infos
        publishers = self._node.count_publishers(camera.topic) if camera.topic else 0
        return CameraReport(
            camera.name, camera.topic, publishers, self._silence(camera, publishers), snapshot,
            before, camera.frame_error, camera.foreign_stamps, self._loss(camera, snapshot),
            camera.loss_is_reported, camera.images_are_numbered, camera.bad_infos, infos_before,
            camera.lost_infos, camera.info_error)

    def _loss(self, camera: Camera, snapshot: Snapshot) -> str:
        """What to do about images lost lately; logged when a camera begins to lose some."""
        if not camera.topic or not snapshot.lost_lately:
            self._losing.discard(camera.name)
            return ''
        text = loss(camera.topic, snapshot.lost_lately, get_rmw_implementation_identifier())
        if camera.name not in self._losing:
            self._losing.add(camera.name)
            self._node.get_logger().warning(text)
        return text

    def _silence(self, camera: Camera, publishers: int) -> str:
        """Why a camera is silent, logged once a silence and once more where the reason changes."""
        now = time.monotonic()
        came = camera.stats.snapshot(self._clock.seconds()).frames_in > 0
        starting = not came and self._is_starting(camera, publishers, now)
        seconds = now - camera.last_image
        if not camera.topic or seconds < self._value('stale_after'):
            return ''
        text = silence(self._node, camera.topic, self._value('image_transport'), seconds, came)
        key = (camera.last_image, publishers > 0)
        if not starting and self._told.get(camera.name) != key:
            self._told[camera.name] = key
            self._node.get_logger().warning(text)
        return text

    def _is_starting(self, camera: Camera, publishers: int, now: float) -> bool:
        """Whether the first image of a camera may still come, so that the log does not warn yet.

        A camera driver takes seconds to advertise its topic; its first image comes a little later.
        """
        stale_after: float = self._value('stale_after')
        if not publishers:
            self._advertised.pop(camera.name, None)
            return now - camera.last_image < START_PERIODS * stale_after
        return now - self._advertised.setdefault(camera.name, now) < stale_after
