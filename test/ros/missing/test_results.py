# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The warnings about images that get no result, or only results that are too old."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray
from node_rig import camera_image
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from trt_segmentation.ros import camera_watch
from trt_segmentation.ros.missing.results import ResultWatch
from trt_segmentation.stats import Snapshot

OK, WARN = b'\0', b'\1'


def counts(came: int, out: int, **dropped: int) -> Snapshot:
    return Snapshot(came, out, {key.replace('_', ' '): n for key, n in dropped.items()}, 0, 0)


def read(reports: list[tuple[float, Snapshot]], come: bool = True) -> list[str]:
    """Return the warning of each report. A report is a pair: time in seconds, counts."""
    watch, found = ResultWatch(), []
    for now, snapshot in reports:
        found.append(watch.describe(snapshot, now, 2.0))
        watch.remember(snapshot, now, come)
    return found


@pytest.mark.parametrize('reports', [
    [(0, counts(0, 0)), (1, counts(10, 9)), (2, counts(20, 19)), (9, counts(90, 89))],
    # the camera waits for the node's answer
    [(0, counts(1, 0)), (1, counts(2, 1)), (2, counts(3, 2)), (3, counts(4, 3))],
    # half of the results are too old
    [(0, counts(1, 1)), (1, counts(21, 11, too_old=10)), (2, counts(41, 21, too_old=20))],
    # no image comes after the first report
    [(0, counts(9, 9)), (10, counts(9, 9)), (20, counts(9, 9))],
    # the first images are still in the node
    [(0, counts(0, 0)), (1, counts(9, 0, superseded=8)), (2, counts(19, 0, superseded=18))]])
def test_no_warning(reports: list[tuple[float, Snapshot]]) -> None:
    assert read(reports) == [''] * len(reports)


def test_most_results_are_too_old() -> None:
    text = ('{} since the last report were older than `max_age` allows, so the node did not '
            'publish them')
    assert read([(0, counts(5, 5)), (1, counts(35, 6, too_old=29)),
                 (2, counts(65, 36, too_old=29))]) == ['', text.format('29 of 30 results'), '']


def test_images_come_but_no_result() -> None:
    start = counts(20, 5, too_old=15)
    found = read([(0, start), (1, counts(21, 5, too_old=15, bad_frame=1)),
                  (3, counts(41, 5, too_old=33, superseded=2, bad_frame=1)),
                  (4, counts(42, 6, too_old=33, superseded=2, bad_frame=1)),
                  (5, counts(43, 6, too_old=33, superseded=2, bad_frame=2))])
    assert found[0] == found[1] == found[3] == found[4] == ''
    assert found[2] == ('no result for 2.0 s, although images come. Frames dropped in this time: '
                        '18 too old, 2 superseded, 1 bad frame')


def test_an_inactive_node_does_not_warn() -> None:
    assert read([(0, counts(5, 5)), (9, counts(6, 5, deactivated=1)),
                 (99, counts(6, 5, deactivated=1))], come=False) == [''] * 3


def test_the_statuses_and_the_log_say_that_every_frame_is_bad(
        make_rig: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig(parameter_overrides=[
        Parameter('stale_after', value=100.0), Parameter('diagnostics_period', value=60.0)])
    reports, log = rig.hear(DiagnosticArray, '/diagnostics'), rig.log()
    camera, now = rig.speaker(Image), rig.node.cameras[0].last_image
    monkeypatch.setattr(camera_watch, 'time', SimpleNamespace(monotonic=lambda: now))
    for number in range(6):
        rig.node.monitor.publish()
        rig.until(lambda number=number: len(reports) == number + 1)
        now += 60.0 if number < 3 else 3.0  # `log_throttle` is 5 s
        camera.publish(camera_image(encoding='nv24'))
        rig.until(lambda number=number: rig.snapshot().frames_dropped == number + 1)
        rig.node.cameras[0].last_image = now
    texts = [f'no result for {seconds} s, although images come. Frames dropped in this time: '
             f'{count} bad frame' for seconds, count in (('120.0', 3), ('123.0', 4), ('126.0', 5))]
    text = texts[-1]
    pipeline, _, camera_status = reports[-1].status
    assert (pipeline.level, pipeline.message) == (WARN, f'camera: {text}')
    assert camera_status.level == WARN and text in camera_status.message
    assert [one.status[0].level for one in reports] == [OK] * 3 + [WARN] * 3
    assert rig.until(lambda: [line.msg for line in log if line.msg == text]) == [text]
    assert [line.msg for line in log if 'although images come' in line.msg] == [
        texts[0], text]
