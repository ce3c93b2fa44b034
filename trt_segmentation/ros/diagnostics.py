# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the content of /diagnostics: a status for each task.

The tasks are the pipeline, the engine, and each camera.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from ..engines import Identity
from ..serving.drop_reasons import BAD_FRAME, TAKE_ERROR
from ..serving.lateness import LateFrames, NEVER_LATE
from ..stats import Snapshot
from .health import HealthReport
from .missing.loss import NOT_NUMBERED, UNKNOWN
from .transport.choose import Transport

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
Findings = list[tuple[bytes, str]]
"""What a status reports: the level and the text of each finding."""


@dataclass(frozen=True)
class Limits:
    """Limits of the 95th percentiles (p95) of latency and age in ms, named like the parameters."""

    latency_warn_ms: float
    latency_error_ms: float
    age_warn_ms: float
    age_error_ms: float


@dataclass(frozen=True)
class Mishaps:
    """Problems of one kind that did not end the node."""

    count: int = 0
    new: int = 0  # since the last report
    newest: str = ''


@dataclass(frozen=True)
class CameraReport:
    """The state of one camera at one moment. If a problem does not exist, its text is empty.

    A field whose name ends in ``_before`` has the value of the last report.

    :param name: the camera's name. Empty if the camera has no name.
    :param topic: the image topic. Empty if the node is not subscribed.
    :param silence: why no image comes.
    :param frame_error: why the newest bad frame could not be used.
    :param stamps_are_foreign: whether the stamps and the node's clock have different time bases.
    :param loss: warning about images that were lost recently.
    :param images_are_numbered: whether images have numbers, so that missing images can be counted.
    :param bad_infos: number of camera_info messages that could not be read.
    :param lost_infos: number of camera_info messages that the middleware lost.
    :param ground_missing: number of ground grids (maps of the ground) that could not be computed;
        None if the node publishes no ground grid.
    :param ground_error: why the newest missing grid could not be computed.
    :param health: numbers that show whether the newest result can be trusted. None if the
        health was not measured.
    :param unpublished: why too few results are published.
    :param late_frames: if this many consecutive frames are late, the status is ERROR; 0 for never.
    """

    name: str
    topic: str
    publishers: int
    silence: str
    snapshot: Snapshot
    dropped_before: Mapping[str, int] = field(default_factory=dict)
    frame_error: str = ''
    stamps_are_foreign: bool = False
    loss: str = ''
    loss_is_reported: bool = True
    images_are_numbered: bool = True
    bad_infos: int = 0
    bad_infos_before: int = 0
    lost_infos: int = 0
    info_error: str = ''
    ground_missing: int | None = None
    ground_missing_before: int = 0
    ground_error: str = ''
    health: HealthReport | None = None
    late: LateFrames = NEVER_LATE
    late_frames: int = 0
    unpublished: str = ''

    @property
    def is_too_often_late(self) -> bool:
        """Whether too many consecutive frames were late."""
        return 0 < self.late_frames <= self.late.in_row


@dataclass(frozen=True)
class NodeReport:
    """The state of the node at one moment. A text is empty if there is nothing to report.

    :param node: the node's name. The name of every status begins with the node's name.
    :param state: lifecycle state, such as active.
    :param trouble: why the last transition ``configure`` or ``activate`` failed.
    :param snapshot: counts and latencies of all cameras together.
    :param engine_error: what is wrong with the engine.
    :param progress: what the transition ``configure`` does now.
    :param exchange: what an exchange of the model does now, or why the last exchange failed.
    :param clock_stands: True if ``use_sim_time`` is true, and no message of /clock has come yet.
    :param twin: warning about another node of the same name.
    :param transport: how images are received and published. None if the node is unconfigured.
    :param identity: facts about the open engine, such as its GPU. None if no engine is open.
    :param card: path of the model card. Empty if no engine is open, or if the card has no file.
    :param errors: exceptions that were caught in the executor's thread.
    :param bad_clocks: messages of /clock that were ignored.
    """

    node: str
    state: str
    trouble: str
    snapshot: Snapshot
    limits: Limits
    cameras: tuple[CameraReport, ...] = ()
    engine_error: str = ''
    progress: str = ''
    exchange: str = ''
    clock_stands: bool = False
    twin: str = ''
    transport: Transport | None = None
    identity: Identity | None = None
    card: str = ''
    errors: Mishaps = Mishaps()
    bad_clocks: Mishaps = Mishaps()


