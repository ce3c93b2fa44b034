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

import os

from hypothesis import settings
import pytest

settings.register_profile(
    'gpu', deadline=None, max_examples=int(os.environ.get('GPU_EXAMPLES', '150')))
settings.load_profile('default')


@pytest.fixture(scope='session')
def memory():
    """Memory of GPU 0; a test that asks for it is skipped where there is none."""
    pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')
    from trt_segmentation.engines import EngineError
    from trt_segmentation.gpu.memory import Memory
    try:
        memory = Memory(0)
    except EngineError as error:
        pytest.skip(str(error))
    yield memory
    memory.close()


@pytest.fixture
def current(memory):
    """The same, current in the test's thread, and nothing of the test left in it afterwards."""
    memory.enter()
    before = memory.device_bytes, memory.pinned_bytes
    yield memory
    memory.enter()
    memory.synchronize()
    assert (memory.device_bytes, memory.pinned_bytes) == before


@pytest.fixture
def on_cuda(memory):
    """ONNX Runtime can use GPU 0."""
    onnxruntime = pytest.importorskip('onnxruntime')
    if 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
        pytest.skip('needs onnxruntime-gpu')
