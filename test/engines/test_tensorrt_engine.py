# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Contexts, memory and weights of engines on a simulated TensorRT."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from simulated_engines import bind, expected, make_plan, noise, run, STREAM
import simulated_tensorrt

from trt_segmentation.errors import EngineError
from trt_segmentation.gpu.settings import GpuSettings

ONE = 3 * 64 * 96
"""Bytes of activations that the simulation needs for one image."""


def process():
    return simulated_tensorrt.PROCESS


def capture(binding):
    with simulated_tensorrt.capture() as graph:
        binding.enqueue(STREAM)
    return graph


def activations(engine, memory, *counts):
    """Return the sizes of all blocks of memory after a question for each batch size."""
    for count in counts:
        engine.output_shape(count)
    return memory.sizes()


def test_every_captured_graph_keeps_its_context(engine, memory, model):
    images = [noise(1, seed) for seed in range(3)]
    bound = [bind(engine, memory, image) for image in images]
    graphs = [capture(binding) for binding, _ in bound]
    for number in (0, 2, 1):
        graphs[number].launch()
    for image, (_, read_output) in zip(images, bound):
        np.testing.assert_allclose(read_output(), expected(model, image), atol=1e-4)


def test_bindings_made_after_a_capture_leave_its_context_alone(engine, memory, model):
    image = noise(1)
    binding, read_output = bind(engine, memory, image)
    graph = capture(binding)
    for count in (1, 4):
        np.testing.assert_allclose(run(engine, memory, noise(count, count)),
                                   expected(model, noise(count, count)), atol=1e-4)
    graph.launch()
    np.testing.assert_allclose(read_output(), expected(model, image), atol=1e-4)


def test_only_the_shapes_in_use_get_memory(engine, memory):
    assert activations(engine, memory, 1) == [ONE]


def test_batch_sizes_share_one_block_if_the_largest_comes_first(engine, memory):
    assert activations(engine, memory, 4, 1, 2) == [4 * ONE]


def test_block_that_no_binding_uses_is_replaced(engine, memory):
    assert activations(engine, memory, 1, 2, 4) == [4 * ONE]


def test_block_of_a_captured_graph_stays(engine, memory):
    binding, _ = bind(engine, memory, noise(1))
    capture(binding)
    tensors = memory.sizes()
    tensors.remove(ONE)
    assert activations(engine, memory, 4) == sorted([*tensors, ONE, 4 * ONE])
    engine.close()
    assert memory.sizes() == tensors


def test_pipeline_of_one_camera_reserves_one_image(engine, memory):
    """These are the questions of gpu/compute.py, in its order."""
    from trt_segmentation.gpu.compute import run_sizes
    sizes = run_sizes(engine, GpuSettings.max_batch)
    assert engine.can_be_captured() and sizes == [1]
    assert activations(engine, memory, sizes[-1], *sizes) == [ONE]


def test_closed_engine_frees_everything_although_bindings_are_held(engine, memory):
    binding, _ = bind(engine, memory, noise(1))
    tensors = memory.sizes()
    tensors.remove(ONE)
    assert len(process().engines) == 1
    engine.close()
    engine.close()
    assert memory.sizes() == tensors
    assert not process().engines
    with pytest.raises(EngineError, match='is closed; open it again'):
        binding.enqueue(STREAM)
    with pytest.raises(EngineError, match='is closed; open it again'):
        engine.bind(1, 256, 256)


@pytest.fixture
def kernels(monkeypatch):
    """Keep compiled kernels in a list, and note each compilation."""
    from trt_segmentation.engines.kernel_cache import KernelCache
    monkeypatch.setattr(simulated_tensorrt, 'COMPILED', [])
    return KernelCache(lambda: b'', lambda data: None)


@pytest.fixture
def rtx(card, memory):
    with simulated_tensorrt.imported(rtx=True):
        from trt_segmentation.builder import build, open_engine
        from trt_segmentation.engines.loaded_plan import LoadedPlan
        from trt_segmentation.engines.tensorrt_engine import TensorRtEngine

        def open_plan(kernels):
            plan = make_plan(SimpleNamespace(build=build, open_engine=open_engine), card)
            return TensorRtEngine(LoadedPlan(plan, card, kernels=kernels), STREAM,
                                  memory.allocate, memory.free)
        yield SimpleNamespace(open=open_plan)


def test_contexts_are_freed_before_the_kernels_that_they_use(rtx, memory, kernels):
    engine = rtx.open(kernels)
    binding, _ = bind(engine, memory, noise(1))
    binding.enqueue(STREAM)
    engine.close()
    assert process().caches_freed_too_early == 0


def test_shared_engines_share_weights_and_kernels_but_no_memory(rtx, memory, model, kernels):
    first = rtx.open(kernels)
    second = first.share(STREAM + 1)
    images = noise(1, 1), noise(1, 2)
    for engine, image in zip((first, second), images):
        np.testing.assert_allclose(run(engine, memory, image), expected(model, image), atol=1e-4)
    assert len(process().engines) == 1
    assert memory.sizes().count(ONE) == 2
    assert simulated_tensorrt.COMPILED == [(1, 3, 64, 96)]
    first.close()
    np.testing.assert_allclose(run(second, memory, images[0]), expected(model, images[0]),
                               atol=1e-4)
    second.close()
    assert not process().engines and process().caches_freed_too_early == 0
    assert ONE not in memory.sizes()


def test_pipeline_of_three_networks_loads_one_plan(trt, card, memory, monkeypatch):
    pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')
    from trt_segmentation.gpu import pipeline as gpu_pipeline
    from trt_segmentation.pipeline import open_pipeline
    plan = make_plan(trt, card)
    monkeypatch.setattr(trt.open_engine, 'open_engine', lambda *_: trt.open(plan))

    def open_networks(card, open_engine, gpu, settings, reason):
        return [open_engine(card, gpu, stream) for stream in range(settings.networks)]
    monkeypatch.setattr(gpu_pipeline, 'GpuPipeline', open_networks)
    engines: Any = open_pipeline(card, 'tensorrt', networks=3)
    assert len(engines) == 3 and len(process().engines) == 1
    for engine in reversed(engines):
        engine.close()
    assert not process().engines
