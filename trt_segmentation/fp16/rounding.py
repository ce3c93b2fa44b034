# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Change a network so that its values on a CPU are rounded like FP16 values on a GPU."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

from .tensor_types import add_types, element_types

_EXACT = ('DequantizeLinear', 'Constant')
"""Operators whose FP16 outputs are not rounded here. The value of a Constant is already an FP16
number. TensorRT computes DequantizeLinear inside an INT8 kernel, and stores no FP16 output."""


def round_like_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network whose values on a CPU are rounded, or overflow, as in FP16 on a GPU.

    On most CPUs, ONNX Runtime computes FP16 operators in FP32, and does not round the values
    between two such operators. So a value above 65504, the largest FP16 number, would stay finite.
    The returned network computes in FP32, and rounds every FP16 value with two Cast nodes. ONNX
    Runtime does not remove these nodes.

    :returns: a new model; ``model`` itself if no tensor is FP16, if an input or output is FP16,
        or if a node contains a graph.
    """
    typed = add_types(model)
    types = element_types(typed)
    half = {name for name, kind in types.items() if kind == TensorProto.FLOAT16}
    ends = {value.name for value in (*model.graph.input, *model.graph.output)}
    if not half or half & ends or any(a.HasField('g') or a.graphs
                                      for node in model.graph.node for a in node.attribute):
        return model
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    del rounded.graph.value_info[:], rounded.graph.node[:]
    for tensor in rounded.graph.initializer:
        _widen(tensor)
    for node in model.graph.node:
        rounded.graph.node.extend(_round_outputs(node, half))
    return rounded


def _round_outputs(node: onnx.NodeProto, half: set[str]) -> list[onnx.NodeProto]:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    for attribute in copy.attribute:
        if attribute.HasField('t'):
            _widen(attribute.t)
    made = [copy]
    for index, name in enumerate(node.output):
        if name in half and node.op_type not in _EXACT:
            exact, stored = f'{name}.exact', f'{name}.fp16'
            is_cast = node.op_type == 'Cast'
            copy.output[index] = stored if is_cast else exact
            if not is_cast:
                made.append(helper.make_node('Cast', [exact], [stored], f'{name} to fp16',
                                             to=TensorProto.FLOAT16))
            made.append(helper.make_node('Cast', [stored], [name], f'{name} to fp32',
                                         to=TensorProto.FLOAT))
    return made


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT16:
        tensor.CopyFrom(numpy_helper.from_array(
            numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
