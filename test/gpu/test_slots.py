# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A closed slot drops its references, and a ring refuses misuse. These tests need no GPU."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
import weakref

import numpy as np
import pytest

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from trt_segmentation.errors import EngineError, GpuError
from trt_segmentation.frame import Frame
from trt_segmentation.gpu.slot_ring import SlotRing
from trt_segmentation.gpu.slots import Lane, Slot


def test_a_closed_slot_lets_the_network_go():
    """The node still refers to the closed pipeline while it opens another one."""
    slot: Any = Slot.__new__(Slot)
    mark = SimpleNamespace(close=lambda: None)
    slot.bindings, slot.works, slot.work = {1: object()}, {}, object()
    slot.uploading = slot.labelled = slot.done = mark
    slot.close()
    assert not slot.bindings and not hasattr(slot, 'work')


@pytest.mark.parametrize('copied', [False, True])
def test_a_released_lane_refers_to_no_frame(copied):
    """The data of a frame may lie in the memory of a pipeline that waits to be closed."""
    released: list[str] = []
    lane = Lane.__new__(Lane)
    buffer: Any = SimpleNamespace(release=lambda: released.append('buffer'),
                                  block=SimpleNamespace(mapped=0), address=0)
    lane._image = None
    frame = Frame(np.zeros(12, np.uint8), 'bgr8', 2, 2, 6)
    read = replace(frame) if copied else frame
    frames = [weakref.ref(one) for one in (frame, read)]
    lane.place_frame(frame, read, 0, buffer)
    del frame, read
    lane.release_frame()
    lane.release_frame()    # a second call does nothing
    assert released == ['buffer'] and [one() for one in frames] == [None, None]


def test_a_fatal_error_wakes_a_thread_that_waits_for_a_slot():
    from concurrent.futures import ThreadPoolExecutor
    ring = SlotRing()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ring.take)
        ring.record_fatal_error(GpuError('the GPU is gone', 'CUDA_ERROR_ECC_UNCORRECTABLE'))
        with pytest.raises(EngineError, match='the GPU is gone'):
            waiting.result(timeout=30)


def test_a_ring_without_a_batch_raises_and_does_not_wait():
    ring = SlotRing()
    with pytest.raises(EngineError, match=r'no batch is pending.* call submit\(\) once before'):
        ring.lend_next()
    ring.append_pending(None)
    assert ring.lend_next() is None
    with pytest.raises(EngineError, match='no batch is pending'):
        ring.lend_next()
    ring.append_pending(None)
    ring.close()
    for use in (ring.lend_next, ring.take, ring.check_usable):
        with pytest.raises(EngineError, match='the pipeline is closed; open a new one'):
            use()
