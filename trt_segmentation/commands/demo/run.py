# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The whole road on one machine: street camera, node and recorder, each in a process; a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import json
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any, TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...accuracy.metrics import confusion, Scores
from ...bags.reader import BagReader
from ...errors import DemoError
from ...host.decode_raw import decode
from ...model.card import load_card, ModelCard
from ...stats import percentiles
from ...street import CLASSES, Drive
from ...untrusted.output_files import claim_folder, KEY, MARKER, write_image, write_json
from ...view.montage import latency_plot, montage, MontageRow
from .node_process import ending_on_signals, keep_to_this_machine, ros_arguments, running

if TYPE_CHECKING:
    from ...ros.recorder import Recorder
    from ...view.message_tap import Tap

NODE = '/trt_segmentation'
TOPICS = {'/image': 'image', f'{NODE}/label_map': 'labels',
          f'{NODE}/overlay/compressed': 'overlay'}
"""What the recorder writes and the report reads."""
FPS = 10.0
SEED = 7
START_SECONDS = 60.0
"""How long the processes may take to find each other; rendering the street is part of it."""


@dataclass(frozen=True)
class Sent:
    """One frame the camera published: which frame of the drive, in which condition."""

    frame: int
    condition: str
    stamp_ns: int


def run_demo(seconds: float, out: Path, model: str = 'street', engine: str = 'auto',
             view: bool = False, save_view: Path | None = None) -> int:
    """Run camera, node and recorder for some seconds and write the report into ``out``.

    :param out: folder for report.json, montage.png, latency.png and bag/; one that an earlier
        demo wrote is replaced.
    :param view: show it in Rerun's viewer while it runs; ``save_view`` writes a file for it.
    :raises DemoError: when a process failed; its log is in ``out``.
    :raises ViewError: before anything starts, where nothing can be shown.
    :raises OutputError: before anything starts, if ``out`` holds anything but a demo's files.
    """
    card = load_card(model)
    if seconds <= 0:
        raise DemoError(f'--seconds {seconds:g}: give more than 0')
    if view or save_view:
        from ...view.rerun_view import check_view
        check_view(view, save_view)
    from ...ros import recorder  # noqa: F401  # fails here without ROS, before anything is deleted
    claim_folder(out, '--out', may_be_empty=('camera.jsonl', 'node.jsonl'))
    keep_to_this_machine()
    with ending_on_signals(), _Progress() as progress:
        with _viewed(card, out, view, save_view) as tap:
            diagnostics, arrived = _live(out, round(seconds * FPS) or 1, model, engine, progress,
                                         tap)
        report, rows, series = _score(out, card, diagnostics, arrived, progress)
    write_json(out / 'report.json', report)
    write_image(out / 'montage.png', montage(rows, card))
    latency_plot(series, out / 'latency.png')
    _print(report, out)
    return 0


@contextmanager
def _process(module: str, log: Path, parameters: dict[str, object]
             ) -> Iterator[subprocess.Popen[bytes]]:
    """One node in a process of its own, its output in a file."""
    command = [sys.executable, '-m', f'trt_segmentation.ros.{module}', *ros_arguments(parameters)]
    # a session of its own, so that the terminal's Ctrl-C reaches it only through us
    with log.open('xb', buffering=0) as file:
        file.write(f'{KEY}: {MARKER}\n'.encode())
        with running(command, stdout=file, stderr=subprocess.STDOUT,
                     start_new_session=True) as process:
            yield process


@contextmanager
def _viewed(card: ModelCard, out: Path, view: bool, save_view: Path | None
            ) -> Iterator[Tap | None]:
    """What the recorder hands its messages to, where they are to be seen."""
    if not (view or save_view):
        yield None
        return
    from ...view.message_tap import Tap
    from ...view.rerun_view import RerunView
    tap = Tap(RerunView(card, view, save_view), TOPICS, out / 'node.jsonl')
    try:
        yield tap
    finally:
        tap.close()
        for line in [*tap.bad, *([f'{tap.left_out} images or label maps came too fast and are '
                                  'not in the view'] if tap.left_out else [])]:
            print(f'view: {line}', file=sys.stderr)


