# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run a simulated street camera and the node as processes, and a recorder in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from ...engines.nvidia_driver import ask_driver
from ...errors import DemoError
from ...model.card import load_card, ModelCard
from ...untrusted.output_files import claim_folder, KEY, MARKER, write_image, write_json
from ...view.latency_plot import write_latency_plot
from ...view.montage import draw_montage
from ...view.progress import ProgressBars
from .node_process import ending_on_signals, keep_to_this_machine, ros_arguments, running
from .options import DemoOptions
from .report import (
    ground_legend,
    ground_parameters,
    LiveRun,
    make_report,
    NODE,
    print_report,
    SEED,
    TOPICS,
)

if TYPE_CHECKING:
    from ...ros.recorder import Recorder
    from ...view.message_tap import MessageTap

FILES = ('bag', 'bag/metadata.yaml', 'bag/*.mcap', 'report.json', 'montage.png', 'latency.png',
         'camera.jsonl', 'node.jsonl', 'camera.log', 'node.log', '*.rrd')
"""Files of a demo. The demo refuses an output folder with any other file."""

CPU_FPS, GPU_FPS = 10.0, 30.0
"""Images per second of the camera. The second number is used if a GPU runs the network."""

START_SECONDS = 180.0
"""Largest number of seconds until node, camera and recorder have found each other. In this time,
the camera draws the street, and TensorRT builds an engine."""


def run_demo(options: DemoOptions) -> int:
    """Run camera, node and recorder for some seconds, and write the :data:`FILES`.

    If an earlier demo wrote the folder, the new files replace the old ones.

    :returns: the exit code, 0.
    :raises DemoError: if a process failed; the log of the process is in the output folder.
    :raises ViewError: if a view was requested and cannot be opened.
    :raises OutputError: if the folder holds files that no demo wrote. No process is started then.
    """
    out = options.out
    card = load_card(options.model)
    if options.seconds <= 0:
        raise DemoError(f'--seconds is {options.seconds:g}; give a number above 0')
    if options.view or options.save_view:
        from ...view.rerun_view import check_view
        check_view(options.view, options.save_view)
    # Without ROS this import fails. So the import stands before claim_folder(), which deletes the
    # files of an earlier demo.
    from ...ros import recorder  # noqa: F401
    is_again = out.is_dir() and any(out.iterdir())
    claim_folder(out, '--out', FILES, may_be_empty=('camera.jsonl', 'node.jsonl'))
    if is_again:
        print(f'deleted the files of an earlier demo in {out}')
    keep_to_this_machine()
    with ending_on_signals(), ProgressBars() as bars:
        with _open_tap(card, options) as tap:
            live = _record_drive(options, bars, tap)
        report = make_report(out, card, live, bars)
    write_json(out / 'report.json', report.tree)
    write_image(out / 'montage.png', draw_montage(
        report.rows, card, report.caption, ground_legend() if options.ground else None))
    write_latency_plot(report.times, report.drops, out / 'latency.png', report.caption)
    print_report(report.tree, out)
    return 0


@contextmanager
def _open_tap(card: ModelCard, options: DemoOptions) -> Iterator[MessageTap | None]:
    if not (options.view or options.save_view):
        yield None
        return
    from ...view.message_tap import MessageTap
    from ...view.rerun_view import RerunView
    tap = MessageTap(RerunView(card, options.view, options.save_view), TOPICS,
                     options.out / 'node.jsonl')
    try:
        yield tap
    finally:
        tap.close()
        for line in tap.bad:
            print(f'view: {line}', file=sys.stderr)
        if tap.left_out:
            print(f'view: {tap.left_out} images or label maps came too fast and are not in the '
                  'view', file=sys.stderr)


