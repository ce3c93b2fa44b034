# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Stamps that go backwards, bags that loop, and clocks that stop, jump or come late."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from faults.invariants import all_accounted_for, right_or_absent
from faults.numbered import FIRST_SECOND, numbered_image
from node_rig import NODE
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from trt_segmentation.engines import EngineError
from trt_segmentation.ros import clock as clock_module
from trt_segmentation.ros import recovery

OK, WARN, ERROR = b'\0', b'\1', b'\2'
MAPS = f'{NODE}/label_map'


def on_sim_time(make_rig: Any) -> Any:
    return make_rig('diagnostics_period:=0.1',
                    parameter_overrides=[Parameter('use_sim_time', value=True)])


def answer(rig: Any, images: Any, maps: list[Image], number: int) -> None:
    """Send one image and wait for its label map."""
    images.publish(numbered_image(number))
    rig.until(lambda: maps and maps[-1].header.stamp.nanosec == number)


def test_stamps_that_go_backwards_are_copied_as_they_are(make_rig: Any) -> None:
    """A stamp is the camera's affair: every image is answered, in the order they came."""
    rig = make_rig()
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    order = [*range(20, 0, -1), 50, 30, 40]
    for number in order:
        answer(rig, images, maps, number)
    assert right_or_absent(maps) == order
    assert all_accounted_for(rig).frames_out == len(order)


def tell(rig: Any, clock: Any, second: float) -> None:
    nanoseconds = round(second * 1e9)
    clock.publish(Clock(clock=Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)))
    rig.until(lambda: rig.node.get_clock().now().nanoseconds == nanoseconds)


def test_a_bag_that_loops_and_jumps_goes_on_being_answered(make_rig: Any) -> None:
    """The clock goes back to the bag's start, and then on by an hour: no frame is held up.

    Stamps are of the same time as the clock in the first rounds, so ages are real ones; none is
    negative, and rates stay finite.
    """
    rig = on_sim_time(make_rig)
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    clock = rig.speaker(Clock, '/clock')
    number = 0
    for start in (FIRST_SECOND, FIRST_SECOND, FIRST_SECOND + 3600.0, FIRST_SECOND - 500.0):
        for step in range(8):
            tell(rig, clock, start + step * 0.05)
            answer(rig, images, maps, number)
            number += 1
    assert right_or_absent(maps) == list(range(number))
    counts = all_accounted_for(rig)
    assert counts.frames_out == number and not counts.dropped
    assert 0 <= counts.fps_in < 1000 and counts.latency_ms['age']['p50'] >= 0


def test_sim_time_that_stops_stops_nothing_but_the_clock(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are answered, diagnostics come, an engine is retried and transitions work."""
    monkeypatch.setattr(recovery, 'FIRST_SECONDS', 0.01)
    rig = on_sim_time(make_rig)
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    reports, clock = rig.hear(DiagnosticArray, '/diagnostics'), rig.speaker(Clock, '/clock')
    tell(rig, clock, FIRST_SECOND + 1.0)
    for number in range(10):
        answer(rig, images, maps, number)
    count = len(reports)
    rig.until(lambda: len(reports) > count + 3)
    assert reports[-1].header.stamp == reports[count].header.stamp == Time(sec=FIRST_SECOND + 1)
    rig.faults.errors += [EngineError('no answer')] * 6  # the pipeline is opened anew, too

    def answered() -> bool:
        nonlocal number
        number += 1
        images.publish(numbered_image(number))
        rig.until(lambda: rig.snapshot().frames_in == number + 1)
        return len(maps) > 10

    rig.until(answered)
    right_or_absent(maps)
    assert all_accounted_for(rig).dropped['engine error'] == 6 and len(rig.pipelines) == 3
    assert rig.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert rig.node.trigger_activate() == TransitionCallbackReturn.SUCCESS


@pytest.mark.parametrize('came', [True, False])
def test_what_came_while_sim_time_stands_leaves_the_window(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch, came: bool) -> None:
    """Else an hour would be kept, and read as the rate of one second."""
    rig = on_sim_time(make_rig)
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    if came:
        tell(rig, rig.speaker(Clock, '/clock'), FIRST_SECOND + 1.0)
    for number in range(20):
        answer(rig, images, maps, number)
    assert all_accounted_for(rig).fps_out > 0
    monotonic = time.monotonic
    with monkeypatch.context() as later:  # 2 s until it counts as standing, 10 s of window
        later.setattr(clock_module.time, 'monotonic', lambda: monotonic() + 12.1)
        counts = rig.snapshot()
        assert (counts.fps_in, counts.fps_out, counts.latency_ms) == (0.0, 0.0, {})
        assert not rig.node.stats._in and not rig.node.stats._out
    assert counts.frames_out == 20


def test_a_clock_that_comes_late_is_waited_for_by_nobody(make_rig: Any) -> None:
    """Without /clock frames are answered and diagnostics WARN; with it the warning is gone."""
    rig = on_sim_time(make_rig)
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    for number in range(5):
        answer(rig, images, maps, number)
    rig.until(lambda: reports and reports[-1].status[0].level == WARN)
    assert '/clock has not started' in reports[-1].status[0].message
    clock = rig.speaker(Clock, '/clock')
    tell(rig, clock, FIRST_SECOND + 0.5)
    for number in range(5, 10):
        answer(rig, images, maps, number)
    rig.until(lambda: reports[-1].status[0].level == OK)
    assert right_or_absent(maps) == list(range(10))
    counts = all_accounted_for(rig)
    assert counts.frames_out == 10 and counts.latency_ms['age']['p50'] == pytest.approx(
        500.0, abs=1e-3)
