# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The CUDA streams of a pipeline. With them, the GPU works on several frames at the same time.

A slot is the memory of one batch. One run of the network computes a part of a batch.
"""

from __future__ import annotations

from cuda.bindings import driver

from ..engines.cuda_driver import call
from ..tracing.stages import stage
from .slots import Slot


class Streams:
    """The streams of one pipeline.

    The CUDA context must be current in the thread that calls a method. Only the thread that
    submits batches may enqueue work. At the same time, the thread that collects results may call
    :meth:`drain`.

    ``up`` copies frames to the GPU and preprocesses them. Each stream of ``compute`` runs one
    network and nothing else. ``down`` runs the postprocessing, and copies the outputs to the host.
    So the network of one frame runs at the same time as the kernels of other frames.

    The network is usually the slowest step, so its streams have the highest priority. If a new
    network replaces a network in use (an exchange), the streams of the new network have the next
    lower priority. So the new network disturbs the old network less. CUDA cannot change the
    priority of a stream, so each exchange uses a lower priority. After the lowest priority, the
    next exchange uses the highest priority again.

    :param exchange: 0 for the first network, 1 in the first exchange, and so on.
    """

    def __init__(self, networks: int = 1, exchange: int = 0) -> None:
        flags = int(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
        lowest, highest = call(driver.cuCtxGetStreamPriorityRange)
        # A smaller number is a higher priority.
        priority = highest + exchange % (lowest - highest + 1)
        self.up, self.down, *self.compute = self._all = [
            int(call(driver.cuStreamCreateWithPriority, flags, priority))
            for priority in (lowest, lowest, *[priority] * networks)]

    def enqueue_upload(self, slot: Slot) -> None:
        """Enqueue the upload of a slot's frames."""
        slot.uploading.record(self.up)
        for lane in slot.lanes[:slot.count]:
            if lane.upload is not None:
                call(driver.cuMemcpyHtoDAsync, *lane.upload, self.up)

    def enqueue_runs(self, slot: Slot) -> None:
        """Enqueue a slot's preprocessing, network and postprocessing.

        All runs of a batch share one input tensor and one output tensor. So each run waits until
        the previous run no longer uses these tensors.
        """
        before = None
        for run in slot.work.runs:
            if before is not None:
                before.inferred.block(self.up)
                before.postprocessed.block(slot.stream)
            run.preprocessing.record(self.up)
            with stage('preprocess'):
                run.before.enqueue(self.up)
            run.preprocessed.record(self.up)
            run.preprocessed.block(slot.stream)
            run.inferring.record(slot.stream)
            with stage('inference'):
                run.engine.enqueue(slot.stream)
            run.inferred.record(slot.stream)
            run.inferred.block(self.down)
            run.postprocessing.record(self.down)
            with stage('postprocess'):
                run.after.enqueue(self.down)
            run.postprocessed.record(self.down)
            before = run

    def enqueue_download(self, slot: Slot) -> None:
        """Enqueue the download of a slot's outputs. All labels come before the overlays."""
        lanes = slot.lanes[:slot.count]
        for lane in lanes:
            if lane.download is not None:
                call(driver.cuMemcpyDtoHAsync, *lane.download, self.down)
        slot.labelled.record(self.down)
        if slot.wanted.overlay:
            for lane in lanes:
                if lane.overlay_download is not None:
                    call(driver.cuMemcpyDtoHAsync, *lane.overlay_download, self.down)
            slot.done.record(self.down)

    def drain(self) -> None:
        """Wait until the GPU has done all work that was enqueued before this call."""
        for stream in self._all:
            call(driver.cuStreamSynchronize, stream)

    def close(self) -> None:
        """Free the streams, even if they still have work."""
        for stream in self._all:
            driver.cuStreamDestroy(stream)


def stage_times(slot: Slot) -> dict[str, float]:
    """Return the milliseconds of each stage of a batch whose labels are already downloaded."""
    runs = slot.work.runs
    total = slot.labelled.ms_since(slot.uploading)
    stages = {'stage': slot.staged_ms, 'upload': runs[0].preprocessing.ms_since(slot.uploading)}
    stages['preprocess'] = sum(run.preprocessed.ms_since(run.preprocessing) for run in runs)
    stages['inference'] = sum(run.inferred.ms_since(run.inferring) for run in runs)
    stages['postprocess'] = sum(run.postprocessed.ms_since(run.postprocessing) for run in runs)
    stages['download'] = slot.labelled.ms_since(runs[-1].postprocessed)
    stages['total'] = slot.staged_ms + total
    return stages
