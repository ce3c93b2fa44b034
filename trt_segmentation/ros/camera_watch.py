# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Watches one camera: reports the camera's state for diagnostics, and logs each new problem."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier

from ..stats import Snapshot
from .camera import Camera
from .diagnostics import CameraReport
from .missing.loss import describe_loss
from .missing.results import ResultWatch
from .parameters.table import START_PERIODS
from .silence import describe_silence, find_cause, Silence


class CameraWatch:
    """Watches one camera of the node. All methods run in the executor's thread.

    Each time the node is configured, the node makes a new :class:`.Camera`, but keeps this object.

    :param value: returns the value of the parameter with the given name.
    """

    def __init__(self, node: Node, value: Callable[[str], Any]) -> None:
        self._node = node
        self._value = value
        self._last: CameraReport | None = None
        self._publishers_since: float | None = None  # time.monotonic()
        self._warned_silence: tuple[float, Silence] | None = None
        self._warned_loss = False
        self._next_unpublished = 0.0  # time.monotonic()
        self._results = ResultWatch()

    def read(self, camera: Camera, snapshot: Snapshot, now: float) -> CameraReport:
        """Return a report on the camera.

        :param snapshot: the camera's counts.
        :param now: current time in seconds, from the clock with which the camera counts frames.
        """
        last = self._last
        publishers = self._node.count_publishers(camera.topic) if camera.topic else 0
        return CameraReport(
            name=camera.name, topic=camera.topic, publishers=publishers,
            silence=self._read_silence(camera, snapshot), snapshot=snapshot,
            dropped_before=last.snapshot.dropped if last else {},
            frame_error=camera.frame_error, stamps_are_foreign=camera.stamps_are_foreign,
            loss=describe_loss(camera.topic, snapshot.lost_lately,
                               get_rmw_implementation_identifier())
            if camera.topic and snapshot.lost_lately else '',
            loss_is_reported=camera.loss_is_reported,
            images_are_numbered=camera.images_are_numbered, bad_infos=camera.bad_infos,
            # a newly configured camera counts from 0, so the last report may have a larger count
            bad_infos_before=min(last.bad_infos, camera.bad_infos) if last else 0,
            lost_infos=camera.lost_infos, info_error=camera.info_error,
            health=camera.health.read(), late=camera.health.lateness.read(now),
            late_frames=self._value('late_frames'),
            unpublished=self._results.describe(
                snapshot, time.monotonic(), self._value('stale_after')),
            **_read_ground(camera, last))

    def remember(self, camera: Camera, report: CameraReport) -> None:
        """Log the new problems of a published report. Keep the report for the next comparison.

        As long as the node publishes no results, the reason is logged again and again, at most
        once in ``log_throttle`` seconds.
        """
        now = time.monotonic()
        if not report.publishers:
            self._publishers_since = None
        elif self._publishers_since is None:
            self._publishers_since = now
        self._warn_of_silence(camera, report, now)
        if report.loss and not self._warned_loss:
            self._node.get_logger().warning(report.loss)
        self._warned_loss = bool(report.loss)
        if report.unpublished and now >= self._next_unpublished:
            self._next_unpublished = now + self._value('log_throttle')
            where = f'camera {camera.name}: ' if camera.name else ''
            self._node.get_logger().warning(where + report.unpublished)
        self._results.remember(
            report.snapshot, now, images_come=bool(report.topic) and not report.silence)
        self._last = report

    def _warn_of_silence(self, camera: Camera, report: CameraReport, now: float) -> None:
        """Log once that no image comes, and once more if the reason changes."""
        if not report.silence:
            return
        cause = find_cause(self._node, camera.topic, self._value('image_transport'))
        silence = (camera.last_image, cause)
        if silence != self._warned_silence and (
                report.snapshot.frames_in or not self._is_starting(camera, now)):
            self._warned_silence = silence
            self._node.get_logger().warning(report.silence)

    def _is_starting(self, camera: Camera, now: float) -> bool:
        """Whether the camera driver may still be starting. In this case, no warning is logged."""
        stale_after: float = self._value('stale_after')
        if self._publishers_since is None:
            return now - camera.last_image < START_PERIODS * stale_after
        return now - self._publishers_since < stale_after

    def _read_silence(self, camera: Camera, snapshot: Snapshot) -> str:
        seconds = time.monotonic() - camera.last_image
        if not camera.topic or seconds < self._value('stale_after'):
            return ''
        return describe_silence(self._node, camera.topic, self._value('image_transport'), seconds,
                                snapshot.frames_in > 0)


def _read_ground(camera: Camera, last: CameraReport | None) -> dict[str, Any]:
    if camera.ground is None:
        return {}
    missing = camera.ground.missing
    before = min(last.ground_missing or 0, missing) if last else 0
    return {'ground_missing': missing, 'ground_missing_before': before,
            'ground_error': camera.ground.error}