def _live(out: Path, frames: int, model: str, engine: str, progress: _Progress,
          tap: Tap | None) -> tuple[dict[str, dict[str, str]], dict[int, int]]:
    """Run everything; the node's last diagnostics and when each label map arrived."""
    from ...ros.recorder import Recorder
    camera = {'seed': SEED, 'condition': 'tour', 'fps': FPS, 'loop': frames, 'count': frames,
              'subscribers': 2, 'log': out / 'camera.jsonl'}
    node = {'model': model, 'engine': engine, 'frame_log': out / 'node.jsonl'}
    with Recorder.spinning(out / 'bag', NODE, tap) as (recorder, spin), \
            _process('node', out / 'node.log', node) as node_process:
        with _process('street_camera', out / 'camera.log', camera) as camera_process:
            run = _DemoRun(out, recorder, spin, {'node': node_process, 'camera': camera_process})
            progress.stage('starting', None)
            run.until(recorder.ready)
            recorder.begin()
            run.until(lambda: recorder.counts['/image'] > 0)
            progress.stage('driving', frames)
            while camera_process.poll() is None:
                spin(0.1)
                progress.at(recorder.counts['/image'])
                if node_process.poll() is not None:
                    raise run.died('node')
        node_process.send_signal(signal.SIGINT)
        # the node's last diagnostics come while it ends, and say what became of each frame
        last = time.monotonic() + 1.0
        while node_process.poll() is None or time.monotonic() < last:
            spin(0.05)
        return recorder.diagnostics, recorder.arrived


@dataclass(frozen=True)
class _DemoRun:
    """The processes of a demo and the recorder that listens to them."""

    out: Path
    recorder: Recorder
    spin: Callable[[float], None]
    processes: dict[str, subprocess.Popen[bytes]]

    def until(self, holds: Callable[[], bool]) -> None:
        """Spin until something holds; raise where a process ends or fails first."""
        end = time.monotonic() + START_SECONDS
        while not holds():
            self.spin(0.1)
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise self.died(name)
            if self.recorder.trouble:
                raise DemoError(f'the node says: {self.recorder.trouble}')
            if time.monotonic() > end:
                raise DemoError(
                    f'node and camera did not find each other in {START_SECONDS:g} s; see '
                    f'{self.out / "node.log"} and {self.out / "camera.log"}')

    def died(self, name: str) -> DemoError:
        """Say how a process ended, with the end of its log."""
        log = self.out / f'{name}.log'
        lines = log.read_text(encoding='utf-8', errors='replace').strip().splitlines()[1:]
        return DemoError(f'the {name} ended with exit code {self.processes[name].returncode}; '
                         f'the end of {log}:\n' + '\n'.join(lines[-5:]))


def _score(out: Path, card: ModelCard, diagnostics: dict[str, dict[str, str]],
           arrived: dict[int, int], progress: _Progress
           ) -> tuple[dict[str, Any], list[MontageRow], dict[str, list[float]]]:
    """Read bag and logs back; the report, the montage's rows, latencies by stage."""
    sent = {s.stamp_ns: s for s in map(_sent, _lines(out / 'camera.jsonl'))}
    answered = [entry for entry in _lines(out / 'node.jsonl') if 'timings' in entry]
    series: dict[str, list[float]] = {'end_to_end': [
        (when - stamp) / 1e6 for stamp, when in arrived.items()]}
    for entry in answered:
        for stage, ms in entry['timings'].items():
            series.setdefault(stage, []).append(ms)
    progress.stage('scoring', len(arrived))
    scores, rows = _accuracy(out / 'bag', card, sent, progress)
    pipeline, engine = diagnostics['pipeline'], diagnostics['engine']
    took = [entry['done_ns'] for entry in answered]
    report: dict[str, Any] = {
        'frames_published': len(sent), 'frames_in': int(pipeline['frames_in']),
        'frames_out': int(pipeline['frames_out']),
        'frames_dropped': int(pipeline['frames_dropped']),
        'dropped': {key.removeprefix('frames_dropped_'): int(value)
                    for key, value in pipeline.items() if key.startswith('frames_dropped_')},
        'frames_recorded': len(arrived),
        'fps': (len(took) - 1) / (max(took) - min(took)) * 1e9 if len(took) > 1 else 0.0,
        'latency_ms': {stage: percentiles(values) for stage, values in series.items()},
        **_accuracy_tree(scores), 'engine': engine.get('engine', ''), 'identity': engine}
    return report, rows, series


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def _sent(entry: dict[str, Any]) -> Sent:
    return Sent(entry['frame'], entry['condition'], entry['stamp_ns'])


