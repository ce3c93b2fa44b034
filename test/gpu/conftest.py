# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests on a GPU. They skip a test if there is no GPU."""

import os

from hypothesis import settings
import pytest

settings.register_profile(
    'gpu', deadline=None, max_examples=int(os.environ.get('GPU_EXAMPLES', '150')))
settings.load_profile('default')


@pytest.fixture(scope='session')
def memory():
    """Yield a GpuAllocator of GPU 0. Without a GPU, skip the test."""
    pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')
    from trt_segmentation.errors import EngineError
    from trt_segmentation.gpu.allocator import GpuAllocator
    try:
        memory = GpuAllocator(0)
    except EngineError as error:
        pytest.skip(str(error))
    yield memory
    memory.close()


@pytest.fixture
def current(memory):
    """Make the allocator's GPU current. Afterwards, check that the test freed its memory."""
    memory.make_current()
    before = memory.device_bytes, memory.pinned_bytes
    yield memory
    memory.make_current()
    memory.synchronize()
    assert (memory.device_bytes, memory.pinned_bytes) == before


@pytest.fixture
def on_cuda(memory):
    """Skip the test if ONNX Runtime cannot use a GPU."""
    onnxruntime = pytest.importorskip('onnxruntime')
    if 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
        pytest.skip('needs onnxruntime-gpu')
