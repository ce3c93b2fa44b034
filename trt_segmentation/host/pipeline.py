# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline of machines without a GPU, and the reference the GPU's is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from time import perf_counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..engines.onnxruntime_cpu import OnnxRuntimeEngine
from ..frame import Frame, Segmentation, Wanted
from ..model.card import ModelCard
from ..model.geometry import fit, Geometry
from ..model.output_watch import AnswerWatch
from .decode_raw import decode, Pixels
from .output_arrays import HEADROOM
from .overlay import blend
from .postprocess import Postprocess
from .preprocess import Preprocess


class _Waiting(NamedTuple):
    frame: Frame
    pixels: Pixels
    geometry: Geometry
    decode_ms: float


class HostPipeline:
    """OpenCV, ONNX Runtime and OpenCV again, on the CPU.

    :meth:`submit` decodes and queues; :meth:`collect` does the rest, in its caller's thread and
    those of ONNX Runtime and OpenCV. The answers' arrays are the caller's own, and releasing
    them does nothing. ``alpha`` (0 to 1) and ``palette`` ((classes, 3) uint8 RGB) of the overlay
    may be set from any thread and count from the next answer on.

    :param reason: why this pipeline was taken, for :attr:`identity`.
    :param threads: threads of ONNX Runtime, 0 for one a core; OpenCV's are the process's,
        ``cv2.setNumThreads``.
    :raises EngineError: when the model cannot be opened or does not fit its card.
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
            self.signature.output, len(card.classes), card.output.threshold)
        self._watch = AnswerWatch(card, self.signature, every=True)
        # one frame keeps every core busy: more at once, or in one batch, only make all late
        self.depth = self.batch = 1
        self.gives_confidence = self.signature.output.has_confidence
        self.allocate = None  # the CPU reads them anywhere
        self._tensor = np.empty(image.shape(0), image.dtype)
        self._batches: SimpleQueue[tuple[list[_Waiting], Wanted]] = SimpleQueue()

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        """Decode and queue a batch; frames may differ in size and encoding.

        :raises FrameError: when a frame cannot be decoded; nothing is queued then.
        :raises EngineError: when confidence is wanted of a model that gives none.
        """
        if wanted.confidence:
            self.signature.output.check_confidence()
        self._batches.put(([self._decode(frame) for frame in frames], wanted))

    def collect(self) -> list[Segmentation]:
        """Answer the oldest batch; waits for one to be submitted.

        ``timings`` in milliseconds: ``preprocess`` (decoding counted in) and ``postprocess``
        (overlay and confidence counted in) of the frame, ``inference`` of its batch, and
        ``total`` from the start of the batch to this answer, waiting in the queue not counted.

        :raises EngineError: when the network failed; the batch is gone then.
        """
        batch, wanted = self._batches.get()
        if not batch:
            return []
        start = perf_counter() - sum(waiting.decode_ms for waiting in batch) / 1e3
        tensor = self._batch(len(batch))
        preprocess = []
        for waiting, target in zip(batch, tensor):
            began = perf_counter()
            self._preprocess(waiting.pixels, waiting.geometry, target)
            preprocess.append(waiting.decode_ms + _ms(began))
        began = perf_counter()
        answers = self._engine.run(tensor)
        inference = _ms(began)
        self._watch.look(answers)
        results = []
        for waiting, answer, ms in zip(batch, answers, preprocess):
            began = perf_counter()
            result = self._answer(waiting, answer, wanted)
            result.timings.update(preprocess=ms, inference=inference, postprocess=_ms(began),
                                  total=_ms(start))
            results.append(result)
        return results

    def close(self) -> None:
        """Free the network; a second call does nothing."""
        self._engine.close()

    def _decode(self, frame: Frame) -> _Waiting:
        began = perf_counter()
        image = self.signature.input
        geometry = fit(self.card.input.resize, (frame.height, frame.width),
                       (image.height, image.width))
        return _Waiting(frame, decode(frame), geometry, _ms(began))

    def _batch(self, count: int) -> npt.NDArray[np.generic]:
        # kept between calls: touching fresh memory costs more than filling it
        if len(self._tensor) < count:
            self._tensor = np.empty(self.signature.input.shape(count), self._tensor.dtype)
        return self._tensor[:count]

    def _answer(self, waiting: _Waiting, answer: npt.NDArray[np.generic],
                wanted: Wanted) -> Segmentation:
        labels, confidence = self._postprocess(answer, waiting.geometry, wanted.confidence)
        overlay = None
        if wanted.overlay:
            overlay = blend(waiting.pixels.bgr(), labels, self.palette, self.alpha)
        return Segmentation(waiting.frame, labels, overlay, confidence, headroom=HEADROOM)


def _ms(began: float) -> float:
    return (perf_counter() - began) * 1e3
