# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node's /diagnostics: their values, their warnings, and clocks that stand or jump."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from interrupting_lock import InterruptingLock
from node_rig import camera_image, NODE
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from trt_segmentation.engines import Identity
from trt_segmentation.ros import camera_watch, monitor
from trt_segmentation.ros.diagnostics import (
    camera,
    CameraReport,
    engine,
    Limits,
    NodeReport,
    pipeline,
)
from trt_segmentation.ros.health import HealthReport
from trt_segmentation.ros.missing.loss import describe_loss
from trt_segmentation.ros.process import clock as forward
from trt_segmentation.ros.process.clock import ForwardClock
from trt_segmentation.ros.transport.qos import NEWEST
from trt_segmentation.serving.lateness import LateFrames
from trt_segmentation.stats import Snapshot

OK, WARN, ERROR = b'\0', b'\1', b'\2'
LIMITS = Limits(latency_warn_ms=100, latency_error_ms=500, age_warn_ms=200, age_error_ms=1000)
FINE = Snapshot(5, 5, {}, 10.0, 10.0)


def report(**changes: Any) -> NodeReport:
    """Return the report of an active node without events, with the given fields replaced."""
    plain: dict[str, Any] = {
        'node': 'n', 'state': 'active', 'trouble': '', 'limits': LIMITS, 'snapshot': FINE}
    return NodeReport(**{**plain, **changes})


def slow(stage: str, p95: float) -> Snapshot:
    return Snapshot(5, 5, {}, 1.0, 1.0, {stage: {'p50': 1.0, 'p95': p95, 'p99': p95}})


SLOW = [
    (slow('total', 101.0), WARN, 'p95 latency is 101 ms, above 100 ms'),
    (slow('total', 501.0), ERROR, 'p95 latency is 501 ms, above 500 ms'),
    (slow('age', 201.0), WARN, 'p95 age at publish is 201 ms, above 200 ms'),
    (slow('age', 1001.0), ERROR, 'above 1000 ms'),
    (slow('inference', 1e6), OK, 'running'),
]


@pytest.mark.parametrize(('changes', 'level', 'text'), [
    ({}, OK, 'running'),
    ({'state': 'inactive'}, OK, 'inactive; not receiving images'),
    ({'trouble': 'cannot configure: no card'}, ERROR, 'cannot configure: no card'),
    ({'engine_error': 'boom'}, ERROR, 'boom'),
    ({'state': 'inactive', 'twin': 'another node'}, WARN, 'another node'),
    ({'clock_stands': True}, WARN, '`use_sim_time` is true, and /clock has not started'),
    *(({'snapshot': snapshot}, level, text) for snapshot, level, text in SLOW),
])
def test_pipeline_level(changes: dict[str, Any], level: bytes, text: str) -> None:
    status = pipeline(report(**changes))
    assert (status.name, status.level) == ('n: pipeline', level)
    assert text in status.message


LOST_2 = Snapshot(7, 5, {'take error': 2}, 1, 1)
BAD_4 = Snapshot(9, 5, {'bad frame': 4}, 1, 1)