def tasks(report: NodeReport) -> list[DiagnosticStatus]:
    """Return the status of every task."""
    return [pipeline(report), engine(report),
            *(camera(report, one) for one in report.cameras)]


def pipeline(report: NodeReport) -> DiagnosticStatus:
    """Return the status of all cameras together."""
    values: dict[str, object] = {'state': report.state, 'cameras': len(report.cameras)}
    if report.transport:
        values |= {'transport': report.transport.name,
                   'transport_reason': report.transport.reason}
    values |= _loss_values(report.snapshot, report.cameras)
    values['executor_errors'] = report.errors.count
    if report.errors.count:
        values['executor_error'] = report.errors.newest
    values['clock_messages_ignored'] = report.bad_clocks.count
    return _status(report, 'pipeline', _pipeline_findings(report) + _mishap_findings(report),
                   {**values, **_count_values(report.snapshot)})


def engine(report: NodeReport) -> DiagnosticStatus:
    """Return the status of the engine."""
    findings: Findings = []
    if report.trouble:
        findings.append((ERROR, report.trouble))
    elif report.engine_error:
        findings.append((ERROR, report.engine_error))
    identity = report.identity
    values: dict[str, object] = {} if identity is None else {
        'model': identity.model, 'engine': identity.engine, 'version': identity.version,
        'precision': identity.precision, 'device': identity.device, 'reason': identity.reason,
        'opened_s': round(identity.opened_s, 2), **{key: text for key, text in (
            ('card', report.card), ('cache', identity.cache), ('tuning', identity.tuning),
            ('exchange', report.exchange)) if text}}
    if identity is None and not findings:
        findings.append((OK, report.progress or 'no engine: the node is not configured'))
    return _status(report, 'engine', findings, values)


def camera(report: NodeReport, one: CameraReport) -> DiagnosticStatus:
    """Return the status of one camera."""
    values: dict[str, object] = {
        'image_topic': one.topic, 'image_publishers': one.publishers,
        **_loss_values(one.snapshot, (one,)), **_count_values(one.snapshot),
        'camera_info_bad': one.bad_infos,
        'camera_info_lost': one.lost_infos if one.loss_is_reported else UNKNOWN}
    values |= {  # the nodes of the project Autoware use these keys too
        'is_processing_time_ms_in_expected_range': not one.late.in_row,
        'processing_time_ms': f'{one.late.newest_ms:.3f}',
        'is_consecutive_processing_delay_in_range': not one.is_too_often_late,
        'consecutive_processing_delay_ms': f'{one.late.delay_ms:.3f}',
        'late_frames_in_row': one.late.in_row}
    values |= one.health.values if one.health else {}
    if one.ground_missing is not None:
        values['ground_missing'] = one.ground_missing
    if one.stamps_are_foreign:
        values['age'] = "not measured: the stamps and the node's clock have different time bases"
    return _status(report, f'camera {one.name}'.rstrip(), _camera_findings(report, one), values)


def summary(snapshot: Snapshot) -> str:
    """Return one line about the frames since the start."""
    reasons = ', '.join(f'{count} {reason}' for reason, count in snapshot.dropped.items())
    return (f'{snapshot.frames_in} frames in, {snapshot.frames_out} out, '
            f'{snapshot.frames_dropped} dropped' + (f' ({reasons})' if reasons else '')
            + (f'; {snapshot.lost} more images were lost before they arrived'
               if snapshot.lost else ''))


def _loss_values(snapshot: Snapshot, cameras: Iterable[CameraReport]) -> dict[str, object]:
    reported = all(one.loss_is_reported for one in cameras)
    numbered = all(one.images_are_numbered for one in cameras)
    return {'frames_lost': snapshot.lost if reported else UNKNOWN,
            'frames_skipped': snapshot.skipped if numbered else NOT_NUMBERED}


