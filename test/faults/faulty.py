# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The real pipeline of machines without a GPU, which fails, waits and lends memory as it is told.

What is simulated is what the engine does, at the two calls the node makes of a pipeline; labels
are the network's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import gc
import threading
import time
import weakref

from trt_segmentation.frame import Frame, Segmentation, Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.memory import PageMemory
from trt_segmentation.model.card import ModelCard

TIMEOUT = 30.0


@dataclass
class Faults:
    """What goes wrong, in this pipeline and those opened after it.

    :param errors: raised one after the other, None for a batch that is answered.
    :param forever: raised after those; None for answers.
    :param lending: raised instead of lending memory.
    :param tried: time.monotonic() of every batch.
    :param held_at_close: pieces of lent memory that were referred to when it was closed, which
        on a GPU would be read after they were freed.
    """

    errors: list[Exception | None] = field(default_factory=list)
    forever: Exception | None = None
    lending: Exception | None = None
    tried: list[float] = field(default_factory=list)
    held_at_close: int = 0


class FaultyPipeline(HostPipeline):
    """Raises what is told to its ``faults``.

    ``delay``: seconds a batch takes. ``gate``: cleared, a batch waits until it is set.
    """

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
        """Memory for images, as the pipeline of a GPU lends it."""
        if self.faults.lending:
            raise self.faults.lending
        memory = PageMemory(nbytes)
        self.lent.append(weakref.ref(memory))
        return memory

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        assert not self.closed, 'a closed pipeline was used'
        super().submit(frames, wanted)

    def collect(self) -> list[Segmentation]:
        answers = super().collect()
        assert self.gate.wait(TIMEOUT)
        time.sleep(self.delay)
        self.faults.tried.append(time.monotonic())
        error = self.faults.errors.pop(0) if self.faults.errors else self.faults.forever
        if error:
            raise error
        return answers

    def close(self) -> None:
        self.closed += 1
        gc.collect()
        self.faults.held_at_close += sum(memory() is not None for memory in self.lent)
        super().close()
