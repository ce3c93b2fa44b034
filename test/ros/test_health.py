# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""~/health, the drift in the diagnostics, late frames, and answers that are too old."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from node_rig import camera_image, NODE
from rclpy.parameter import Parameter
from rclpy.qos import LivelinessPolicy, QoSProfile
from sensor_msgs.msg import Image

from trt_segmentation.errors import TrustError
from trt_segmentation.frame import Wanted
from trt_segmentation.ros import health
from trt_segmentation.tracing.stages import set_tracing
from trt_segmentation.trust.reference import Reference

OK, WARN, ERROR = b'\0', b'\1', b'\2'
CLASSES = 3


def set_tally(rig: Any, counts: list[int], entropy: float) -> None:
    tally = rig.pipeline.tally
    tally[:] = 0
    tally[:CLASSES] = counts
    tally[CLASSES + 1] = round(entropy * 65535 * sum(counts))
    tally[CLASSES + 2 + 128] = sum(counts)


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the reference beside the card: 60 % of class 0, and an entropy of 0.1."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([60, 30, 10], 100)
    frames = np.concatenate([shares, rng.normal([0.1, 0.5], 0.01, (100, 2))], axis=1)
    monkeypatch.setattr(health, 'reference_path', lambda card: Path(__file__))
    monkeypatch.setattr(health, 'load_reference', lambda path, card: Reference(
        card.name, '', 1.0, card.classes, frames))


def options(*words: str) -> dict[str, Any]:
    return {'classes': CLASSES, 'cli_args': [
        '--ros-args', '-p', 'diagnostics_period:=60.0',
        *(part for word in words for part in ('-p', word))]}


def send(rig: Any, camera: Any, frames: int) -> None:
    """Publish images one by one, so that none of them is replaced."""
    for _ in range(frames):
        done = rig.snapshot().frames_out + 1
        camera.publish(camera_image())
        rig.until(lambda done=done: rig.snapshot().frames_out == done)


def camera_status(rig: Any, reports: list[Any]) -> tuple[DiagnosticStatus, dict[str, str]]:
    count = len(reports)
    rig.node.monitor.publish()
    rig.until(lambda: len(reports) > count)
    status = reports[-1].status[2]
    return status, {pair.key: pair.value for pair in status.values}


