# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""With a simulated TensorRT on the GPU, the GPU pipeline agrees with the host pipeline."""

import numpy as np
import pytest
import segmentation_networks
import simulated_tensorrt

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from trt_segmentation.frame import Frame
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import InputCard, ModelCard, spread_palette


@pytest.fixture
def on_gpu(monkeypatch):
    onnxruntime = pytest.importorskip('onnxruntime')
    if 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
        pytest.skip('needs onnxruntime-gpu')
    monkeypatch.setattr(simulated_tensorrt, 'PROVIDER', 'cuda')
    with simulated_tensorrt.imported():
        yield


def frames(count, seed=0):
    # These frames need no resize, because the GPU and the host round a resize differently. The
    # tests in test/gpu check resizes.
    rng = np.random.default_rng(seed)
    return [Frame(rng.integers(0, 256, 64 * 96 * 3, np.uint8), 'bgr8', 64, 96, 288)
            for _ in range(count)]


@pytest.mark.parametrize('graph', [True, False])
@pytest.mark.parametrize('family', segmentation_networks.FAMILIES)
def test_simulated_tensorrt_in_the_pipeline_gives_the_oracles_labels(
        tmp_path, on_gpu, family, graph):
    from trt_segmentation.builder.build import build_plan
    from trt_segmentation.builder.graph import input_shapes
    from trt_segmentation.builder.shapes import make_profile
    from trt_segmentation.engines.loaded_plan import LoadedPlan
    from trt_segmentation.engines.tensorrt_engine import TensorRtEngine
    from trt_segmentation.gpu.pipeline import GpuPipeline
    from trt_segmentation.gpu.settings import GpuSettings
    model = segmentation_networks.FAMILIES[family]()
    path = segmentation_networks.save(model, tmp_path / 'net.onnx')
    card = ModelCard(family, path, tuple('abcde'), spread_palette(5),
                     InputCard(height=64, width=96))
    plan, _ = build_plan(model, [make_profile(input_shapes(model), card.input, batch='1/2/4')])
    host = HostPipeline(card)
    pipeline = GpuPipeline(
        card, lambda card, gpu, stream: TensorRtEngine(
            LoadedPlan(plan, card), stream),
        settings=GpuSettings(graph=graph))
    try:
        for count in (1, 3, 1, 2):
            given = frames(count, count)
            pipeline.submit(given)
            host.submit(given)
            for segmentation, expected in zip(pipeline.collect(), host.collect(), strict=True):
                # The GPU sums in another order, so a logit may differ by 1e-5. A few pixels have
                # two almost equal logits and may get the other class.
                assert np.mean(segmentation.labels != expected.labels) < 0.001
                segmentation.release()
        assert pipeline.uses_graph == graph
        assert pipeline.identity.engine == 'tensorrt'
    finally:
        pipeline.close()
