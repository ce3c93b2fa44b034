# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Plans that TensorRT refuses, or that this package refuses, on a simulated TensorRT."""

from dataclasses import replace

import pytest
import segmentation_networks
from simulated_engines import add_scatter, make_plan, SHAPES, STREAM
import simulated_tensorrt

from trt_segmentation.builder.cache import EngineCache
from trt_segmentation.builder.settings import Recipe
from trt_segmentation.engines.gpu_identity import GpuIdentity
from trt_segmentation.errors import EngineError, PlanRefused

OUT_OF_MEMORY = (
    'IRuntime::deserializeCudaEngine: Error Code 2: OutOfMemory (Requested size was 18874368 '
    'bytes.)',
    '[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)')
REFUSALS = (
    'IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Version tag does not match.)',
    'IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine plan file is '
    'generated on an incompatible device, expecting compute 8.9 got compute 8.6)')


@pytest.fixture
def start(trt, card, tmp_path):
    """Start an engine with a cache. ``lines`` gets the log lines."""
    def start(lines, its_card=card):
        return trt.open_engine.open_engine(
            its_card, 0, STREAM, Recipe('fp32', *SHAPES),
            cache=EngineCache(tmp_path / 'cache', log=lines.append),
            identity=lambda index: GpuIdentity('RTX 4090', 'sm_89', '580'),
            load=lambda plan, kernels: trt.open(plan, its_card))
    return start


@pytest.mark.parametrize('reason', OUT_OF_MEMORY)
def test_too_little_memory_is_no_reason_to_build_again(start, monkeypatch, reason):
    start([]).close()
    monkeypatch.setattr(simulated_tensorrt, 'REFUSAL', reason)
    lines = []
    with pytest.raises(EngineError, match=r'too little free memory.*nvidia-smi') as caught:
        start(lines)
    assert reason in str(caught.value) and not isinstance(caught.value, PlanRefused)
    assert lines == []
    monkeypatch.setattr(simulated_tensorrt, 'REFUSAL', '')
    start(lines).close()
    assert lines == []


@pytest.mark.parametrize('reason', REFUSALS)
def test_plan_of_another_version_or_gpu_is_built_again(start, monkeypatch, reason):
    start([]).close()
    monkeypatch.setattr(simulated_tensorrt, 'REFUSAL', reason)
    lines = []
    with pytest.raises(PlanRefused):
        start(lines)
    assert reason in lines[0] and 'so a new plan is needed' in lines[0]
    assert sum(line.startswith('built ') for line in lines) == 1


def test_plan_that_does_not_fit_the_card_is_not_built_again(start, card):
    start([]).close()
    lines = []
    with pytest.raises(EngineError, match='5 classes, but the model card names 2'):
        start(lines, replace(card, classes=('a', 'b')))
    assert lines == []


@pytest.mark.parametrize('name', ['image', 'logits'])
def test_tensor_that_is_not_linear_is_refused(trt, card, monkeypatch, name):
    plan = make_plan(trt, card)
    monkeypatch.setitem(simulated_tensorrt.FORMATS, name, simulated_tensorrt.TensorFormat.HWC8)
    with pytest.raises(EngineError, match=f'tensor {name} of the plan has the format HWC8'):
        trt.open(plan)


def test_standard_plugins_exist_for_the_parser_and_the_runtime(trt, tmp_path, card):
    model = add_scatter(segmentation_networks.lraspp())
    path = segmentation_networks.save(model, tmp_path / 'scatter.onnx')
    its_card = replace(card, model=path)
    plan = make_plan(trt, its_card)
    trt.open(plan, its_card).close()
    assert set(simulated_tensorrt.STANDARD_PLUGINS) <= set(simulated_tensorrt.PROCESS.plugins)
