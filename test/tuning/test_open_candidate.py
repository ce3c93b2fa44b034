# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A network is opened as a candidate describes. Only a network with attention has fused layers."""

import sys

import numpy as np
import onnx
import pytest
from segmentation_networks import CLASSES, lraspp, save
from transformer_networks import count_nodes, run, segformer, vision_transformer

from trt_segmentation.errors import EngineError
from trt_segmentation.model.card import InputCard, ModelCard, spread_palette
from trt_segmentation.tuning import open_candidate
from trt_segmentation.tuning.candidates import CANDIDATES, FIRST, FUSED, PLAIN
from trt_segmentation.tuning.open_candidate import choose_first, fuse_network


@pytest.fixture
def make_card(tmp_path):
    def make(model, **sides):
        path = save(model, tmp_path / 'network.onnx')
        return ModelCard('network', path, tuple('abcde'), spread_palette(CLASSES),
                         InputCard(**sides))
    return make


@pytest.mark.parametrize('network,names', [
    (segformer, FIRST + FUSED), (lraspp, FIRST)])
def test_only_a_network_with_attention_is_measured_with_fused_layers(make_card, network, names):
    assert choose_first(make_card(network())) == names


def test_without_the_onnx_package_the_error_tells_how_to_install_it(make_card, monkeypatch):
    card = make_card(segformer())
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(EngineError, match=r'without the Python package onnx\. To fuse them, '
                                          r'install it with: .* -m pip install onnx'):
        fuse_network(card)


def test_a_file_that_cannot_be_read_has_no_attention(make_card):
    card = make_card(segformer())
    card.model.write_bytes(b'\xff' * 20)
    assert choose_first(card) == FIRST
    card.model.unlink()
    assert choose_first(card) == FIRST


def test_the_fused_network_has_the_same_output_and_the_size_in_the_card(make_card):
    model = segformer()
    before = run(model)
    for side, name in zip(model.graph.input[0].type.tensor_type.shape.dim, 'bchw'):
        if name != 'c':
            side.dim_param = name
    fused = onnx.load_from_string(fuse_network(make_card(model, height=64, width=96)))
    assert count_nodes(fused)['MultiHeadAttention'] == 2
    assert [side.dim_value for side in fused.graph.input[0].type.tensor_type.shape.dim] == [
        1, 3, 64, 96]
    assert np.abs(run(fused) - before).max() < 1e-5


def test_a_network_whose_attention_has_a_mask_is_refused(make_card):
    card = make_card(vision_transformer(masked=True))
    assert choose_first(card) == FIRST + FUSED
    with pytest.raises(EngineError, match=r'network\.onnx has no layers that can be fused'):
        fuse_network(card)


@pytest.mark.parametrize('name', [PLAIN, FUSED[3]])
def test_the_engine_gets_the_options_and_the_network(make_card, monkeypatch, name):
    opened = []
    monkeypatch.setattr(open_candidate, 'OnnxRuntimeCuda',
                        lambda *arguments, network: opened.append((*arguments, network)))
    card = make_card(segformer())
    open_candidate.open_candidate(card, 1, 7, name)
    ((*arguments, network),) = opened
    assert arguments == [card, 1, 7, CANDIDATES[name].options]
    assert network == (fuse_network(card) if CANDIDATES[name].fused else b'')