def _count_values(snapshot: Snapshot) -> dict[str, object]:
    values: dict[str, object] = {
        'frames_in': snapshot.frames_in, 'frames_out': snapshot.frames_out,
        'frames_dropped': snapshot.frames_dropped}
    values |= {f'frames_dropped_{reason.replace(" ", "_")}': count
               for reason, count in sorted(snapshot.dropped.items())}
    values |= {'fps_in': f'{snapshot.fps_in:.2f}', 'fps_out': f'{snapshot.fps_out:.2f}'}
    for stage, found in snapshot.latency_ms.items():
        values[f'{stage}_time_ms'] = f'{found["p50"]:.3f}'
        values |= {f'{stage}_time_{p}_ms': f'{found[p]:.3f}' for p in ('p95', 'p99')}
    return values


def _pipeline_findings(report: NodeReport) -> Findings:
    if report.trouble:
        return [(ERROR, f'{report.state}: {report.trouble}')]
    found: Findings = [(ERROR, report.engine_error)] if report.engine_error else []
    if report.state != 'active':
        return found or [(OK, f'{report.state}; not receiving images')]
    if report.clock_stands:
        found.append((WARN, '`use_sim_time` is true, and /clock has not started'))
    found += [(WARN, f'camera {one.name}: {one.unpublished}'.replace(' :', ':'))
              for one in report.cameras if one.unpublished]
    return found + _latency_findings(report.snapshot, report.limits)


def _mishap_findings(report: NodeReport) -> Findings:
    found: Findings = [(WARN, report.twin)] if report.twin else []
    for mishaps, what in ((report.errors, 'errors caught'),
                          (report.bad_clocks, 'messages of /clock ignored')):
        if mishaps.new:
            found.append((WARN, f'{mishaps.new} {what} since the last report, the newest: '
                                f'{mishaps.newest}'))
    return found


def _camera_findings(report: NodeReport, one: CameraReport) -> Findings:
    if report.state != 'active':
        return [(OK, f'{report.state}; not receiving images')]
    texts = one.silence, one.loss, one.unpublished, one.health.warning if one.health else ''
    found: Findings = [(WARN, text) for text in texts if text]
    if one.publishers > 1:
        found.append((WARN, f'{one.publishers} publishers send images on {one.topic}, so the '
                            'images of several cameras get mixed up; end all but one, or give '
                            'each camera a topic of its own'))
    if one.is_too_often_late:
        found.append((ERROR, f'the last {one.late.in_row} frames were late, over a period of '
                             f'{one.late.delay_ms:.0f} ms; `late_frames` allows fewer than '
                             f'{one.late_frames} late frames'))
    if new := one.bad_infos - one.bad_infos_before:
        found.append((WARN, f'{new} bad camera_info since the last report, the newest: '
                            f'{one.info_error}'))
    if new := (one.ground_missing or 0) - one.ground_missing_before:
        found.append((WARN, f'{new} ground grids missing since the last report. Reason of '
                            f'the newest: {one.ground_error}'))
    for reason, what in ((BAD_FRAME, 'bad frames'), (TAKE_ERROR, 'frames not received')):
        new = one.snapshot.dropped.get(reason, 0) - one.dropped_before.get(reason, 0)
        if new:
            found.append((WARN, f'{new} {what} since the last report, the newest: '
                                f'{one.frame_error}'))
    return found + _latency_findings(one.snapshot, report.limits)


def _latency_findings(snapshot: Snapshot, limits: Limits) -> Findings:
    found: Findings = []
    for stage, text, warn, error in (
            ('total', 'latency', limits.latency_warn_ms, limits.latency_error_ms),
            ('age', 'age at publish', limits.age_warn_ms, limits.age_error_ms)):
        p95 = snapshot.latency_ms.get(stage, {}).get('p95', 0.0)
        if p95 > min(warn, error):
            limit = error if p95 > error else warn
            found.append((ERROR if p95 > error else WARN,
                          f'p95 {text} is {p95:.0f} ms, above {limit:g} ms'))
    return found


def _status(report: NodeReport, task: str, findings: Findings,
            values: Mapping[str, object]) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=max((level for level, _ in findings), default=OK),
        name=f'{report.node}: {task}',
        message='; '.join(text for _, text in findings) or 'running',
        hardware_id=report.identity.device if report.identity else 'none',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