def _accuracy(bag: Path, card: ModelCard, sent: dict[int, Sent], progress: _Progress
              ) -> tuple[Scores | None, list[MontageRow]]:
    """Compare every recorded label map with its scene's truth; None where classes differ.

    The rows are one frame a condition of those recorded whole.
    """
    street = card.classes == CLASSES
    matrix = np.zeros((len(CLASSES), len(CLASSES) + 1), np.int64)
    drive, images = Drive(SEED, fps=FPS), 0
    shown = _one_a_condition(bag, sent)
    pictures: dict[int, dict[str, Any]] = {stamp: {} for stamp in shown}
    with BagReader(bag) as reader:
        for message in reader.messages(TOPICS):
            stamp, what = message.stamp_ns or 0, TOPICS[message.topic]
            if what == 'labels' and street:
                truth, labels = drive.frame(sent[stamp].frame).truth, message.labels()
                matrix += confusion(truth, labels, len(CLASSES))
                images += 1
                progress.at(images)
                if stamp in shown:
                    pictures[stamp]['truth'] = truth
            if stamp in shown:
                pictures[stamp][what] = message.labels() if what == 'labels' else \
                    decode(message.frame()).bgr()
    rows = [MontageRow(found['image'], found.get('truth'), found['labels'], found['overlay'],
                sent[stamp].condition) for stamp, found in pictures.items()]
    return (Scores(CLASSES, matrix, images) if street else None), rows


def _one_a_condition(bag: Path, sent: dict[int, Sent]) -> list[int]:
    """Stamp of a frame from the middle of each condition that was recorded with its answer."""
    stamps: dict[str, set[int]] = {what: set() for what in TOPICS.values()}
    with BagReader(bag) as reader:
        for message in reader.messages(TOPICS):
            stamps[TOPICS[message.topic]].add(message.stamp_ns or 0)
    by_condition: dict[str, list[int]] = {}
    for stamp in sorted(set.intersection(*stamps.values())):
        by_condition.setdefault(sent[stamp].condition, []).append(stamp)
    if not by_condition:
        raise DemoError(f'no frame was recorded with its answer, only {_counts(stamps)}; see the '
                        f'logs beside {bag}')
    return [found[len(found) // 2] for found in by_condition.values()]


def _counts(stamps: dict[str, set[int]]) -> str:
    return ', '.join(f'{len(found)} of {what}' for what, found in stamps.items())


def _accuracy_tree(scores: Scores | None) -> dict[str, Any]:
    if scores is None:
        return {'miou': None, 'iou': None,
                'miou_note': "the model's classes are not the street scenes'"}
    tree = scores.tree()
    return {'miou': tree['mean_iou'], 'iou': tree['iou'],
            'pixel_accuracy': tree['pixel_accuracy']}


def _print(report: dict[str, Any], out: Path) -> None:
    """Show the report as tables."""
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


class _Progress:
    """One bar that is given a new name and length at each stage."""

    def __init__(self) -> None:
        self._bar = Progress(TextColumn('{task.description:10}'), BarColumn(),
                             MofNCompleteColumn(), TimeElapsedColumn(),
                             console=Console(stderr=True))
        self._task = self._bar.add_task('', total=None)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage of ``total`` steps; None where nobody knows."""
        self._bar.reset(self._task, description=name, total=total)

    def at(self, done: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done)
