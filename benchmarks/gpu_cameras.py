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

"""Several 1080p cameras at 30 Hz on one GPU: latency from a frame's due time, and drops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
import threading
from time import perf_counter, sleep

from gpu_bench import networks
from gpu_bench.measure import frame_of, need_gpu, OVERLAY, pictures
from gpu_pipeline import script
import numpy as np
import numpy.typing as npt
from report import Report, run

from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
from trt_segmentation.frame import Frame
from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.model_card import ModelCard

HZ = 30.0
NAME = 'lraspp-fp16'


class Cameras:
    """Cameras out of step with each other, the newest frame of each, and one pipeline."""

    def __init__(self, pipeline: GpuPipeline, frames: list[Frame], count: int) -> None:
        self._pipeline = pipeline
        self._frames = frames
        self._count = count
        self._newest: dict[int, float] = {}
        self._changed = threading.Condition()
        self._ended = False
        self.dropped = 0
        self.latencies: list[float] = []

    def run(self, seconds: float) -> npt.NDArray[np.float64]:
        """Milliseconds from due to collected, of every frame answered."""
        due: list[float] = []
        threads = [threading.Thread(target=self._submit, args=(due,)),
                   threading.Thread(target=self._collect, args=(due,))]
        for thread in threads:
            thread.start()
        phases = np.random.default_rng(0).random(self._count)
        start = perf_counter() + 0.05
        times = sorted((start + (i + phases[c]) / HZ, c)
                       for c in range(self._count) for i in range(int(seconds * HZ)))
        for when, camera in times:
            if (early := when - perf_counter()) > 0:
                sleep(early)
            with self._changed:
                self.dropped += camera in self._newest
                self._newest[camera] = when
                self._changed.notify()
        with self._changed:
            self._ended = True
            self._changed.notify()
        for thread in threads:
            thread.join()
        return np.array(self.latencies)

    def _submit(self, due: list[float]) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._ended)
                if not self._newest:
                    break
                camera = min(self._newest, key=lambda c: self._newest[c])
                due.append(self._newest.pop(camera))
            self._pipeline.submit([self._frames[camera % len(self._frames)]], OVERLAY)
        self._pipeline.submit([])

    def _collect(self, due: list[float]) -> None:
        while answers := self._pipeline.collect():
            self.latencies.append((perf_counter() - due[len(self.latencies)]) * 1e3)
            answers[0].release()


def measure(report: Report, quick: bool) -> None:
    """A curve over the number of cameras."""
    need_gpu()
    with TemporaryDirectory() as folder:
        script('networks.py', folder, NAME)
        card = networks.card(Path(folder), NAME)
        curve(report, card, 1, (1, 8, 16) if quick else (1, 2, 4, 8, 12, 16, 24), quick)
        if not quick:
            curve(report, card, 2, (8, 16, 24, 32), quick)


def curve(report: Report, card: ModelCard, at_once: int, counts: Sequence[int],
          quick: bool) -> None:
    """Latency and drops over the number of cameras, with that many networks at once."""
    pipeline = GpuPipeline(card, OnnxRuntimeCuda, networks=at_once)
    frames = [frame_of(p) for p in pictures(8)]
    Cameras(pipeline, frames, 4).run(0.5)
    more = '' if at_once == 1 else f', {at_once} networks at once'
    for count in counts:
        cameras = Cameras(pipeline, frames, count)
        took = cameras.run(2.0 if quick else 4.0)
        p99, asked = float(np.percentile(took, 99)), count == 8 and at_once == 1
        report.add(f'{count} cameras{more}: p50', float(np.median(took)), 'ms')
        report.add(f'{count} cameras{more}: p99', p99, 'ms', *(
            ('≤ 33', p99 <= 33) if asked else ('', None)))
        report.add(f'{count} cameras{more}: dropped', cameras.dropped, 'frames', *(
            ('0', cameras.dropped == 0) if asked else ('', None)))
        report.add(f'{count} cameras{more}: answered', len(took), 'frames')
    pipeline.close()


if __name__ == '__main__':
    run('1080p cameras at 30 Hz on one GPU, LR-ASPP FP16', measure)
