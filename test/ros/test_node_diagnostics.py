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

"""/diagnostics: what is in it, when it warns, and time that stands, jumps or is another's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from node_rig import camera_image, NODE
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from trt_segmentation.ros.clock import ForwardClock
from trt_segmentation.ros.diagnostics import engine, Limits, pipeline, Report
from trt_segmentation.ros.worker import Health
from trt_segmentation.stats import Snapshot

OK, WARN, ERROR = b'\0', b'\1', b'\2'
LIMITS = Limits(latency_warn_ms=100, latency_error_ms=500, age_warn_ms=200, age_error_ms=1000,
                stale_after=2)


def report(**changes: Any) -> Report:
    """An active node to which nothing has happened, but for the changes."""
    plain: dict[str, Any] = {
        'node': 'n', 'state': 'active', 'trouble': '', 'topic': '/image', 'publishers': 1,
        'silence': 0.1, 'health': Health(), 'limits': LIMITS,
        'snapshot': Snapshot(5, 5, {}, 10.0, 10.0)}
    return Report(**{**plain, **changes})


def slow(stage: str, p95: float) -> Snapshot:
    return Snapshot(5, 5, {}, 1.0, 1.0, {stage: {'p50': 1.0, 'p95': p95, 'p99': p95}})


@pytest.mark.parametrize(('changes', 'level', 'text'), [
    ({}, OK, 'running'),
    ({'state': 'inactive'}, OK, 'inactive; not taking images'),
    ({'trouble': 'cannot configure: no card'}, ERROR, 'cannot configure: no card'),
    ({'silence': 2.5}, WARN, 'no image for 2.5 s on /image (1 publisher)'),
    ({'silence': 2.5, 'publishers': 0, 'snapshot': Snapshot(0, 0, {}, 0, 0)}, WARN,
     'no image yet on /image (0 publishers)'),
    ({'snapshot': slow('total', 101.0)}, WARN, 'p95 latency is 101 ms, above 100 ms'),
    ({'snapshot': slow('total', 501.0)}, ERROR, 'p95 latency is 501 ms, above 500 ms'),
    ({'snapshot': slow('age', 201.0)}, WARN, 'p95 age at publish is 201 ms, above 200 ms'),
    ({'snapshot': slow('age', 1001.0)}, ERROR, 'above 1000 ms'),
    ({'snapshot': slow('inference', 1e6)}, OK, 'running'),
    ({'snapshot': Snapshot(9, 5, {'bad frame': 4}, 1, 1), 'dropped_before': {'bad frame': 1},
      'health': Health(frame_error='step is 1')}, WARN, '3 bad frames since the last report, '
     'the newest: step is 1'),
    ({'snapshot': Snapshot(9, 5, {'bad frame': 4}, 1, 1), 'dropped_before': {'bad frame': 4}},
     OK, 'running'),
    ({'health': Health(engine_error='boom')}, ERROR, 'boom'),
])
def test_pipeline_level(changes: dict[str, Any], level: bytes, text: str) -> None:
    status = pipeline(report(**changes))
    assert (status.name, status.level) == ('n: pipeline', level)
    assert text in status.message


def test_engine_is_error_while_it_fails() -> None:
    assert engine(report(health=Health(engine_error='boom'))).level == ERROR
    assert engine(report(trouble='no card')).message == 'no card'
    assert engine(report()).level == OK


def test_a_running_nodes_diagnostics(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'diagnostics_period:=0.1'])
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    now = rig.node.get_clock().now().to_msg()
    sent = camera_image()
    sent.header.stamp = now
    camera.publish(sent)
    rig.until(lambda: maps)
    rig.until(lambda: reports and ('frames_out', '1') in values(reports[-1], 0).items())
    names = [status.name for status in reports[-1].status]
    assert names == ['trt_segmentation: pipeline', 'trt_segmentation: engine']
    got = values(reports[-1], 0)
    assert {**got, 'frames_in': '1', 'frames_dropped': '0', 'state': 'active',
            'image_topic': '/image', 'image_publishers': '1', 'preprocess_time_ms': '1.000',
            'inference_time_ms': '2.000', 'postprocess_time_p99_ms': '3.000'} == got
    assert float(got['fps_in']) > 0 and float(got['fps_out']) > 0
    for stage in ('wait', 'publish', 'total', 'age'):
        assert float(got[f'{stage}_time_ms']) >= 0
    assert values(reports[-1], 1) == {
        'model': 'street', 'engine': 'onnxruntime-cpu', 'version': '1.2', 'precision': 'fp32',
        'device': 'a fake', 'reason': 'test'}
    assert reports[-1].status[0].hardware_id == 'a fake'
    assert reports[-1].header.stamp.sec >= now.sec


def test_no_image_yet_is_a_warning_with_the_topic(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'diagnostics_period:=0.1', '-p',
                             'stale_after:=0.1', '-r', 'image:=/front/image_raw'])
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    rig.until(lambda: reports and reports[-1].status[0].message
              == 'no image yet on /front/image_raw (0 publishers)')
    assert reports[-1].status[0].level == WARN


def values(array: DiagnosticArray, task: int) -> dict[str, str]:
    return {pair.key: pair.value for pair in array.status[task].values}


def test_age_follows_sim_time_and_foreign_stamps_are_named(make_rig: Any) -> None:
    rig = make_rig(parameter_overrides=[Parameter('use_sim_time', value=True)])
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    reports, clock = rig.hear(DiagnosticArray, '/diagnostics'), rig.speaker(Clock, '/clock')
    camera.publish(camera_image(1))  # the clock has not started
    rig.until(lambda: len(maps) == 1)
    clock.publish(Clock(clock=Time(sec=1000)))
    rig.until(lambda: rig.node.get_clock().now().nanoseconds)
    for stamp in (Time(sec=999, nanosec=500000000), Time(sec=1700000000)):
        sent = camera_image(2)
        sent.header.stamp = stamp
        count = len(maps)
        camera.publish(sent)
        rig.until(lambda count=count: len(maps) == count + 1)
    rig.until(lambda: rig.snapshot().frames_out == 3)
    rig.node.publish_diagnostics()
    rig.until(lambda: reports and reports[-1].header.stamp.sec == 1000)
    got = values(reports[-1], 0)
    assert (got['age_time_ms'], got['age_time_p99_ms']) == ('500.000', '500.000')
    assert 'share no time base' in got['age']


def test_forward_clock_goes_on_over_a_bag_loop() -> None:
    times = iter([0, 10, 12, 3, 4, 20])
    clock = ForwardClock(SimpleNamespace(  # type: ignore[arg-type]
        now=lambda: SimpleNamespace(nanoseconds=next(times) * 10**9)))
    assert [clock.seconds() for _ in range(6)] == [0, 10, 12, 12, 13, 29]
