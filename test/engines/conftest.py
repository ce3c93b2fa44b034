# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0

from types import SimpleNamespace

import pytest
import segmentation_networks
from simulated_engines import CLASSES, make_plan, Memory, STREAM
import simulated_tensorrt

from trt_segmentation.model.card import InputCard, ModelCard, spread_palette


@pytest.fixture
def trt(card, memory):
    """Import the package's TensorRT modules with the simulation. ``open`` opens a plan."""
    with simulated_tensorrt.imported():
        from trt_segmentation.builder import build, open_engine
        from trt_segmentation.engines import loaded_plan, tensorrt, tensorrt_engine

        def open_plan(plan, its_card=card, warn=lambda line: None, kernels=None):
            return tensorrt_engine.TensorRtEngine(
                loaded_plan.LoadedPlan(plan, its_card, warn, kernels), STREAM, memory.allocate,
                memory.free)
        yield SimpleNamespace(build=build, open_engine=open_engine, tensorrt=tensorrt,
                              tensorrt_engine=tensorrt_engine, open=open_plan)


@pytest.fixture
def model(tmp_path):
    return segmentation_networks.save(segmentation_networks.lraspp(), tmp_path / 'lraspp.onnx')


@pytest.fixture
def card(model):
    return ModelCard('lraspp', model, tuple('abcde'), spread_palette(CLASSES),
                     InputCard(height=64, width=96))


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def engine(trt, card):
    return trt.open(make_plan(trt, card))