@pytest.mark.parametrize(('changes', 'level', 'text'), [
    ({}, OK, 'running'),
    ({'silence': 'no image'}, WARN, 'no image'),
    ({'loss': '5 images lost'}, WARN, '5 images lost'),
    ({'publishers': 2}, WARN, '2 publishers send images on /front/image, so the images of'),
    ({'bad_infos': 3, 'bad_infos_before': 1, 'info_error': 'cut short'}, WARN,
     '2 bad camera_info since the last report, the newest: cut short'),
    ({'bad_infos': 3, 'bad_infos_before': 3, 'lost_infos': 2}, OK, 'running'),
    ({'snapshot': BAD_4, 'dropped_before': {'bad frame': 1}, 'frame_error': 'step is 1'}, WARN,
     '3 bad frames since the last report, the newest: step is 1'),
    ({'snapshot': BAD_4, 'dropped_before': {'bad frame': 4}}, OK, 'running'),
    ({'snapshot': LOST_2, 'frame_error': 'no memory'}, WARN,
     '2 frames not received since the last report, the newest: no memory'),
    ({'health': HealthReport({}, 'the drift is 2')}, WARN, 'the drift is 2'),
    ({'health': HealthReport({'drift': '0.5'})}, OK, 'running'),
    ({'late': LateFrames(300.0, 3, 900.0), 'late_frames': 3}, ERROR,
     'the last 3 frames were late, over a period of 900 ms; `late_frames` allows fewer than 3 '
     'late frames'),
    ({'late': LateFrames(300.0, 3, 900.0), 'late_frames': 4}, OK, 'running'),
    ({'late': LateFrames(300.0, 3, 900.0)}, OK, 'running'),
    *(({'snapshot': snapshot}, level, text) for snapshot, level, text in SLOW),
])
def test_camera_level(changes: dict[str, Any], level: bytes, text: str) -> None:
    plain: dict[str, Any] = {'name': 'front', 'topic': '/front/image', 'publishers': 1,
                             'silence': '', 'snapshot': FINE}
    status = camera(report(), CameraReport(**{**plain, **changes}))
    assert (status.name, status.level) == ('n: camera front', level)
    assert text in status.message
    assert camera(report(state='inactive'), CameraReport(**plain)).message \
        == 'inactive; not receiving images'


@pytest.mark.parametrize(('late', 'limit', 'values'), [
    (LateFrames(20.0, 0, 0.0), 2, ('True', '20.000', 'True', '0.000', '0')),
    (LateFrames(300.0, 1, 500.0), 2, ('False', '300.000', 'True', '500.000', '1')),
    (LateFrames(300.0, 2, 900.0), 2, ('False', '300.000', 'False', '900.000', '2')),
    (LateFrames(300.0, 9, 900.0), 0, ('False', '300.000', 'True', '900.000', '9'))])
def test_the_keys_of_autoware(late: LateFrames, limit: int, values: tuple[str, ...]) -> None:
    status = camera(report(), CameraReport('front', '/front/image', 1, '', FINE, late=late,
                                           late_frames=limit))
    found = {pair.key: pair.value for pair in status.values}
    assert tuple(found[key] for key in (
        'is_processing_time_ms_in_expected_range', 'processing_time_ms',
        'is_consecutive_processing_delay_in_range', 'consecutive_processing_delay_ms',
        'late_frames_in_row')) == values


@pytest.mark.parametrize(('rmw', 'environment', 'text'), [
    ('rmw_fastrtps_cpp', {},
     'Start the camera and this node with this profile. This command sets the profile: export'),
    ('rmw_fastrtps_cpp', {'FASTRTPS_DEFAULT_PROFILES_FILE': '/a.xml'},
     'This node uses FASTRTPS_DEFAULT_PROFILES_FILE=/a.xml, so start the camera with the same'),
    ('rmw_cyclonedds_cpp', {}, 'Enlarge the buffers of the system: sudo sysctl'),
])
def test_loss_says_what_to_set(rmw: str, environment: dict[str, str], text: str) -> None:
    assert text in describe_loss('/image', 2, rmw, environment)
    assert describe_loss('/image', 1, rmw, environment).startswith(
        f'{rmw} lost 1 image on /image in the last 10 s. ')