def test_every_frame_has_its_health(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(**options('health:=true'))
    heard = rig.hear(DiagnosticStatus, f'{NODE}/health')
    camera = rig.speaker(Image)
    set_tally(rig, [60, 30, 10], 0.1)
    send(rig, camera, 2)
    rig.until(lambda: len(heard) == 2)
    assert [(one.level, one.name, one.message) for one in heard] == [
        (OK, 'trt_segmentation: health', 'measured')] * 2
    assert {pair.key: pair.value for pair in heard[0].values} == {
        'stamp': '1.999999999', 'frame_id': 'camera 1', 'entropy': '0.1000',
        'margin_p5': '0.5002', 'unlabelled': '0.0000', 'share class 0': '0.6000',
        'share class 1': '0.3000', 'share class 2': '0.1000'}


def test_without_health_nothing_is_measured_and_it_can_be_switched_live(
        make_rig: Callable[..., Any]) -> None:
    rig = make_rig(**options())
    heard = rig.hear(DiagnosticStatus, f'{NODE}/health')
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    camera = rig.speaker(Image)
    set_tally(rig, [60, 30, 10], 0.1)
    for on in (False, True, False):
        (result,) = rig.node.set_parameters([Parameter('health', value=on)])
        assert result.successful
        send(rig, camera, 1)
        assert rig.pipeline.wanted[-1] == Wanted(tally=on)
        assert ('entropy' in camera_status(rig, reports)[1]) == on
    assert len(heard) == 1


def test_without_a_reference_the_log_and_the_diagnostics_say_how_to_write_one(
        make_rig: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health, 'reference_path', lambda card: tmp_path / 'a.reference.json')
    rig = make_rig(**options('health:=true'))
    log, reports = rig.log(), rig.hear(DiagnosticArray, '/diagnostics')
    heard = rig.hear(DiagnosticStatus, f'{NODE}/health')
    set_tally(rig, [60, 30, 10], 0.1)
    send(rig, rig.speaker(Image), 1)
    text = ('no reference was found beside street, so the drift is not measured. To write one: '
            'trt_seg eval --model street --save-reference, with the options --images and '
            '--labels for your own images')
    assert camera_status(rig, reports)[1]['drift'] == text
    assert [line.level for line in rig.until(
        lambda: [line for line in log if line.msg == text])] == [20]
    rig.until(lambda: heard)
    assert 'drift' not in {pair.key for pair in heard[0].values}  # a number, or nothing


@pytest.mark.parametrize('word, beside', [('health:=false', '/none.json'),
                                          ('health:=true', __file__)])
def test_with_a_reference_or_without_health_the_log_does_not_advise(
        make_rig: Callable[..., Any], reference: None, monkeypatch: pytest.MonkeyPatch,
        word: str, beside: str) -> None:
    monkeypatch.setattr(health, 'reference_path', lambda card: Path(beside))
    rig = make_rig(**options(word, 'drift_frames:=5'))
    log = rig.log()
    rig.until(lambda: [line for line in log if line.msg.startswith('active: ')])
    assert not [line for line in log if 'no reference was found' in line.msg]


def test_drift_warns_on_both_topics_and_ends(make_rig: Callable[..., Any], reference: None
                                             ) -> None:
    rig = make_rig(**options('health:=true', 'drift_frames:=5'))
    heard = rig.hear(DiagnosticStatus, f'{NODE}/health')
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    camera = rig.speaker(Image)
    for counts, entropy, level in (([60, 30, 10], 0.1, OK), ([20, 30, 50], 0.5, WARN),
                                   ([60, 30, 10], 0.1, OK)):
        set_tally(rig, counts, entropy)
        send(rig, camera, 5)
        rig.until(lambda: rig.snapshot().frames_out == len(heard))
        status, values = camera_status(rig, reports)
        assert (heard[-1].level, status.level) == (level, level)
        assert (float(values['drift']) > 1.2) == (level == WARN)
        assert ('the last 5 frames are unlike the reference' in status.message) == (level == WARN)
        assert ('expected at most 1.2' in heard[-1].message) == (level == WARN)
    assert [one.level for one in heard[:5]] == [OK] * 5
    # the window is not full before the fifth frame
    assert ['drift' in {pair.key for pair in one.values} for one in heard[:6]] == [
        False, False, False, False, True, True]
    rig.node.set_parameters([Parameter('drift_warn', value=0.1)])
    set_tally(rig, [50, 40, 10], 0.11)
    send(rig, camera, 5)
    rig.until(lambda: len(heard) == 20)
    assert heard[-1].level == WARN


def test_the_diagnostics_say_how_full_the_window_is(
        make_rig: Callable[..., Any], reference: None) -> None:
    rig = make_rig(**options('health:=true', 'drift_frames:=3'))
    reports, camera = rig.hear(DiagnosticArray, '/diagnostics'), rig.speaker(Image)
    set_tally(rig, [60, 30, 10], 0.1)
    found = []
    for on in (True, True, True, False, True):
        rig.node.set_parameters([Parameter('health', value=on)])
        send(rig, camera, 1)
        status, values = camera_status(rig, reports)
        assert (status.level, status.message) == (OK, 'running')
        found.append(values.get('drift'))
    assert float(found.pop(2)) < 1.2
    assert found == ['1 of 3 frames', '2 of 3 frames', None, '1 of 3 frames']


def test_health_starts_anew_when_it_is_switched_on(make_rig: Callable[..., Any], reference: None
                                                   ) -> None:
    rig = make_rig(**options('health:=true', 'drift_frames:=2'))
    heard = rig.hear(DiagnosticStatus, f'{NODE}/health')
    camera = rig.speaker(Image)
    for on in (True, False, True):
        rig.node.set_parameters([Parameter('health', value=on)])
        set_tally(rig, [60, 30, 10], 0.1)
        send(rig, camera, 2)
    rig.until(lambda: len(heard) == 4)
    assert ['drift' in {pair.key for pair in one.values} for one in heard] == [
        False, True, False, True]


def test_a_reference_that_cannot_be_used_is_named(make_rig: Callable[..., Any], reference: None,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig(start=False, **options('health:=true', 'drift_frames:=50'))
    assert not rig.node.start()
    assert rig.node.trouble.startswith('cannot configure: health: the reference of ')
    assert '`drift_frames` to 33 or less' in rig.node.trouble
    assert rig.node.set_parameters([Parameter('drift_frames', value=5)])[0].successful
    assert rig.node.start()
    rig.close()

    def refuse(path: Any, card: Any) -> Any:
        raise TrustError('the reference is damaged')
    monkeypatch.setattr(health, 'load_reference', refuse)
    rig = make_rig(**options())      # without `health`, nobody reads the reference
    (result,) = rig.node.set_parameters([Parameter('health', value=True)])
    assert (result.successful, result.reason) == (False, 'health: the reference is damaged')
    assert rig.node.value('health') is False


def test_a_named_reference_that_is_missing_is_an_error(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(start=False, **options('health:=true', 'health_reference:=/none.json'))
    assert not rig.node.start()
    assert 'the reference /none.json does not exist' in rig.node.trouble


def test_old_answers_are_dropped_and_late_frames_become_an_error(
        make_rig: Callable[..., Any]) -> None:
    """The stamps of the images are from another clock, so the time since arrival counts."""
    rig = make_rig(**options('max_age:=3600.0', 'late_frames:=3'))
    labels = rig.hear(Image, f'{NODE}/label_map')
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    camera = rig.speaker(Image)
    send(rig, camera, 1)
    rig.node.set_parameters([Parameter('max_age', value=1e-9)])
    for count in range(1, 4):
        status, values = camera_status(rig, reports)
        assert values['late_frames_in_row'] == str(count - 1)
        assert (status.level, status.message) == ((OK, 'running') if count == 1 else (WARN, (
            '1 of 1 results since the last report were older than `max_age` allows, so the node '
            'did not publish them')))
        camera.publish(camera_image())
        rig.until(lambda count=count: rig.snapshot().dropped == {'too old': count})
    status, values = camera_status(rig, reports)
    assert status.level == ERROR
    assert 'the last 3 frames were late' in status.message
    assert values['frames_dropped_too_old'] == '3'
    assert values['is_consecutive_processing_delay_in_range'] == 'False'
    assert values['is_processing_time_ms_in_expected_range'] == 'False'
    rig.node.set_parameters([Parameter('max_age', value=0.0)])
    send(rig, camera, 1)
    status, values = camera_status(rig, reports)
    assert (status.level, values['late_frames_in_row']) == (OK, '0')
    rig.until(lambda: len(labels) == 2)


def test_slow_frames_are_late(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(**options('latency_warn_ms:=0.0', 'latency_error_ms:=0.0', 'late_frames:=2'))
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    send(rig, rig.speaker(Image), 2)
    status, values = camera_status(rig, reports)
    assert status.level == ERROR and 'the last 2 frames were late' in status.message
    assert float(values['processing_time_ms']) > 0
    assert float(values['consecutive_processing_delay_ms']) > 0


def test_the_label_map_offers_deadline_and_liveliness(make_rig: Callable[..., Any]) -> None:
    name = f'qos_overrides.{NODE}/label_map.publisher'
    rig = make_rig(**options(f'{name}.deadline:=200000000', f'{name}.liveliness:=manual_by_topic',
                             f'{name}.liveliness_lease_duration:=500000000'))
    (info,) = rig.peer.get_publishers_info_by_topic(f'{NODE}/label_map')
    assert info.qos_profile.deadline.nanoseconds == 200_000_000
    assert info.qos_profile.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC
    assert info.qos_profile.liveliness_lease_duration.nanoseconds == 500_000_000
    # a subscriber that asks for more than the node offers would get no label map
    labels = rig.hear(Image, f'{NODE}/label_map', QoSProfile(
        depth=5, deadline=info.qos_profile.deadline,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=info.qos_profile.liveliness_lease_duration))
    send(rig, rig.speaker(Image), 1)
    rig.until(lambda: len(labels) == 1)


@pytest.mark.parametrize('policy, value, reason', [
    ('liveliness', 'sometimes', 'liveliness may be automatic or manual_by_topic'),
    ('deadline', '0.5', 'deadline')])
def test_a_wrong_promise_is_refused(make_rig: Callable[..., Any], policy: str, value: str,
                                    reason: str) -> None:
    rig = make_rig(start=False, **options(
        f'qos_overrides.{NODE}/label_map.publisher.{policy}:={value}'))
    assert not rig.node.start()
    assert reason in rig.node.trouble and 'label_map' in rig.node.trouble
    assert not [p for p in rig.node.publishers if p.topic_name.startswith(f'{NODE}/')
                and 'transition' not in p.topic_name]


def test_trace_needs_nvtx(make_rig: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'nvtx', None)
    rig = make_rig(start=False, **options('trace:=true'))
    assert not rig.node.start()
    assert 'pip install nvtx' in rig.node.trouble
    assert rig.node.set_parameters([Parameter('trace', value=False)])[0].successful
    assert rig.node.start()
    set_tracing(False)
