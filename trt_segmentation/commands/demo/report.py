# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read the bag and the logs of a demo, score the label maps and report the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
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
from ...stats import percentiles, stage_percentiles
from ...street import CLASSES, Drive
from ...view.ground_picture import draw_ground, ground_colors
from ...view.montage import GroundLegend, MontageRow
from ...view.progress import ProgressBars
from ...view.waterfall import format_ms, FrameTime, STAGES

NODE = '/trt_segmentation'
TOPICS = {'/image': 'image', f'{NODE}/label_map': 'labels',
          f'{NODE}/overlay/compressed': 'overlay'}
"""Topics that the report reads, with the content of each topic."""
SEED = 7
WALKABLE_COST = 50
ROWS = (*STAGES, 'overlay', 'publish', 'total', 'age', 'end_to_end')
"""Rows of the table of latencies. The stages are in the order of latency.png."""
MOST_SCORED = 100
"""Largest number of label maps that are compared with the truth. Drawing the truth is slow."""


@dataclass(frozen=True)
class LiveRun:
    """The data that the recorder has at the end of a demo.

    :param diagnostics: maps the name of each status in the node's last diagnostics to its values.
    :param arrived: maps the stamp of each label map to its arrival time, both in nanoseconds.
    :param fps: images per second that the camera sent.
    """

    diagnostics: Mapping[str, Mapping[str, str]]
    arrived: Mapping[int, int]
    fps: float
    has_ground: bool = False

    @property
    def topics(self) -> dict[str, str]:
        """The topics that montage.png shows, with the content of each topic."""
        return {**TOPICS, **({f'{NODE}/ground': 'ground'} if self.has_ground else {})}

    @property
    def engine(self) -> str:
        """The engine, its version and precision, and the device, in one line."""
        found = self.diagnostics['engine']
        return (f'{found["engine"]} {found["version"]}, {found["precision"]}, '
                f'{found["device"]}')


@dataclass(frozen=True)
class SentFrame:
    """A frame that the camera published: the number from 0, the condition and the stamp."""

    frame: int
    condition: str
    stamp_ns: int


@dataclass(frozen=True)
class DemoReport:
    """The results that a demo writes and prints.

    :param tree: content of report.json.
    :param drops: stamps of the dropped frames in nanoseconds.
    :param rows: the frames of montage.png.
    :param times: the times of each segmented frame, for latency.png.
    :param caption: one line about the run, at the bottom of montage.png and latency.png.
    """

    tree: dict[str, Any]
    rows: list[MontageRow]
    times: list[FrameTime]
    drops: list[int]
    caption: str


def make_report(out: Path, card: ModelCard, live: LiveRun, bars: ProgressBars) -> DemoReport:
    """Make the report from the bag and the logs of a demo.

    :raises DemoError: if no frame was recorded with its label map and overlay.
    """
    sent = {frame.stamp_ns: frame for frame in read_sent_frames(out)}
    log = _read_log(out / 'node.jsonl')
    times = [_frame_time(entry, live.arrived) for entry in log if 'timings' in entry]
    is_street = card.classes == CLASSES
    rows = _montage_rows(out / 'bag', sent, is_street, live)
    scores = _score(out / 'bag', sent, bars, live) if is_street else None
    pipeline = live.diagnostics['pipeline']
    done = [entry['done_ns'] for entry in log if 'timings' in entry]
    tree: dict[str, Any] = {
        'camera_fps': live.fps,
        'frames_published': len(sent), 'frames_in': int(pipeline['frames_in']),
        'frames_out': int(pipeline['frames_out']),
        'frames_dropped': int(pipeline['frames_dropped']),
        'dropped': {key.removeprefix('frames_dropped_'): int(value)
                    for key, value in pipeline.items() if key.startswith('frames_dropped_')},
        'frames_recorded': len(live.arrived),
        'fps': (len(done) - 1) / (max(done) - min(done)) * 1e9 if len(done) > 1 else 0.0,
        'latency_ms': {
            'end_to_end': percentiles([t.received_ms for t in times if t.received_ms is not None]),
            **stage_percentiles(time.timings for time in times)},
        **_accuracy_tree(scores),
        'engine': live.diagnostics['engine']['engine'],
        'identity': live.diagnostics['engine']}
    caption = (f'{live.engine} · camera at {live.fps:g} Hz · {tree["frames_out"]} of '
               f'{tree["frames_published"]} frames segmented'
               + (f' · mean IoU {scores.mean_iou:.3f}' if scores else ''))
    drops = [entry['stamp_ns'] for entry in log if entry.get('dropped') and entry['stamp_ns']]
    return DemoReport(tree, rows, times, drops, caption)


def ground_parameters() -> dict[str, float]:
    """Return the node's parameters for ground grids, which are maps of the ground in metres."""
    height, pitch = Drive(SEED).mount
    return {'ground_range': 20.0, 'ground_resolution': 0.2, 'walkable_cost': WALKABLE_COST,
            'camera_height': height, 'camera_pitch': pitch}


def ground_legend() -> GroundLegend:
    """Return the legend for the ground grids of the street camera."""
    given = ground_parameters()
    reach, height = given['ground_range'], given['camera_height']
    return GroundLegend(
        ground_colors(WALKABLE_COST),
        f'{reach:g} m ahead, {reach / 2:g} m to each side; camera height {height:.2f} m')


