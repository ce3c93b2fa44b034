# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The doctor explains why it does not choose an engine whose library is installed."""

from __future__ import annotations

import importlib
import sys

import pytest

from trt_segmentation.commands.doctor.choice import choose_engine
from trt_segmentation.engines.nvidia_driver import Driver, DriverGpu

choice = importlib.import_module('trt_segmentation.commands.doctor.choice')
A_GPU = Driver('580.65.06', (13, 0), (DriverGpu('NVIDIA H200', (9, 0), 140 << 30, False),))


@pytest.fixture(autouse=True)
def no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, 'tensorrt_or_why_not', lambda: ('', 'libnvinfer is not here'))
    monkeypatch.setattr(choice, 'absent', lambda *names: [])


def test_tensorrt_whose_library_does_not_load_says_so() -> None:
    assert choose_engine(A_GPU).why_not['tensorrt'] == 'libnvinfer is not here'


def test_onnxruntime_without_cuda_is_not_used_for_the_gpu(monkeypatch: pytest.MonkeyPatch
                                                          ) -> None:
    import onnxruntime
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    found = choose_engine(A_GPU)
    assert found.why_not['onnxruntime-cuda'] == (
        f'ONNX Runtime {onnxruntime.__version__} was built without CUDA')
    assert found.taken == 'onnxruntime-cpu'


def test_onnxruntime_that_cannot_be_imported_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    found = choose_engine(A_GPU)
    assert 'ONNX Runtime cannot be imported: ' in found.why_not['onnxruntime-cuda']
    assert found.taken == ''
