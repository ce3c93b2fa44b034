# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find the problems of an ONNX network: errors that stop a build, and warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import math

import numpy as np
import onnx
from onnx import numpy_helper, TensorProto

from ..errors import GraphError
from ..model.tensor import MOST_NUMBERS
from .graph import input_shapes, opset_version

OLDEST_OPSET = 13
"""Oldest opset without a warning. Older opsets lack per-channel quantisation, for example."""

CONTROL_FLOW = ('If', 'Loop', 'Scan')
DATA_DEPENDENT = ('NonZero', 'NonMaxSuppression', 'Unique', 'Compress')
RANDOM = ('RandomNormal', 'RandomUniform', 'RandomNormalLike', 'RandomUniformLike', 'Bernoulli',
          'Multinomial')


@dataclass(frozen=True)
class Finding:
    """A problem of a network.

    :param level: an ``error`` stops a build; a ``warning`` may mean less speed or accuracy.
    :param where: name of the node or tensor; empty for the whole file.
    :param text: the problem, and what the user should do.
    """

    level: str
    where: str
    text: str

    def __str__(self) -> str:
        return f'{self.level}: {self.where + ": " if self.where else ""}{self.text}'


def check_model(model: onnx.ModelProto,
                supports_operator: Callable[[str], bool] = lambda operator: True
                ) -> list[Finding]:
    """Find the problems of a network.

    :param supports_operator: tells whether TensorRT's parser of ONNX files supports an operator.
    :returns: the errors first, then the warnings.
    """
    found = [*_check_file(model), *_check_inputs(model), *_check_weights(model)]
    for node in model.graph.node:
        found.extend(_check_node(node, supports_operator))
    return sorted(found, key=lambda finding: finding.level != 'error')


def refuse_errors(findings: list[Finding]) -> None:
    """Refuse a network with errors.

    :raises GraphError: if any finding is an error. The message has one line for each error.
    """
    errors = [str(finding) for finding in findings if finding.level == 'error']
    if errors:
        raise GraphError('\n'.join(errors))


def _check_file(model: onnx.ModelProto) -> Iterator[Finding]:
    version = opset_version(model)
    if version < OLDEST_OPSET:
        yield Finding('warning', '', f'opset {version} splits operators into nodes that TensorRT '
                      f'fuses badly. Export again with opset_version=17 or newer')
    if not model.graph.node:
        yield Finding('error', '', 'the graph has no nodes. Export the network again')


def _check_inputs(model: onnx.ModelProto) -> Iterator[Finding]:
    inputs = input_shapes(model)
    if len(inputs) != 1:
        yield Finding('error', '', f'the network has {len(inputs)} inputs '
                      f'({", ".join(inputs) or "none"}); expected one input, the image. Export '
                      f'the other inputs as constants')
    for name, shape in inputs.items():
        text = '×'.join(map(str, shape))
        if len(shape) != 4:
            yield Finding('error', name, f'shape {text} has {len(shape)} axes; expected 4, '
                          f'N×C×H×W or N×H×W×C')
        elif not {shape[1], shape[3]} & {1, 3}:
            yield Finding('error', name, f'shape {text} has neither 1 nor 3 channels. Only '
                          f'batch, height and width may be dynamic. Export again with 1 or 3 '
                          f'channels')
        elif math.prod(side for side in shape if isinstance(side, int)) > MOST_NUMBERS:
            yield Finding('error', name, f'shape {text} is larger than any camera image. Export '
                          f'with the size of your camera images or a smaller size')


def _check_weights(model: onnx.ModelProto) -> Iterator[Finding]:
    for tensor in _constant_tensors(model.graph):
        if tensor.data_type == TensorProto.DOUBLE:
            yield Finding('warning', tensor.name, 'the tensor holds 64-bit floats, but TensorRT '
                          'converts them to 32 bits. Call model.float() before the export')
        if tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16):
            bad = int(np.count_nonzero(~np.isfinite(numpy_helper.to_array(tensor))))
            if bad:
                yield Finding('error', tensor.name, f'{bad} weights are NaN or infinite, so the '
                              f'training has diverged. Export an earlier checkpoint')


def _constant_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the weights and constants of a graph, and of the graphs inside nodes such as If."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField('t'):
                yield attribute.t
            yield from attribute.tensors
            for inner in [attribute.g, *attribute.graphs]:
                yield from _constant_tensors(inner)


def _check_node(node: onnx.NodeProto,
                supports_operator: Callable[[str], bool]) -> Iterator[Finding]:
    operator = node.op_type
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if not supports_operator(operator):
        yield Finding('error', node.name, _explain_operator(node))
    if operator in CONTROL_FLOW:
        yield Finding('warning', node.name, f'{operator} is control flow, and a CUDA graph '
                      f'cannot contain control flow. Export with fixed sizes, so that the '
                      f'export removes the operator')
    elif operator in DATA_DEPENDENT:
        yield Finding('warning', node.name, f'the size of the output of {operator} depends on '
                      f'the image, and a CUDA graph cannot contain such an operator')
    elif operator in RANDOM:
        yield Finding('error', node.name, f'{operator} makes the network output random. Call '
                      f'model.eval() before the export')
    elif operator == 'BatchNormalization' and attributes.get('training_mode'):
        yield Finding('error', node.name, 'BatchNormalization is in training mode. Call '
                      'model.eval() before the export')
    elif operator == 'Resize' and attributes.get('antialias'):
        yield Finding('error', node.name, 'TensorRT does not support Resize with antialias=1. '
                      'Call interpolate(…, antialias=False) in the model')


def _explain_operator(node: onnx.NodeProto) -> str:
    if node.domain in ('', 'ai.onnx'):
        return (f'TensorRT does not support {node.op_type}. Replace this operator before the '
                f'export. If it is the last operator, export the network without it')
    remedy = ('Save the model before ONNX Runtime optimises it, or set the optimisation level of '
              'ONNX Runtime to ORT_ENABLE_BASIC' if node.domain == 'com.microsoft' else
              'Export without this operator, or first load a TensorRT plugin of this name')
    return f'{node.domain}.{node.op_type} is not a standard operator. {remedy}'
