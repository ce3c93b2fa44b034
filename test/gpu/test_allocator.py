# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A machine without a GPU gets a short reason. No GPU is needed."""

import pytest

from trt_segmentation.engines.nvidia_driver import Driver
from trt_segmentation.errors import EngineError


@pytest.mark.parametrize('why_not, reason', [
    ('there is no NVIDIA GPU here', 'there is no NVIDIA GPU here'),
    ('', '"cuda" is an NVIDIA driver library and can only be found via search')])
def test_a_machine_without_a_gpu_gets_the_reason_of_the_doctor(monkeypatch, why_not, reason):
    pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')
    from trt_segmentation.gpu import allocator

    def fail(*_):
        raise RuntimeError('"cuda" is an NVIDIA driver library and can only be found via search.')

    monkeypatch.setattr(allocator, 'call', fail)
    monkeypatch.setattr(allocator, 'ask_driver', lambda: Driver('', (0, 0), (), why_not))
    with pytest.raises(EngineError) as caught:
        allocator.open_device(0)
    assert str(caught.value) == (
        f'no NVIDIA GPU can be used here: {reason}. `nvidia-smi` lists the GPUs that the driver '
        'finds. If there is no GPU, use the engine onnxruntime-cpu')
