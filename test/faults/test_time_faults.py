# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Stamps that go backwards, bags that loop, and clocks that stop, jump or start late."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from faults.invariants import check_label_maps, wait_for_counts
from faults.numbered import FIRST_SECOND, numbered_image
from node_rig import NODE
from rcl_interfaces.srv import SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from trt_segmentation.errors import EngineError
from trt_segmentation.ros.process import clock as clock_module
from trt_segmentation.serving import recovery

OK, WARN, ERROR = b'\0', b'\1', b'\2'
MAPS = f'{NODE}/label_map'


def on_sim_time(make_rig: Any) -> Any:
    return make_rig('diagnostics_period:=0.1',
                    parameter_overrides=[Parameter('use_sim_time', value=True)])


def answer(rig: Any, images: Any, maps: list[Image], number: int) -> None:
    images.publish(numbered_image(number))
    rig.until(lambda: maps and maps[-1].header.stamp.nanosec == number)


def test_stamps_that_go_backwards_are_copied_as_they_are(make_rig: Any) -> None:
    """The node does not check stamps. It segments every image in the order of arrival."""
    rig = make_rig()
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    order = [*range(20, 0, -1), 50, 30, 40]
    for number in order:
        answer(rig, images, maps, number)
    assert check_label_maps(maps) == order
    assert wait_for_counts(rig).frames_out == len(order)


def tell(rig: Any, clock: Any, second: float) -> None:
    nanoseconds = round(second * 1e9)
    clock.publish(Clock(clock=Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)))
    rig.until(lambda: rig.node.get_clock().now().nanoseconds == nanoseconds)


