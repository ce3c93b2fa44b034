# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""An old pipeline is closed only after its worker has ended and its memory came back."""

from __future__ import annotations

from typing import Any
import weakref

from serving.doubles import FakePipeline, TIMEOUT, until

from trt_segmentation.exchange.closing import Closing


class Old:
    """An old pipeline, with the events of its end in their order."""

    def __init__(self) -> None:
        self.pipeline: Any = FakePipeline()
        self.has_ended = False
        self.events: list[str] = []
        self.closing = Closing(self.pipeline, lambda: self.has_ended,
                               lambda: self.events.append(f'pause, {self.pipeline.closed}'),
                               self.events.append,
                               lambda: self.events.append(f'closed {self.pipeline.closed}'))


def test_it_waits_for_the_worker_and_for_the_memory() -> None:
    old = Old()
    old.pipeline.lends_memory = True
    assert not old.closing.wait(0.05)
    old.has_ended = True
    assert not old.closing.wait(0.05)
    old.pipeline.lends_memory = False
    assert old.closing.wait(TIMEOUT) and old.events == ['pause, 0', 'closed 1']


def test_a_pipeline_that_cannot_be_closed_is_a_warning() -> None:
    old = Old()

    def fail() -> None:
        raise OSError('broken')
    old.pipeline.close = fail
    old.has_ended = True
    assert old.closing.wait(TIMEOUT)
    assert old.events == ['pause, 0', 'the old network cannot be closed: OSError: broken',
                          'closed 0']


def test_it_keeps_no_reference_to_the_closed_pipeline() -> None:
    pipeline = FakePipeline()
    found = weakref.ref(pipeline)
    closing = Closing(pipeline, lambda: True,  # type: ignore[arg-type]  # a fake
                      lambda: None, lambda text: None, lambda: None)
    del pipeline
    assert closing.wait(TIMEOUT)
    until(lambda: found() is None)
