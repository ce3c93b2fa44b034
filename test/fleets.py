# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes small fleets of recordings, runs them, and compares the results."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache
import hashlib
from pathlib import Path
import shutil
import tempfile
from typing import Any

from networks import color_classifier, cube_colors, write_card
import numpy as np
import numpy.typing as npt
from recordings import FIRST, image, image_messages, Message, pictures, write_bag

from trt_segmentation.fleet.jobs.evaluate import EvaluateJob
from trt_segmentation.fleet.jobs.label import LabelJob
from trt_segmentation.fleet.local_workers import Workers
from trt_segmentation.fleet.recordings import find_recordings
from trt_segmentation.fleet.run import FleetRun
from trt_segmentation.fleet.run_folder import open_store, place_job
from trt_segmentation.fleet.schedule import FleetResult
from trt_segmentation.fleet.shards import FleetJob, run_key
from trt_segmentation.fleet.worker import Event, FleetWorker, Lost, Task
from trt_segmentation.model.card import load_card
from trt_segmentation.serving.stopping import StopSignals

ENGINE = 'onnxruntime-cpu'
PALETTE = cube_colors(8)
TRUTH = '/truth/labels'
NAMES = [f'thing {number}' for number in range(8)]


@cache
def colors_model() -> str:
    """Write a network that is much faster than the street network, and return its card."""
    folder = tempfile.mkdtemp(prefix='colors-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    network = color_classifier(Path(folder) / 'colors.onnx', PALETTE, height=48, width=64)
    return str(write_card(network, NAMES, PALETTE))


def write_fleet(folder: Path, count: int, frames: int = 4) -> Path:
    """Write bags of raw images of 64x48 pixels, and return their folder."""
    for number in range(count):
        write_bag(folder / f'drive{number:03d}', image_messages(pictures(frames, seed=number)))
    return folder


def write_labelled_bag(path: Path, seed: int, frames: int = 4, every: int = 1,
                       delay_ns: int = 0) -> Path:
    """Write a bag of pictures and random label maps, and return its path.

    :param every: every this many pictures, a picture has a label map.
    :param delay_ns: the log time of a label map is this much later than that of its picture.
    """
    truths = draw_truths(seed, frames)
    messages = image_messages(pictures(frames, seed=seed))
    messages += [replace(message, log_time_ns=message.log_time_ns + delay_ns) for message in [
        Message(TRUTH, 'sensor_msgs/msg/Image', FIRST + 100_000_000 * index + 7_000_000,
                image(truths[index], 'mono8', FIRST + 100_000_000 * index))
        for index in range(0, frames, every)]]
    return write_bag(path, sorted(messages, key=lambda message: message.log_time_ns))


def draw_truths(seed: int, frames: int) -> npt.NDArray[np.uint8]:
    """Return (frames, 48, 64) random classes of :data:`NAMES`; 255 in the first four rows."""
    truths = np.random.default_rng([seed, 1]).integers(0, 8, (frames, 48, 64), np.uint8)
    truths[:, :4] = 255
    return truths


def make_job(out: Path | str, model: str = '', **options: Any) -> LabelJob:
    """Return a job on the CPU, for the network of :func:`colors_model` by default."""
    model = model or colors_model()
    key = run_key(load_card(model), ENGINE, 'auto', options.get('label_format', 'bag'))
    return LabelJob(str(out), key, model, ENGINE, **options)


def make_evaluation(out: Path | str, window_s: float = 0.3, **options: Any) -> EvaluateJob:
    """Return a job that scores the network of :func:`colors_model` on the CPU.

    Its shards have three images of a bag.
    """
    given = {'label_topic': TRUTH, **options}
    return place_job(load_card(colors_model()), EvaluateJob(
        str(out), '', colors_model(), ENGINE, window_s=window_s, **given))


def run_fleet(job: FleetJob, source: Path | str, workers: Workers | None = None, **options: Any
              ) -> FleetResult:
    """Run a job over all recordings of a source, with one worker in this process by default."""
    with closing(open_store(job.out)) as store:
        recordings = find_recordings([str(source)], labelled=isinstance(job, EvaluateJob))
        return FleetRun(job, store, recordings, workers or InlineWorkers(job), **options
                        ).run(StopSignals(), load_card(job.model).classes)


def read_tree(run: Path) -> dict[str, str]:
    """Return a mapping from each file of a run to the digest of its bytes."""
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(run.rglob('*')) if path.is_file() and path.name != 'lock'}


class InlineWorkers:
    """One worker in this process. It does its tasks inside :meth:`wait`.

    :ivar events: what the worker said, in order.
    :ivar fault: called before each event; it may return another event, which ends the worker.
    """

    def __init__(self, job: FleetJob, fault: Callable[[Event], Event | None] = lambda event: None
                 ) -> None:
        self.job, self.fault = job, fault
        self.events: list[Event] = []
        self.wanted, self._next = 1, 0
        self._workers: dict[int, FleetWorker] = {}
        self._work: dict[int, Iterator[Event]] = {}

    def start(self) -> int:
        self._next += 1
        worker = self._workers[self._next] = FleetWorker(self.job)
        self._work[self._next] = worker.open()
        return self._next

    def give(self, worker: int, task: Task) -> None:
        self._work[worker] = self._workers[worker].work(task)

    def wait(self, seconds: float) -> list[tuple[int, Event]]:
        for number, work in list(self._work.items()):
            event = next(work, None)
            if event is not None:
                event = self.fault(event) or event
                self.events.append(event)
                if isinstance(event, Lost):
                    self.stop(number)
                return [(number, event)]
        return []

    def stop(self, worker: int) -> None:
        if worker in self._workers:
            self._work.pop(worker, None)
            self._workers.pop(worker).close()

    def publish(self, numbers: Mapping[str, float]) -> None:
        self.published = dict(numbers)

    def close(self) -> None:
        for worker in list(self._workers):
            self.stop(worker)