def test_a_loss_is_over_when_none_came_for_a_while(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports warn for 10 s after a loss. The log has one warning for each loss."""
    rig = make_rig(start=False, cli_args=[
        '--ros-args', '-p', 'diagnostics_period:=60.0', '-p', 'stale_after:=3600.0'])
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    now, logged = 100.0, []
    monkeypatch.setattr(rig.node._forward_clock, 'seconds', lambda: now)
    assert rig.node.start()
    monkeypatch.setattr(rig.node.monitor._node, 'get_logger', lambda: SimpleNamespace(
        warning=logged.append))
    (event,) = [handler for handler in rig.node.cameras[0]._image.subscription.event_handlers
                if 'MESSAGE_LOST' in str(handler.event_type)]

    def messages() -> list[str]:
        count = len(reports)
        rig.node.monitor.publish()
        rig.until(lambda: len(reports) > count)
        return [status.message for status in reports[-1].status]

    for lost in (4, 2):
        event.callback(SimpleNamespace(total_count=9, total_count_change=lost))
        for seconds in (0.0, 9.0):
            now += seconds
            pipeline_says, _, camera_says = messages()
            assert pipeline_says == 'running'
            assert f' lost {lost} images on /image in the last 10 s. ' in camera_says
        now += 2.0
        assert messages()[2] == 'running'
    assert len(logged) == 2 and rig.snapshot().lost == 6


def test_where_an_engine_came_from_is_told() -> None:
    found = Identity('street', 'tensorrt', '10', 'fp16', 'a GPU', 'asked for', cache='hit')
    pairs = {pair.key: pair.value for pair in engine(report(
        identity=found, card='/a/street.yaml', exchange='opening the model b')).values}
    assert (pairs['precision'], pairs['device'], pairs['cache']) == ('fp16', 'a GPU', 'hit')
    assert (pairs['card'], pairs['exchange']) == ('/a/street.yaml', 'opening the model b')
    assert not {'card', 'exchange', 'tuning'} & {
        pair.key for pair in engine(report(identity=found)).values}


def test_the_engine_task_reports_the_progress_of_configure() -> None:
    status = engine(report(state='configuring', progress='building for 3 minutes'))
    assert (status.level, status.message) == (OK, 'building for 3 minutes')


def test_engine_is_error_while_it_fails() -> None:
    assert engine(report(engine_error='boom')).level == ERROR
    assert engine(report(trouble='no card')).message == 'no card'
    assert engine(report()).level == OK


def test_a_running_nodes_diagnostics(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'diagnostics_period:=0.1'])
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    maps, images = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    now = rig.node.get_clock().now().to_msg()
    sent = camera_image()
    sent.header.stamp = now
    images.publish(sent)
    rig.until(lambda: maps)
    rig.until(lambda: reports and ('frames_out', '1') in values(reports[-1], 0).items())
    names = [status.name for status in reports[-1].status]
    assert names == ['trt_segmentation: pipeline', 'trt_segmentation: engine',
                     'trt_segmentation: camera']
    for task, own in ((0, {'state': 'active', 'cameras': '1', 'transport': 'direct'}),
                      (2, {'image_topic': '/image', 'image_publishers': '1'})):
        got = values(reports[-1], task)
        assert {**got, **own, 'frames_in': '1', 'frames_dropped': '0',
                'preprocess_time_ms': '1.000', 'inference_time_ms': '2.000',
                'postprocess_time_p99_ms': '3.000'} == got
        assert float(got['fps_in']) > 0 and float(got['fps_out']) > 0
        for stage in ('wait', 'publish', 'total', 'age'):
            assert float(got[f'{stage}_time_ms']) >= 0
    assert values(reports[-1], 1) == {
        'model': 'street', 'engine': 'onnxruntime-cpu', 'version': '1.2', 'precision': 'fp32',
        'device': 'a fake', 'reason': 'test', 'opened_s': '0.0'}
    assert reports[-1].status[0].hardware_id == 'a fake'
    assert reports[-1].header.stamp.sec >= now.sec


def test_no_publisher_is_a_warning_that_names_near_misses(make_rig: Any) -> None:
    rig = make_rig(start=False, cli_args=[
        '--ros-args', '-p', 'diagnostics_period:=0.1', '-p', 'stale_after:=0.1', '-r',
        'image:=/front/image_raw'])
    others = [rig.peer.create_publisher(kind, topic, 1) for kind, topic in (
        (Image, '/zoo'), (Image, '/front/image_rect'), (Clock, '/front/image_raws'),
        (Image, '/front/segmentation/label_map'))]
    rig.until(lambda: rig.node.count_publishers('/zoo')
              and rig.node.count_publishers('/front/segmentation/label_map')
              and rig.node.count_publishers('/front/image_rect'))
    reports, log = rig.hear(DiagnosticArray, '/diagnostics'), rig.log()
    assert rig.node.start()
    text = ('on /front/image_raw, which nobody publishes; there are images on '
            '/front/image_rect, /zoo')
    rig.until(lambda: len([r for r in reports if len(r.status) == 3
                           and text in r.status[2].message]) > 2)
    assert reports[-1].status[2].level == WARN and 'no image yet' in reports[-1].status[2].message
    told = rig.until(lambda: [line for line in log if text in line.msg])
    assert len(told) == 1 and 'label_map' not in told[0].msg
    assert all('image_raws' not in line.msg for line in log) and len(others) == 4


def test_silent_publishers_get_their_own_warning_and_each_is_logged_once(
        make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'diagnostics_period:=0.1', '-p',
                             'stale_after:=0.3'])
    reports, log = rig.hear(DiagnosticArray, '/diagnostics'), rig.log()
    warnings = lambda: [line.msg for line in log if 'no image' in line.msg]  # noqa: E731
    rig.until(warnings)
    images = rig.speaker(Image)
    rig.until(lambda: len(warnings()) == 2)
    images.publish(camera_image())
    rig.until(lambda: reports[-1].status[2].level == OK)
    rig.until(lambda: len(warnings()) == 3)
    rig.until(lambda count=len(reports): len(reports) > count + 3)
    nobody, silent, again = warnings()
    assert 'which nobody publishes; there is no topic with images at all' in nobody
    assert 'no image yet' in silent and 'on /image, which has 1 publisher' in silent
    assert 'no image for 0.' in again and 'which has 1 publisher' in again


def test_a_publisher_of_another_type_is_not_reported_as_a_loss(
        make_rig: Any, ros: Any) -> None:
    """Fast DDS allows one type per topic in a context, so the publisher has its own context."""
    rig = make_rig(cli_args=['--ros-args', '-p', 'diagnostics_period:=0.1', '-p',
                             'stale_after:=0.1'])
    own = rclpy.Context()
    rclpy.init(context=own, domain_id=ros.get_domain_id())
    stranger = Node('stranger', context=own)
    stranger.create_publisher(Clock, '/image', 1)
    reports, log = rig.hear(DiagnosticArray, '/diagnostics'), rig.log()
    text = ('on /image, whose messages have the type rosgraph_msgs/msg/Clock; expected '
            'sensor_msgs/msg/Image, because `image_transport` is raw; there is no topic with '
            'images')
    rig.until(lambda: [r for r in reports if text in r.status[2].message])
    warnings = lambda: [line.msg for line in log if 'no image' in line.msg]  # noqa: E731
    rig.until(lambda: [told for told in warnings() if text in told])
    assert not [told for told in warnings() if 'lost' in told]
    stranger.destroy_node()
    rclpy.shutdown(context=own)
    rig.speaker(Image)
    rig.until(lambda: [told for told in warnings() if 'which has 1 publisher' in told])
    assert len([told for told in warnings() if text in told]) == 1


def test_a_publisher_with_another_qos_is_reported_with_its_cure(make_rig: Any) -> None:
    rig = make_rig(cli_args=[
        '--ros-args', '-p', 'diagnostics_period:=0.1', '-p', 'stale_after:=0.1',
        '-p', 'qos_overrides./image.subscription.reliability:=reliable'])
    publisher = rig.peer.create_publisher(Image, '/image', NEWEST)
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    text = ('on /image, because the QoS of its publisher does not match the QoS of this node; set '
            "this node's qos_overrides./image.subscription.reliability to best_effort")
    rig.until(lambda: [r for r in reports if text in r.status[2].message])
    assert 'lost' not in reports[-1].status[2].message
    rig.peer.destroy_publisher(publisher)
    images = rig.speaker(Image)
    rig.until(lambda: 'which has 1 publisher' in reports[-1].status[2].message)
    images.publish(camera_image())
    rig.until(lambda: rig.snapshot().frames_in == 1)


def test_the_log_is_patient_with_a_camera_that_starts_after_the_node(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The log gives a camera more time to start than the diagnostics do."""
    rig = make_rig(parameter_overrides=[
        Parameter('stale_after', value=100.0), Parameter('diagnostics_period', value=60.0)])
    reports, later = rig.hear(DiagnosticArray, '/diagnostics'), 0.0
    monkeypatch.setattr(camera_watch, 'time', SimpleNamespace(
        monotonic=lambda: time.monotonic() + later))

    def reported() -> tuple[bytes, bool]:
        """Return the camera's level in the next report, and True if the log has a warning."""
        count = len(reports)
        capfd.readouterr()
        rig.node.monitor.publish()
        rig.until(lambda: len(reports) > count)
        return reports[-1].status[2].level, 'no image' in capfd.readouterr().err

    assert reported() == (OK, False)
    later = 450.0
    assert reported() == (WARN, False)
    camera = rig.speaker(Image)  # the camera's driver starts
    rig.until(lambda: rig.node.count_publishers('/image'))
    assert reported() == (WARN, False)
    later = 540.0
    assert reported() == (WARN, False)
    later = 560.0
    assert reported() == (WARN, True)
    rig.peer.destroy_publisher(camera)
    rig.until(lambda: not rig.node.count_publishers('/image'))
    assert reported() == (WARN, True)  # nobody published for more than 5 * stale_after


def values(array: DiagnosticArray, task: int) -> dict[str, str]:
    return {pair.key: pair.value for pair in array.status[task].values}


def test_age_follows_sim_time_and_foreign_stamps_are_named(make_rig: Any) -> None:
    rig = make_rig(parameter_overrides=[Parameter('use_sim_time', value=True)])
    maps, images = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    reports, clock = rig.hear(DiagnosticArray, '/diagnostics'), rig.speaker(Clock, '/clock')
    images.publish(camera_image(1))  # the clock has not started
    rig.until(lambda: len(maps) == 1)
    clock.publish(Clock(clock=Time(sec=1000)))
    rig.until(lambda: rig.node.get_clock().now().nanoseconds)
    for stamp in (Time(sec=999, nanosec=500000000), Time(sec=1700000000)):
        sent = camera_image(2)
        sent.header.stamp = stamp
        count = len(maps)
        images.publish(sent)
        rig.until(lambda count=count: len(maps) == count + 1)
    rig.until(lambda: rig.snapshot().frames_out == 3)
    rig.node.monitor.publish()
    rig.until(lambda: reports and reports[-1].header.stamp.sec == 1000)
    got = values(reports[-1], 2)
    assert (got['age_time_ms'], got['age_time_p99_ms']) == ('500.000', '500.000')
    assert 'have different time bases' in got['age']


def test_a_bag_that_loops_and_a_clock_that_jumps_leave_rates_and_ages_right(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # on a slow machine, the clock may stand for seconds between two frames
    monkeypatch.setattr(forward, 'STANDS', 1e9)
    rig = make_rig(parameter_overrides=[Parameter('use_sim_time', value=True)])
    maps, images = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    reports, clock = rig.hear(DiagnosticArray, '/diagnostics'), rig.speaker(Clock, '/clock')
    rig.node.monitor.publish()
    rig.until(lambda: reports)
    assert '`use_sim_time` is true, and /clock has not started' in reports[-1].status[0].message

    def frame(at: float) -> dict[str, str]:
        """Send a frame that was taken 100 ms before ``at``. Return the camera's diagnostics."""
        now = Time(sec=int(at), nanosec=round(at % 1 * 1e9))
        clock.publish(Clock(clock=now))
        rig.until(lambda: rig.node.get_clock().now().nanoseconds == round(at * 1e9))
        sent, count = camera_image(1), len(maps)
        sent.header.stamp = Time(sec=int(at - 0.1), nanosec=round((at - 0.1) % 1 * 1e9))
        images.publish(sent)
        rig.until(lambda: len(maps) == count + 1)
        rig.until(lambda: rig.snapshot().in_flight == 0)
        reports.clear()
        rig.node.monitor.publish()
        rig.until(lambda: reports and reports[-1].header.stamp == now)
        assert reports[-1].status[0].level == OK, reports[-1].status[0].message
        return values(reports[-1], 2)

    # a bag of 12 s with 2 frames per second plays twice, then the clock jumps by an hour
    for start in (500.0, 500.0, 4100.0):
        for index in range(24):
            got = frame(start + index * 0.5)
            assert (got['age_time_ms'], got['age_time_p99_ms']) == ('100.000', '100.000')
        assert 1.8 <= float(got['fps_in']) <= 2.2 and 1.8 <= float(got['fps_out']) <= 2.2


@pytest.mark.parametrize(('readings', 'expected'), [
    # a bag starts again, and then the clock jumps ahead
    ([(0, 0), (1, 10), (3, 12), (4, 3), (5, 4), (6, 20)], [0, 10, 12, 12, 13, 29]),
    # the node's clock starts late
    ([(0, 0), (1, 0), (7, 0), (8, 50), (9, 51)], [0, 1, 7, 57, 58]),
    # the node's clock stands; after 2 s the steady clock counts, and the forward clock keeps
    # the time that it counted
    ([(0, 10), (1, 10), (2, 10), (3, 10), (9, 10), (9, 11), (10, 10), (11, 12)],
     [10, 10, 10, 11, 17, 18, 18, 20]),
    # the node's clock runs, but nobody reads the forward clock for a minute
    ([(0, 10), (60, 70), (120, 130)], [10, 70, 130]),
])
def test_forward_clock_always_goes_on(monkeypatch: pytest.MonkeyPatch,
                                      readings: list[tuple[int, int]],
                                      expected: list[int]) -> None:
    """Each reading is a pair: seconds of the steady clock, seconds of the node's clock."""
    steady = now = 0
    monkeypatch.setattr(forward.time, 'monotonic', lambda: steady)
    clock = ForwardClock(SimpleNamespace(  # type: ignore[arg-type]
        now=lambda: SimpleNamespace(nanoseconds=now * 10**9)))
    found = []
    for steady, now in readings:  # noqa: B007
        found.append(clock.seconds())
    assert found == expected


def test_a_forward_clock_that_two_threads_read_at_once_does_not_run_ahead(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock must not take a late result of the other thread for a jump back."""
    monkeypatch.setattr(forward.time, 'monotonic', lambda: 0.0)
    lock, times = InterruptingLock(), iter([10, 11, 12])

    def now() -> Any:
        found = SimpleNamespace(nanoseconds=next(times) * 10**9)
        lock.interrupt(clock.seconds)
        return found

    clock = ForwardClock(SimpleNamespace(now=now))  # type: ignore[arg-type]
    clock._lock = lock  # type: ignore[assignment]
    clock.seconds()
    lock.join()
    assert clock.seconds() == 12


def test_a_second_node_of_the_same_name_is_named_once(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig(cli_args=['--ros-args', '-p', 'diagnostics_period:=60.0', '-r',
                             '__node:=twins'])
    log, now = rig.log(), 100.0
    reports: list[DiagnosticArray] = []
    monkeypatch.setattr(rig.node.monitor, '_publisher', SimpleNamespace(publish=reports.append))
    monkeypatch.setattr(monitor, 'time', SimpleNamespace(monotonic=lambda: now))

    def count_nodes() -> int:
        return rig.node.get_node_names_and_namespaces().count(('twins', '/'))

    for seconds in (29.0, 30.0, 30.0):  # the first node ends too early for a warning
        twin = Node('twins', context=rig.node.context, enable_rosout=False)
        rig.until(lambda: count_nodes() == 2)
        for pause in (0.0, seconds, 0.0, 99.0 if seconds == 30.0 else 0.0):
            now += pause
            rig.node.monitor.publish()
        twin.destroy_node()
        rig.until(lambda: count_nodes() == 1)
        rig.node.monitor.publish()
    rig.node.get_logger().info('the end')
    rig.until(lambda: [line for line in log if line.msg == 'the end'])
    found = [line.msg for line in log if 'another node has the name' in line.msg]
    assert len(found) == 2 and 'the name /twins too' in found[0]
    assert [one.status[0].level for one in reports] == [
        *[OK] * 5, *[OK, WARN, WARN, WARN, OK] * 2]
    assert found[0] in reports[6].status[0].message
