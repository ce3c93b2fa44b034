# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A host pipeline that fails, waits and lends memory as a test requests.

Only the faults are simulated. The labels come from the network, as in the real pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import gc
import threading
import time
from typing import Any
import weakref

from trt_segmentation.frame import Frame, Segmentation, Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.memory import PageMemory
from trt_segmentation.model.card import ModelCard

TIMEOUT = 30.0


@dataclass
class Faults:
    """The faults of one pipeline and of the pipelines that are opened after it.

    :param errors: the result of each of the next batches: an error to raise, or None for success.
    :param forever: the error of every later batch; None for success.
    :param lending: the error that ``allocate`` raises; None to lend memory.
    :param tried: time.monotonic() of every batch.
    :param held_at_close: how many pieces of lent memory were still in use when the pipeline was
        closed. On a GPU this memory would be freed, and reading it would be an error.
    """

    errors: list[Exception | None] = field(default_factory=list)
    forever: Exception | None = None
    lending: Exception | None = None
    tried: list[float] = field(default_factory=list)
    held_at_close: int = 0


class FaultyPipeline(HostPipeline):
    """A host pipeline with the given faults.

    ``delay`` is the time of a batch in seconds. A batch waits until ``gate`` is set. ``closed``
    counts the calls of close().
    """

    allocate: Any

    def __init__(self, card: ModelCard, faults: Faults) -> None:
        super().__init__(card, threads=1)
        self.faults = faults
        self.delay = 0.0
        self.gate = threading.Event()
        self.gate.set()
        self.closed = 0
        self.lent: list[weakref.ref[PageMemory]] = []
        self.allocate = self.lend

    def lend(self, nbytes: int) -> PageMemory:
        if self.faults.lending:
            raise self.faults.lending
        memory = PageMemory(nbytes)
        self.lent.append(weakref.ref(memory))
        return memory

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        assert not self.closed, 'a closed pipeline was used'
        super().submit(frames, wanted)

    def collect(self) -> list[Segmentation]:
        segmentations = super().collect()
        assert self.gate.wait(TIMEOUT)
        time.sleep(self.delay)
        self.faults.tried.append(time.monotonic())
        error = self.faults.errors.pop(0) if self.faults.errors else self.faults.forever
        if error:
            raise error
        return segmentations

    def close(self) -> None:
        self.closed += 1
        gc.collect()
        self.faults.held_at_close += sum(memory() is not None for memory in self.lent)
        super().close()
