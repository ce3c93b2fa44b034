# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read the bag and the logs of a demo, score the label maps and report the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import sys
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ...accuracy.metrics import confusion, Scores
from ...bags.reader import BagReader
from ...errors import DemoError
from ...host.decode_raw import decode
from ...model.card import ModelCard
from ...stats import percentiles
from ...street import CLASSES, Drive
from ...view.montage import MontageRow
from ...view.progress import ProgressBars

NODE = '/trt_segmentation'
TOPICS = {'/image': 'image', f'{NODE}/label_map': 'labels',
          f'{NODE}/overlay/compressed': 'overlay'}
"""Topics that the recorder writes and the report reads, with the content of each topic."""
FPS = 10.0
SEED = 7


@dataclass(frozen=True)
class LiveRun:
    """The data that the recorder has after a drive.

    :param diagnostics: last diagnostics of the node: for each status, the values by key.
    :param arrived: arrival time of each label map, by the stamp of the label map. Both times are
        in nanoseconds.
    """

    diagnostics: Mapping[str, Mapping[str, str]]
    arrived: Mapping[int, int]


@dataclass(frozen=True)
class SentFrame:
    """A frame that the camera published.

    :param frame: number of the frame in the drive.
    :param condition: day, night, rain or snow.
    :param stamp_ns: stamp of the image in nanoseconds.
    """

    frame: int
    condition: str
    stamp_ns: int


def make_report(out: Path, card: ModelCard, live: LiveRun, bars: ProgressBars
                ) -> tuple[dict[str, Any], list[MontageRow], dict[str, list[float]]]:
    """Read the bag and the logs of a drive.

    :returns: the report, the rows of the montage, and the milliseconds of each frame by stage.

    :raises DemoError: if no frame was recorded with its label map and overlay.
    """
    sent = {frame.stamp_ns: frame for frame in (
        SentFrame(entry['frame'], entry['condition'], entry['stamp_ns'])
        for entry in _read_log(out / 'camera.jsonl'))}
    segmented = [entry for entry in _read_log(out / 'node.jsonl') if 'timings' in entry]
    latencies: dict[str, list[float]] = {'end_to_end': [
        (when - stamp) / 1e6 for stamp, when in live.arrived.items()]}
    for entry in segmented:
        for stage, ms in entry['timings'].items():
            latencies.setdefault(stage, []).append(ms)
    is_street = card.classes == CLASSES
    rows = _montage_rows(out / 'bag', sent, is_street)
    scores = _score(out / 'bag', sent, bars, len(live.arrived)) if is_street else None
    pipeline, engine = live.diagnostics['pipeline'], live.diagnostics['engine']
    done = [entry['done_ns'] for entry in segmented]
    report: dict[str, Any] = {
        'frames_published': len(sent), 'frames_in': int(pipeline['frames_in']),
        'frames_out': int(pipeline['frames_out']),
        'frames_dropped': int(pipeline['frames_dropped']),
        'dropped': {key.removeprefix('frames_dropped_'): int(value)
                    for key, value in pipeline.items() if key.startswith('frames_dropped_')},
        'frames_recorded': len(live.arrived),
        'fps': (len(done) - 1) / (max(done) - min(done)) * 1e9 if len(done) > 1 else 0.0,
        'latency_ms': {stage: percentiles(values) for stage, values in latencies.items()},
        **_accuracy_tree(scores), 'engine': engine.get('engine', ''), 'identity': engine}
    return report, rows, latencies


def _read_log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def _score(bag: Path, sent: Mapping[int, SentFrame], bars: ProgressBars, count: int) -> Scores:
    """Compare every recorded label map with the true classes of its scene."""
    matrix = np.zeros((len(CLASSES), len(CLASSES) + 1), np.int64)
    drive, images = Drive(SEED, fps=FPS), 0
    with BagReader(bag) as reader:
        label_maps = reader.messages([f'{NODE}/label_map'])
        for message in bars.track('scoring', label_maps, count):
            truth = drive.frame(sent[message.stamp_ns or 0].frame).truth
            matrix += confusion(truth, message.labels(), len(CLASSES))
            images += 1
    return Scores(CLASSES, matrix, images)


def _montage_rows(bag: Path, sent: Mapping[int, SentFrame], has_truth: bool
                  ) -> list[MontageRow]:
    """Return one montage row for each condition. The frame has a label map and an overlay."""
    shown = _choose_stamps(bag, sent)
    pictures: dict[int, dict[str, Any]] = {stamp: {} for stamp in shown}
    with BagReader(bag) as reader:
        for message in reader.messages(TOPICS):
            stamp, what = message.stamp_ns or 0, TOPICS[message.topic]
            if stamp in pictures:
                pictures[stamp][what] = (message.labels() if what == 'labels' else
                                         decode(message.frame()).bgr())
    drive = Drive(SEED, fps=FPS)
    return [MontageRow(found['image'],
                       drive.frame(sent[stamp].frame).truth if has_truth else None,
                       found['labels'], found['overlay'], sent[stamp].condition)
            for stamp, found in pictures.items()]


def _choose_stamps(bag: Path, sent: Mapping[int, SentFrame]) -> list[int]:
    """Return the stamp of a frame from the middle of each condition."""
    stamps: dict[str, set[int]] = {what: set() for what in TOPICS.values()}
    with BagReader(bag) as reader:
        for message in reader.messages(TOPICS):
            stamps[TOPICS[message.topic]].add(message.stamp_ns or 0)
    by_condition: dict[str, list[int]] = {}
    for stamp in sorted(set.intersection(*stamps.values())):
        by_condition.setdefault(sent[stamp].condition, []).append(stamp)
    if not by_condition:
        counts = ', '.join(f'{len(found)} of {what}' for what, found in stamps.items())
        raise DemoError('no frame was recorded with its label map and overlay; recorded were '
                        f'only {counts}; see the logs beside {bag}')
    return [found[len(found) // 2] for found in by_condition.values()]


def _accuracy_tree(scores: Scores | None) -> dict[str, Any]:
    if scores is None:
        return {'miou': None, 'iou': None,
                'miou_note': 'the classes of the model are not those of the street scenes'}
    tree = scores.tree()
    return {'miou': tree['mean_iou'], 'iou': tree['iou'],
            'pixel_accuracy': tree['pixel_accuracy']}


def print_report(report: dict[str, Any], out: Path) -> None:
    """Print the report as tables."""
    console = Console(width=None if sys.stdout.isatty() else 100)
    counts = Table(show_header=False)
    reasons = ', '.join(f'{n} {reason}' for reason, n in report['dropped'].items())
    dropped = f'{report["frames_dropped"]}' + (f' ({reasons})' if reasons else '')
    for name, value in (
            ('engine', f'{report["engine"]} ({report["identity"].get("device")})'),
            ('frames published', report['frames_published']),
            ('frames in', report['frames_in']), ('frames out', report['frames_out']),
            ('frames dropped', dropped),
            ('frames a second', f'{report["fps"]:.1f}'),
            ('mean IoU', '-' if report['miou'] is None else f'{report["miou"]:.3f}')):
        counts.add_row(name, str(value))
    console.print(counts)
    latency = Table(title='latency, ms')
    for column in ('stage', 'p50', 'p95', 'p99'):
        latency.add_column(column, justify='left' if column == 'stage' else 'right')
    for stage, found in report['latency_ms'].items():
        latency.add_row(stage, *(f'{ms:.1f}' for ms in found.values()))
    console.print(latency)
    console.print(f'report.json, montage.png, latency.png and bag/ are in {out}')
