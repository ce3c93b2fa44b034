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

"""Three streams, so that upload, compute and download of different frames run at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cuda.bindings import driver

from .driver import call
from .slots import Output, Slot


class Streams:
    """The streams of one pipeline; one thread at a time, with the GPU's context current."""

    def __init__(self) -> None:
        flags = int(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
        self._all = [int(call(driver.cuStreamCreate, flags)) for _ in range(3)]
        self._up, self.compute, self._down = self._all

    def run(self, slot: Slot, outputs: Sequence[Output], compute: Callable[[], None]) -> None:
        """Enqueue a slot's batch; its marks tell how far it is.

        :param outputs: planes to download.
        :param compute: enqueues on :attr:`compute`.
        """
        if slot.mapped:
            slot.begun.enqueue(self.compute)
            compute()
            slot.done.enqueue(self.compute)
            return
        slot.begun.enqueue(self._up)
        for lane in slot.lanes[:slot.count]:
            call(driver.cuMemcpyHtoDAsync, *lane.upload, self._up)
        slot.uploaded.enqueue(self._up)
        slot.uploaded.hold(self.compute)
        compute()
        slot.computed.enqueue(self.compute)
        slot.computed.hold(self._down)
        slot.downloading.enqueue(self._down)
        for output in outputs:
            call(driver.cuMemcpyDtoHAsync, *output.copy, self._down)
        slot.done.enqueue(self._down)

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
    spans = slot.parts[slot.count].spans
    stages = {'stage': slot.staged_ms}
    if not slot.mapped:
        stages['upload'] = slot.uploaded.since(slot.begun)
    for index, stage in enumerate(('preprocess', 'inference', 'postprocess')):
        stages[stage] = sum(span[index + 1].since(span[index]) for span in spans)
    if not slot.mapped:
        stages['download'] = slot.done.since(slot.downloading)
    stages['total'] = slot.staged_ms + slot.done.since(slot.begun)
    return stages
