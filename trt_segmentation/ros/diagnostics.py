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

"""What /diagnostics says: a task is a function of what was measured to one DiagnosticStatus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from ..engines import Identity
from ..stats import Snapshot
from .worker import Health

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Limits:
    """Thresholds of p95 latency and age in milliseconds and of silence in seconds."""

    latency_warn_ms: float
    latency_error_ms: float
    age_warn_ms: float
    age_error_ms: float
    stale_after: float


@dataclass(frozen=True)
class Report:
    """Everything the tasks judge, at one moment.

    :param node: the node's name, first part of every task's name.
    :param state: lifecycle state, such as active.
    :param trouble: why the node could not configure or activate; '' where it could.
    :param topic: the image topic; '' where not subscribed.
    :param publishers: publishers of that topic.
    :param silence: seconds since the last image, or since subscribing where none came.
    :param snapshot: counts and latencies.
    :param dropped_before: drops by reason at the last report.
    """

    node: str
    state: str
    trouble: str
    topic: str
    publishers: int
    silence: float
    snapshot: Snapshot
    health: Health
    limits: Limits
    identity: Identity | None = None
    dropped_before: Mapping[str, int] = field(default_factory=dict)


def tasks(report: Report) -> list[DiagnosticStatus]:
    """Every task's status, in the order they are published."""
    return [pipeline(report), engine(report)]


def pipeline(report: Report) -> DiagnosticStatus:
    """Frames, rates, drops, latency and age of the whole node."""
    snapshot = report.snapshot
    values: dict[str, object] = {
        'state': report.state, 'image_topic': report.topic,
        'image_publishers': report.publishers,
        'frames_in': snapshot.frames_in, 'frames_out': snapshot.frames_out,
        'frames_dropped': snapshot.frames_dropped}
    values |= {f'frames_dropped_{reason.replace(" ", "_")}': count
               for reason, count in sorted(snapshot.dropped.items())}
    values |= {'fps_in': f'{snapshot.fps_in:.2f}', 'fps_out': f'{snapshot.fps_out:.2f}'}
    for stage, found in snapshot.latency_ms.items():
        values[f'{stage}_time_ms'] = f'{found["p50"]:.3f}'
        values |= {f'{stage}_time_{p}_ms': f'{found[p]:.3f}' for p in ('p95', 'p99')}
    if report.health.foreign_stamps:
        values['age'] = "not measured: image stamps and the node's clock share no time base"
    return _status(report, 'pipeline', _pipeline_findings(report), values)


def engine(report: Report) -> DiagnosticStatus:
    """What answers, and whether it does."""
    findings = []
    if report.trouble:
        findings.append((ERROR, report.trouble))
    elif report.health.engine_error:
        findings.append((ERROR, report.health.engine_error))
    identity = report.identity
    values: dict[str, object] = {} if identity is None else {
        'model': identity.model, 'engine': identity.engine, 'version': identity.version,
        'precision': identity.precision, 'device': identity.device, 'reason': identity.reason}
    if identity is None and not findings:
        findings.append((OK, 'no engine: the node is not configured'))
    return _status(report, 'engine', findings, values)


def _pipeline_findings(report: Report) -> list[tuple[bytes, str]]:
    """What is wrong, with how bad it is."""
    if report.trouble:
        return [(ERROR, f'{report.state}: {report.trouble}')]
    if report.state != 'active':
        return [(OK, f'{report.state}; not taking images')]
    found = []
    publishers = f'{report.publishers} publisher{"" if report.publishers == 1 else "s"}'
    if report.silence > report.limits.stale_after:
        what = (f'for {report.silence:.1f} s' if report.snapshot.frames_in else 'yet')
        found.append((WARN, f'no image {what} on {report.topic} ({publishers})'))
    if new := _new_drops(report, 'bad frame'):
        found.append((WARN, f'{new} bad frames since the last report, the newest: '
                            f'{report.health.frame_error}'))
    if report.health.engine_error:
        found.append((ERROR, report.health.engine_error))
    return found + _slow(report)


def _slow(report: Report) -> list[tuple[bytes, str]]:
    limits, found = report.limits, []
    for stage, text, warn, error in (
            ('total', 'latency', limits.latency_warn_ms, limits.latency_error_ms),
            ('age', 'age at publish', limits.age_warn_ms, limits.age_error_ms)):
        p95 = report.snapshot.latency_ms.get(stage, {}).get('p95', 0.0)
        if p95 > min(warn, error):
            limit = error if p95 > error else warn
            found.append((ERROR if p95 > error else WARN,
                          f'p95 {text} is {p95:.0f} ms, above {limit:g} ms'))
    return found


def _new_drops(report: Report, reason: str) -> int:
    return report.snapshot.dropped.get(reason, 0) - report.dropped_before.get(reason, 0)


def _status(report: Report, task: str, findings: list[tuple[bytes, str]],
            values: Mapping[str, object]) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=max((level for level, _ in findings), default=OK),
        name=f'{report.node}: {task}',
        message='; '.join(text for _, text in findings) or 'running',
        hardware_id=report.identity.device if report.identity else 'none',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
