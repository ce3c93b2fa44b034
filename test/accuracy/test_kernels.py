# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Count the kernels of plans, and name the nodes that did not become INT8."""

import json

import pytest

from trt_segmentation.accuracy.kernels import compare_kernels
from trt_segmentation.engines.plan import Layer, Plan, to_json


def kernel(precision, *nodes):
    return Layer('+'.join(nodes), 'correlation', (precision,), (precision,), nodes)


def plan(precision, *layers, kind='built'):
    return Plan(b'', {'precision': precision, 'layers_are': kind, 'layers': to_json(layers)})


SHAPES = Layer('shapes', 'shape_call', (), ())
FP16 = plan('fp16', SHAPES, kernel('fp16', '/a', '/relu'), kernel('fp16', '/b'))


def test_nodes_that_did_not_become_int8_are_named(tmp_path):
    """TensorRT may run a node in FP16 although the graph asks for INT8."""
    built = plan('int8', SHAPES, kernel('fp32', '/q'), kernel('int8', '/a', '/relu'),
                 kernel('fp32', '/a'), kernel('fp16', '/b'))
    report = compare_kernels(built, FP16, ['/a', '/b', '/gone'])
    assert report is not None and report.is_probably_slower
    assert report.not_int8 == {'/b': 'fp16', '/gone': ''}
    assert report.lines() == [
        'kernels: 4 with int8 (2 fp32, 1 int8, 1 fp16), 2 with fp16 (2 fp16)',
        '2 of 3 nodes that should be int8 are not: /b (fp16), /gone (not listed)',
        'warning: int8 will probably be slower than fp16, because its plan has 2 more kernels. '
        'Measure both precisions with `trt_seg bench`, or build fp16']
    report.write(tmp_path)
    tree = json.loads((tmp_path / 'kernels.json').read_text())
    assert tree.pop('written_by')
    assert tree == {'int8': {'kernels': 4, 'precisions': {'fp32': 2, 'int8': 1, 'fp16': 1}},
                    'fp16': {'kernels': 2, 'precisions': {'fp16': 2}}, 'asked_for_int8': 3,
                    'not_int8': {'/b': 'fp16', '/gone': ''}, 'probably_slower': True}


def test_the_counts_add_up_to_all_kernels():
    fill = Layer('fill', 'kgen', (), ('int32',))
    report = compare_kernels(plan('int8', SHAPES, fill, kernel('int8', '/a')), FP16, ['/a'])
    assert report is not None
    assert report.lines()[0] == 'kernels: 2 with int8 (1 int8, 1 other), 2 with fp16 (2 fp16)'


def test_a_plan_without_more_kernels_has_no_warning():
    report = compare_kernels(plan('mixed', kernel('int8', '/a'), kernel('int8', '/b')), FP16,
                             ['/a', '/b'])
    assert report is not None and report.lines() == [
        'kernels: 2 with mixed (2 int8), 2 with fp16 (2 fp16)',
        'all 2 nodes that should be int8 are int8']


@pytest.mark.parametrize('int8,fp16', [(plan('int8', kind='as parsed'), FP16),
                                       (plan('int8'), plan('fp16', kind='as parsed'))])
def test_without_a_listing_nothing_is_known(int8, fp16):
    assert compare_kernels(int8, fp16, ['/a']) is None