def test_a_bag_that_loops_and_jumps_goes_on_being_answered(make_rig: Any) -> None:
    """The clock jumps back to the start of the bag, and then an hour ahead. No frame waits.

    No age is negative, and rates stay finite.
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
    assert check_label_maps(maps) == list(range(number))
    counts = wait_for_counts(rig)
    assert counts.frames_out == number and not counts.dropped
    assert 0 <= counts.fps_in < 1000 and counts.latency_ms['age']['p50'] >= 0


WRONG = [Time(sec=-1), Time(sec=-2**31), Time(sec=-1, nanosec=10**9),
         Time(sec=0, nanosec=10**9), Time(sec=2**31 - 1, nanosec=2**32 - 1)]
EXTREME = [Time(sec=2**31 - 1, nanosec=10**9 - 1), Time(), Time(nanosec=1), Time(sec=2**31 - 1)]


@pytest.mark.parametrize('at_start', [True, False])
def test_a_clock_message_with_a_bad_time_is_ignored_and_counted(
        make_rig: Any, at_start: bool) -> None:
    """The node starts with sim time, or a service call switches to sim time later."""
    rig = on_sim_time(make_rig) if at_start else make_rig('diagnostics_period:=0.1')
    if not at_start:
        client = rig.peer.create_client(SetParameters, f'{NODE}/set_parameters')
        rig.until(client.service_is_ready)
        future = client.call_async(SetParameters.Request(
            parameters=[Parameter('use_sim_time', value=True).to_parameter_msg()]))
        rig.until(future.done)
        assert future.result().results[0].successful
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    reports, clock = rig.hear(DiagnosticArray, '/diagnostics'), rig.speaker(Clock, '/clock')
    tell(rig, clock, FIRST_SECOND)
    for count, wrong in enumerate(WRONG, 1):
        clock.publish(Clock(clock=wrong))
        rig.until(lambda count=count: rig.node.bad_clocks.count == count)
        assert rig.node.get_clock().now().nanoseconds == FIRST_SECOND * 10**9
        answer(rig, images, maps, count)
    found = f'{len(WRONG)}'
    rig.until(lambda: reports and {pair.key: pair.value
                                   for pair in reports[-1].status[0].values}[
        'clock_messages_ignored'] == found)
    (said, *_) = (report.status[0] for report in reports
                  if 'messages of /clock ignored' in report.status[0].message)
    assert said.level == WARN and 'expected' in said.message
    tell(rig, clock, FIRST_SECOND + 1)
    assert rig.node.errors.count == 0


def test_the_first_and_the_last_time_are_accepted(make_rig: Any) -> None:
    """The clock jumps between the first and the last time that a stamp can hold."""
    rig = on_sim_time(make_rig)
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    reports, clock = rig.hear(DiagnosticArray, '/diagnostics'), rig.speaker(Clock, '/clock')
    number = 0
    for stamp in EXTREME * 3:
        clock.publish(Clock(clock=stamp))
        rig.until(lambda stamp=stamp: rig.node.get_clock().now().to_msg() == stamp)
        count = len(reports)
        answer(rig, images, maps, number)
        rig.until(lambda count=count: len(reports) > count)
        number += 1
    counts = wait_for_counts(rig)
    assert counts.frames_out == number and 0 <= counts.fps_in < 1000
    assert rig.node.errors.count == rig.node.bad_clocks.count == 0


def test_use_sim_time_set_over_and_over_while_the_clock_runs(make_rig: Any) -> None:
    """Each change makes or destroys a subscription in a callback of the executor."""
    rig = make_rig()
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    clock = rig.peer.create_publisher(Clock, '/clock', 10)
    client = rig.peer.create_client(SetParameters, f'{NODE}/set_parameters')
    rig.until(client.service_is_ready)
    for number in range(60):
        clock.publish(Clock(clock=Time(sec=number - 5)))
        future = client.call_async(SetParameters.Request(parameters=[
            Parameter('use_sim_time', value=number % 2 == 0).to_parameter_msg()]))
        rig.until(future.done)
        assert future.result().results[0].successful
        answer(rig, images, maps, number)
    assert rig.node.errors.count == 0 and check_label_maps(maps) == list(range(60))


def test_if_sim_time_stops_the_node_goes_on(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node segments frames, reports, reopens its engine and makes transitions."""
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
    rig.faults.errors += [EngineError('no answer')] * 6  # five failures reopen the pipeline

    def answered() -> bool:
        nonlocal number
        number += 1
        images.publish(numbered_image(number))
        rig.until(lambda: rig.snapshot().frames_in == number + 1)
        return len(maps) > 10

    rig.until(answered)
    check_label_maps(maps)
    assert wait_for_counts(rig).dropped['engine error'] == 6 and len(rig.pipelines) == 3
    assert rig.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert rig.node.trigger_activate() == TransitionCallbackReturn.SUCCESS


@pytest.mark.parametrize('came', [True, False])
def test_frames_leave_the_window_while_sim_time_stands(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch, came: bool) -> None:
    """Otherwise the node would report an hour of frames as the rate of one second."""
    rig = on_sim_time(make_rig)
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    if came:
        tell(rig, rig.speaker(Clock, '/clock'), FIRST_SECOND + 1.0)
    for number in range(20):
        answer(rig, images, maps, number)
    assert wait_for_counts(rig).fps_out > 0
    monotonic = time.monotonic
    # the clock counts as stopped after 2 s, and frames leave the window after 10 s
    with monkeypatch.context() as later:
        later.setattr(clock_module.time, 'monotonic', lambda: monotonic() + 12.1)
        counts = rig.snapshot()
        assert (counts.fps_in, counts.fps_out, counts.latency_ms) == (0.0, 0.0, {})
        assert not rig.node.stats._in and not rig.node.stats._out
    assert counts.frames_out == 20


def test_the_node_does_not_wait_for_a_late_clock(make_rig: Any) -> None:
    """Without /clock the node segments frames and warns. With /clock the warning ends."""
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
    assert check_label_maps(maps) == list(range(10))
    counts = wait_for_counts(rig)
    assert counts.frames_out == 10 and counts.latency_ms['age']['p50'] == pytest.approx(
        500.0, abs=1e-3)