def _record_drive(options: DemoOptions, bars: ProgressBars, tap: MessageTap | None) -> LiveRun:
    from ...ros.recorder import Recorder
    out = options.out
    # The camera first draws the street. In this time, the node must not warn that no image comes.
    node = {'model': options.model, 'engine': options.engine, 'frame_log': out / 'node.jsonl',
            'stale_after': START_SECONDS,
            **({'ground': 'true', **ground_parameters()} if options.ground else {})}
    with Recorder.spinning(out / 'bag', NODE, tap, options.ground) as (recorder, spin), \
            _start_node('node', out / 'node.log', node) as node_process:
        run = _DemoRun(out, recorder, spin, {'node': node_process})
        started = bars.add_bar('starting', 1)
        fps = _choose_rate(run, options.engine, bars)
        frames = round(options.seconds * fps) or 1
        camera = {'seed': SEED, 'condition': 'tour', 'fps': fps, 'loop': frames, 'count': frames,
                  'subscribers': 2, 'log': out / 'camera.jsonl'}
        with _start_node('street_camera', out / 'camera.log', camera) as camera_process:
            run.processes['camera'] = camera_process
            run.wait_until(recorder.ready)
            recorder.begin()
            run.wait_until(lambda: recorder.counts['/image'] > 0)
            started(1)
            step = bars.add_bar('driving', frames)
            while camera_process.poll() is None:
                spin(0.1)
                step(recorder.counts['/image'])
                if node_process.poll() is not None:
                    raise run.describe_end('node')
        node_process.send_signal(signal.SIGINT)
        # While the node ends, it sends its last diagnostics, which count all frames.
        last = time.monotonic() + 1.0
        while node_process.poll() is None or time.monotonic() < last:
            spin(0.05)
        return LiveRun(recorder.diagnostics, recorder.arrived, fps, options.ground)


def _choose_rate(run: _DemoRun, engine: str, bars: ProgressBars) -> float:
    """Return the images per second that the camera shall send.

    If there is a GPU, this function waits until the node has opened an engine. Without a GPU, the
    function does not wait, so the camera can draw the street while the node starts.
    """
    driver = ask_driver()
    if engine == 'onnxruntime-cpu' or not driver.gpus:
        return CPU_FPS
    run.wait_until(run.recorder.ready)
    found = run.recorder.diagnostics['engine']
    if found['engine'] != 'onnxruntime-cpu':
        bars.print_line(f'{found["engine"]} runs the network on {found["device"]}')
        return GPU_FPS
    bars.print_line(f'the CPU runs the network, although there is {driver.gpus[0].name}: '
                    f'{found["reason"]}')
    return CPU_FPS


@contextmanager
def _start_node(module: str, log: Path, parameters: dict[str, object]
                ) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, '-m', f'trt_segmentation.ros.{module}', *ros_arguments(parameters)]
    with log.open('xb', buffering=0) as file:
        file.write(f'{KEY}: {MARKER}\n'.encode())
        # The process has a session of its own, so Ctrl-C in the terminal does not reach the
        # process. The demo ends the process.
        with running(command, stdout=file, stderr=subprocess.STDOUT,
                     start_new_session=True) as process:
            yield process


@dataclass(frozen=True)
class _DemoRun:
    out: Path
    recorder: Recorder
    spin: Callable[[float], None]
    processes: dict[str, subprocess.Popen[bytes]]

    def wait_until(self, is_done: Callable[[], bool]) -> None:
        end = time.monotonic() + START_SECONDS
        while not is_done():
            self.spin(0.1)
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise self.describe_end(name)
            if self.recorder.trouble:
                raise DemoError(f'the node says: {self.recorder.trouble}')
            if time.monotonic() > end:
                raise DemoError(
                    f'node and camera did not find each other within {START_SECONDS:g} s; see '
                    f'{self.out / "node.log"} and {self.out / "camera.log"}')

    def describe_end(self, name: str) -> DemoError:
        log = self.out / f'{name}.log'
        lines = log.read_text(encoding='utf-8', errors='replace').strip().splitlines()[1:]
        return DemoError(f'the {name} ended with exit code {self.processes[name].returncode}; '
                         f'the end of {log}:\n' + '\n'.join(lines[-5:]))
