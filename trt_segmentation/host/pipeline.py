# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline on the CPU, for machines without a GPU. It computes the labels of camera images.

Tests compare the results of the GPU with the results of this pipeline.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..engines.onnxruntime_cpu import OnnxRuntimeEngine
from ..errors import CLOSED_PIPELINE, EngineError, NOTHING_PENDING
from ..frame import Frame, Segmentation, Wanted
from ..model.card import ModelCard
from ..model.geometry import fit, Geometry
from ..model.output_watch import NetworkOutputWatch
from ..tracing.stages import stage
from .decode_raw import decode, Pixels
from .output_arrays import HEADROOM
from .overlay import blend
from .postprocess import Postprocess
from .preprocess import Preprocess, rectify

WARM_UP_RUNS = 3
"""Number of blank images in a warm-up. The first run is slow, because ONNX Runtime plans its
memory in this run."""


class _Waiting(NamedTuple):
    frame: Frame
    pixels: Pixels
    geometry: Geometry
    decode_ms: float


class HostPipeline:
    """A pipeline on the CPU, which uses OpenCV and ONNX Runtime.

    :meth:`submit` decodes and queues frames. :meth:`collect` does all other work, in the thread
    that calls it and in the threads of ONNX Runtime and OpenCV. The caller owns the arrays of the
    segmentations, so :meth:`.Segmentation.release` does nothing.

    Any thread may set :attr:`alpha` and :attr:`palette`. Later segmentations use the new values.

    :param reason: why this pipeline was chosen. :attr:`identity` contains this text.
    :param threads: number of threads of ONNX Runtime; 0 for one thread per core. To limit the
        threads of OpenCV in the whole process, call ``cv2.setNumThreads``.
    :raises EngineError: if the model cannot be opened, or if the model does not fit its card.
    """

    def __init__(self, card: ModelCard, reason: str = '', threads: int = 0) -> None:
        self.card = card
        self.alpha = 0.5
        self.palette: npt.NDArray[np.uint8] = card.palette
        self._engine = OnnxRuntimeEngine(card, reason, threads)
        self.identity = self._engine.identity
        self.signature = self._engine.signature
        image = self.signature.input
        self._preprocess = Preprocess(card.input, image)
        self._postprocess = Postprocess(
            self.signature.output, len(card.classes), card.output.threshold,
            card.output.temperature)
        self._watch = NetworkOutputWatch(card, self.signature, every=True)
        # One frame already keeps every core busy, so a larger batch would only add latency.
        self.depth = self.batch = 1
        self.gives_confidence = self.signature.output.has_confidence
        self.allocate = None  # the CPU can read frames from any memory
        self.lends_memory = False
        self._tensor = np.empty(image.shape(0), image.dtype)
        # One thread may append to a deque while another thread pops from it.
        self._batches: deque[tuple[list[_Waiting], Wanted]] = deque()
        self._is_closed = False

    def warm_up(self) -> None:
        """Segment blank images, so that ONNX Runtime and OpenCV start threads and allocate memory.

        :raises EngineError: if the network failed.
        """
        image, wanted = self.signature.input, Wanted(True, self.gives_confidence)
        blank = np.zeros(image.height * image.width * 3, np.uint8)
        waiting = self._decode(Frame(blank, 'bgr8', image.height, image.width, 3 * image.width))
        tensor = self._tensor_for(1)
        for _ in range(WARM_UP_RUNS):
            self._preprocess(waiting.pixels, waiting.geometry, tensor[0])
            self._segment(waiting, self._engine.run(tensor)[0], wanted)

    def test_network(self, wait_for_pause: Callable[[], None]) -> None:
        """Run only the network, once, on a blank image, after ``wait_for_pause`` has returned.

        Call this method instead of :meth:`warm_up` if the new pipeline will replace an old
        pipeline that is still in use in this process. More runs would delay more frames of the old
        pipeline. With one run, the first frame of the new pipeline is a few milliseconds slower
        than its later frames.

        :raises EngineError: if the network failed.
        """
        tensor = self._tensor_for(1)
        tensor[:] = 0
        wait_for_pause()
        self._engine.run(tensor)

    def run_network(self, frame: Frame) -> tuple[npt.NDArray[np.float32], Geometry]:
        """Run the network on one frame.

        :returns: the network output as a (channels, h, w) grid of finite float32 values, and the
            mapping from camera pixels to the grid. The caller owns the grid.
        :raises FrameError: if the frame cannot be decoded.
        :raises EngineError: if the network failed.
        """
        waiting, tensor = self._decode(frame), self._tensor_for(1)
        self._preprocess(waiting.pixels, waiting.geometry, tensor[0])
        return self._postprocess.read_grid(self._engine.run(tensor)[0]), waiting.geometry

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        """Decode and queue a batch. Frames may differ in size and encoding.

        :raises FrameError: if a frame cannot be decoded. Then no frame of the batch is queued.
        :raises EngineError: if confidence is wanted but the model gives none, or if the pipeline
            is closed.
        """
        self._check_open()
        if wanted.confidence:
            self.signature.output.check_confidence()
        self._batches.append(([self._decode(frame) for frame in frames], wanted))

    def collect(self) -> list[Segmentation]:
        """Segment the oldest batch.

        The ``timings`` of a segmentation are in milliseconds. ``preprocess`` and ``postprocess``
        are the times for this frame: ``preprocess`` includes decoding, and ``postprocess``
        includes overlay and confidence. ``inference`` is the time for the whole batch. ``total``
        is the time from the decoding of the batch to the end of this segmentation, without the
        time in the queue.

        :raises EngineError: if no batch is pending, if the pipeline is closed, or if the network
            failed. If the network failed, the batch is lost.
        """
        self._check_open()
        if not self._batches:
            raise EngineError(NOTHING_PENDING)
        batch, wanted = self._batches.popleft()
        if not batch:
            return []
        start = perf_counter() - sum(waiting.decode_ms for waiting in batch) / 1e3
        tensor = self._tensor_for(len(batch))
        preprocess = []
        for waiting, target in zip(batch, tensor):
            began = perf_counter()
            with stage('preprocess'):
                self._preprocess(waiting.pixels, waiting.geometry, target)
            preprocess.append(waiting.decode_ms + _ms(began))
        began = perf_counter()
        with stage('inference'):
            outputs = self._engine.run(tensor)
        inference = _ms(began)
        self._watch.check(outputs)
        results = []
        for waiting, output, ms in zip(batch, outputs, preprocess):
            began = perf_counter()
            with stage('postprocess'):
                result = self._segment(waiting, output, wanted)
            result.timings.update(preprocess=ms, inference=inference, postprocess=_ms(began),
                                  total=_ms(start))
            results.append(result)
        return results

    def close(self) -> None:
        """Free the network and drop the pending batches. A second call does nothing."""
        self._is_closed = True
        self._engine.close()
        self._batches.clear()

    def _check_open(self) -> None:
        if self._is_closed:
            raise EngineError(CLOSED_PIPELINE)

    def _decode(self, frame: Frame) -> _Waiting:
        began = perf_counter()
        image = self.signature.input
        geometry = fit(self.card.input.resize, (frame.height, frame.width),
                       (image.height, image.width), frame.roi)
        pixels = decode(frame)
        if frame.viewport and frame.viewport.lookup is not None:
            pixels = rectify(pixels, frame.viewport.lookup, self.card.input.pad)
        return _Waiting(frame, pixels, geometry, _ms(began))

    def _tensor_for(self, count: int) -> npt.NDArray[np.generic]:
        # The tensor is kept between calls, because allocating it takes longer than filling it.
        if len(self._tensor) < count:
            self._tensor = np.empty(self.signature.input.shape(count), self._tensor.dtype)
        return self._tensor[:count]

    def _segment(self, waiting: _Waiting, output: npt.NDArray[np.generic],
                 wanted: Wanted) -> Segmentation:
        viewport = waiting.frame.viewport
        labels, confidence, tally = self._postprocess(
            output, waiting.geometry, wanted.confidence, wanted.tally,
            viewport.hidden if viewport else None)
        overlay = None
        if wanted.overlay:
            step = wanted.overlay_step
            overlay = blend(np.ascontiguousarray(waiting.pixels.bgr()[::step, ::step]),
                            np.ascontiguousarray(labels[::step, ::step]), self.palette, self.alpha)
        return Segmentation(waiting.frame, labels, overlay, confidence, headroom=HEADROOM,
                            tally=tally)


def _ms(began: float) -> float:
    return (perf_counter() - began) * 1e3
