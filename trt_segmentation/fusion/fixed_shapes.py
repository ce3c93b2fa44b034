# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Gives a network a fixed input shape, and computes the values that depend only on this shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]

FOLDED = frozenset([
    'Add', 'Cast', 'Concat', 'ConstantOfShape', 'Div', 'Equal', 'Expand', 'Gather', 'Mul', 'Range',
    'Reshape', 'Slice', 'Sqrt', 'Squeeze', 'Sub', 'Unsqueeze', 'Where'])
"""Exported networks compute shapes and the scale of attention layers with these operators."""
MOST_NUMBERS = 64
"""A node with an operator of :data:`FOLDED` is computed here only if each of its inputs is a
constant with at most this many numbers."""


def fix_shapes(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Fix the shapes of a model's inputs, and turn nodes with constant outputs into weights.

    Only simple nodes become weights; see :data:`FOLDED` and :data:`MOST_NUMBERS`. Identity nodes
    are deleted. Old ONNX files list the weights among the inputs. This function removes the
    weights from the inputs.

    :param model: a model without inner graphs, such as the branches of an If node. This function
        changes the model.
    :param shapes: maps the name of each input to its shape.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    for value in graph.input:
        for side, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ())):
            side.dim_value = size
    for value in graph.output:
        for side in value.type.tensor_type.shape.dim:
            if not side.dim_value:
                side.Clear()
    del graph.value_info[:]     # the shapes in this list may be dynamic
    _delete_identities(graph)
    inferred = infer_shapes(model)
    outputs = {value.name for value in graph.output}
    left = []
    for node in graph.node:
        value = None if outputs.intersection(node.output) else _compute(node, weights, inferred)
        if value is None:
            left.append(node)
        else:
            weights[node.output[0]] = numpy_helper.from_array(value, node.output[0])
    del graph.node[:], graph.initializer[:]
    graph.node.extend(left)
    graph.initializer.extend(weights.values())


def infer_shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """Map the name of each tensor to its shape. An unknown dimension is None."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {value.name: tuple(side.dim_value or None for side in value.type.tensor_type.shape.dim)
            for value in (*graph.input, *graph.value_info, *graph.output)}


def _delete_identities(graph: onnx.GraphProto) -> None:
    outputs = {value.name for value in graph.output}
    same = {node.output[0]: node.input[0] for node in graph.node
            if node.op_type == 'Identity' and node.output[0] not in outputs}
    left = [node for node in graph.node if node.output[0] not in same]
    for node in left:
        for index, name in enumerate(node.input):
            while name in same:
                name = same[name]
            node.input[index] = name
    del graph.node[:]
    graph.node.extend(left)


def _compute(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto],
             shapes: Mapping[str, Shape]) -> Array | None:
    """Return the output of a node; None if the node is not computed here, see :data:`FOLDED`."""
    if node.op_type == 'Constant' and node.attribute[0].name == 'value':
        return numpy_helper.to_array(node.attribute[0].t)
    if node.op_type == 'Shape' and not node.attribute:
        shape = shapes.get(node.input[0], (None,))
        return None if None in shape else np.array(shape, np.int64)
    values = {}
    for name in filter(None, node.input):
        if node.op_type not in FOLDED or name not in weights:
            return None
        value = numpy_helper.to_array(weights[name])
        if value.size > MOST_NUMBERS:
            return None
        values[name] = value
    if not values:
        return None
    (output,) = ReferenceEvaluator(node).run(None, values)
    return np.asarray(output)
