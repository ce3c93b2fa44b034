# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A closed slot drops its references, and a ring refuses misuse. These tests need no GPU."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from trt_segmentation.errors import EngineError, GpuError
from trt_segmentation.gpu.slot_ring import SlotRing
from trt_segmentation.gpu.slots import Slot


def test_a_closed_slot_lets_the_network_go():
    """The node still refers to the closed pipeline while it opens another one."""
    slot: Any = Slot.__new__(Slot)
    mark = SimpleNamespace(close=lambda: None)
    slot.bindings, slot.works, slot.work = {1: object()}, {}, object()
    slot.uploading = slot.labelled = slot.done = mark
    slot.close()
    assert not slot.bindings and not hasattr(slot, 'work')


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