def read_sent_frames(out: Path) -> list[SentFrame]:
    """Read the log of the camera."""
    return [SentFrame(entry['frame'], entry['condition'], entry['stamp_ns'])
            for entry in _read_log(out / 'camera.jsonl')]


def _frame_time(entry: Mapping[str, Any], arrived: Mapping[int, int]) -> FrameTime:
    stamp = entry['stamp_ns']
    received = (arrived[stamp] - stamp) / 1e6 if stamp in arrived else None
    return FrameTime(stamp, entry['timings'], received)


def _read_log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def _score(bag: Path, sent: Mapping[int, SentFrame], bars: ProgressBars, live: LiveRun) -> Scores:
    matrix = np.zeros((len(CLASSES), len(CLASSES) + 1), np.int64)
    drive, step = Drive(SEED, fps=live.fps), -(-len(live.arrived) // MOST_SCORED)
    with BagReader(bag) as reader:
        label_maps = islice(reader.messages([f'{NODE}/label_map']), None, None, step)
        images = 0
        for message in bars.track('scoring', label_maps, -(-len(live.arrived) // step)):
            truth = drive.frame(sent[message.stamp_ns or 0].frame).truth
            matrix += confusion(truth, message.labels(), len(CLASSES))
            images += 1
    return Scores(CLASSES, matrix, images)


def _montage_rows(bag: Path, sent: Mapping[int, SentFrame], has_truth: bool, live: LiveRun
                  ) -> list[MontageRow]:
    shown = _choose_stamps(bag, sent, live.topics)
    pictures: dict[int, dict[str, Any]] = {stamp: {} for stamp in shown}
    with BagReader(bag) as reader:
        for message in reader.messages(live.topics):
            stamp, what = message.stamp_ns or 0, live.topics[message.topic]
            if stamp in pictures:
                pictures[stamp][what] = (
                    message.labels() if what == 'labels' else
                    draw_ground(*message.grid()) if what == 'ground' else
                    decode(message.frame()).bgr())
    drive = Drive(SEED, fps=live.fps)
    return [MontageRow(found['image'],
                       drive.frame(sent[stamp].frame).truth if has_truth else None,
                       found['labels'], found['overlay'], sent[stamp].condition,
                       found.get('ground'))
            for stamp, found in pictures.items()]


def _choose_stamps(bag: Path, sent: Mapping[int, SentFrame], topics: Mapping[str, str]
                   ) -> list[int]:
    """Return the stamp of the middle frame of each condition."""
    stamps: dict[str, set[int]] = {what: set() for what in topics.values()}
    with BagReader(bag) as reader:
        for message in reader.messages(topics):
            stamps[topics[message.topic]].add(message.stamp_ns or 0)
    by_condition: dict[str, list[int]] = {}
    for stamp in sorted(set.intersection(*stamps.values())):
        by_condition.setdefault(sent[stamp].condition, []).append(stamp)
    if not by_condition:
        counts = ', '.join(f'{what} {len(found)}' for what, found in stamps.items())
        raise DemoError('no frame was recorded with its label map and overlay. Numbers of '
                        f'recorded messages: {counts}. See the logs beside {bag}')
    return [found[len(found) // 2] for found in by_condition.values()]


def _accuracy_tree(scores: Scores | None) -> dict[str, Any]:
    if scores is None:
        return {'miou': None, 'iou': None,
                'miou_note': 'the model and the street scenes have different classes'}
    tree = scores.tree()
    return {'miou': tree['mean_iou'], 'iou': tree['iou'], 'frames_scored': scores.images,
            'pixel_accuracy': tree['pixel_accuracy']}


def print_report(report: dict[str, Any], out: Path) -> None:
    """Print the report as tables."""
    console = Console(width=None if sys.stdout.isatty() else 100)
    counts = Table(show_header=False)
    reasons = ', '.join(f'{n} {reason}' for reason, n in report['dropped'].items())
    dropped = f'{report["frames_dropped"]}' + (f' ({reasons})' if reasons else '')
    for name, value in (
            ('engine', f'{report["engine"]} ({report["identity"]["device"]})'),
            ('camera', f'{report["camera_fps"]:g} Hz'),
            ('frames published', report['frames_published']),
            ('frames that never arrived', report['frames_published'] - report['frames_in']),
            ('frames received', report['frames_in']),
            ('frames segmented', report['frames_out']), ('frames dropped', dropped),
            ('segmented frames/s', f'{report["fps"]:.1f}'),
            ('mean IoU', '-' if report['miou'] is None else f'{report["miou"]:.3f}')):
        counts.add_row(name, str(value))
    console.print(counts)
    latency = Table(title='latency, ms')
    for column in ('stage', 'p50', 'p95', 'p99'):
        latency.add_column(column, justify='left' if column == 'stage' else 'right')
    times = report['latency_ms']
    for stage in dict.fromkeys([*(row for row in ROWS if row in times), *times]):
        latency.add_row(stage, *map(format_ms, times[stage].values()))
    console.print(latency)
    console.print(f'report.json, montage.png, latency.png and bag/ are in {out}')
