# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Streams, so that upload, inference and download of different frames run at once."""

from __future__ import annotations

from cuda.bindings import driver

from ..engines.cuda_driver import call
from .slots import Slot


class Streams:
    """The streams of one pipeline; one thread at a time, with the GPU's context current.

    ``up`` copies frames to the GPU and preprocesses them, each of ``compute`` runs a network and
    nothing else, ``down`` postprocesses and copies the outputs to the host. So the network of
    one frame runs beside the kernels of the next and of the last.

    :param networks: how many run at once, each on a stream of its own.
    """

    def __init__(self, networks: int = 1) -> None:
        flags = int(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
        lowest, highest = call(driver.cuCtxGetStreamPriorityRange)
        # the network is what frames queue for: its blocks go before those of the kernels
        self.up, self.down, *self.compute = self._all = [
            int(call(driver.cuStreamCreateWithPriority, flags, priority))
            for priority in (lowest, lowest, *[highest] * networks)]

    def begin(self, slot: Slot) -> None:
        """Enqueue the upload of a slot's frames."""
        slot.begun.enqueue(self.up)
        for lane in slot.lanes[:slot.count]:
            if lane.upload is not None:
                call(driver.cuMemcpyHtoDAsync, *lane.upload, self.up)

    def run(self, slot: Slot) -> None:
        """Enqueue preprocessing, network and postprocessing.

        Runs of one batch have one input and one output tensor, so that each waits for the run
        before it to be done with them.
        """
        before = None
        for run in slot.work.runs:
            if before is not None:
                before.inferred.hold(self.up)
                before.answered.hold(slot.stream)
            run.preparing.enqueue(self.up)
            run.before.enqueue(self.up)
            run.prepared.enqueue(self.up)
            run.prepared.hold(slot.stream)
            run.inferring.enqueue(slot.stream)
            run.engine.enqueue(slot.stream)
            run.inferred.enqueue(slot.stream)
            run.inferred.hold(self.down)
            run.answering.enqueue(self.down)
            run.after.enqueue(self.down)
            run.answered.enqueue(self.down)
            before = run

    def end(self, slot: Slot) -> None:
        """Enqueue the download of a slot's outputs, and the mark that all is done."""
        for lane in slot.lanes[:slot.count]:
            if lane.download is not None:
                call(driver.cuMemcpyDtoHAsync, *lane.download, self.down)
        slot.done.enqueue(self.down)

    def drain(self) -> None:
        """Wait until everything enqueued is done."""
        for stream in self._all:
            call(driver.cuStreamSynchronize, stream)

    def close(self) -> None:
        """Free the streams, whatever they are still doing."""
        for stream in self._all:
            driver.cuStreamDestroy(stream)


def timings(slot: Slot) -> dict[str, float]:
    """Milliseconds by stage of a slot's finished batch."""
    runs = slot.work.runs
    total = slot.done.since(slot.begun)
    stages = {'stage': slot.staged_ms, 'upload': runs[0].preparing.since(slot.begun)}
    stages['preprocess'] = sum(run.prepared.since(run.preparing) for run in runs)
    stages['inference'] = sum(run.inferred.since(run.inferring) for run in runs)
    stages['postprocess'] = sum(run.answered.since(run.answering) for run in runs)
    stages['download'] = slot.done.since(runs[-1].answered)
    stages['total'] = slot.staged_ms + total
    return stages
