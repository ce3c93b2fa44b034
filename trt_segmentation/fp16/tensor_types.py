# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the element type of every tensor of a graph, and runs graphs without optimisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import onnx
import onnxruntime

from ..errors import GraphError

_ELEMENTS = {'tensor(float)': onnx.TensorProto.FLOAT, 'tensor(float16)': onnx.TensorProto.FLOAT16,
             'tensor(double)': onnx.TensorProto.DOUBLE, 'tensor(bool)': onnx.TensorProto.BOOL,
             'tensor(int64)': onnx.TensorProto.INT64, 'tensor(int32)': onnx.TensorProto.INT32,
             'tensor(int8)': onnx.TensorProto.INT8, 'tensor(uint8)': onnx.TensorProto.UINT8}
"""Maps the name of an element type in ONNX Runtime to its number in ONNX."""


def add_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model, and add the type of every tensor to the copy.

    The type inference of ONNX stops at some operators, such as GroupNormalization of opset 18, 21
    and 23. Then ONNX does not know the types of later tensors. ONNX Runtime infers these types.

    :raises GraphError: if ONNX Runtime cannot load the model.
    """
    typed = onnx.shape_inference.infer_shapes(model)
    known = {value.name for value in (*typed.graph.value_info, *typed.graph.output)
             if value.type.tensor_type.elem_type}
    missing = [name for node in typed.graph.node for name in node.output
               if name and name not in known]
    if missing:
        unknown = set(missing)
        kept = [value for value in typed.graph.value_info if value.name not in unknown]
        del typed.graph.value_info[:]
        typed.graph.value_info.extend([*kept, *_ask_onnxruntime(typed, missing)])
    return typed


def element_types(typed: onnx.ModelProto) -> dict[str, int]:
    """Map the name of each tensor to its element type, a number of ``onnx.TensorProto``.

    :param typed: the result of :func:`add_types`.
    """
    found = {tensor.name: int(tensor.data_type) for tensor in typed.graph.initializer}
    for value in (*typed.graph.input, *typed.graph.value_info, *typed.graph.output):
        found[value.name] = int(value.type.tensor_type.elem_type)
    return found


def open_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Open a model on the CPU. ONNX Runtime does not optimise the graph.

    :raises GraphError: if ONNX Runtime cannot load the model.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options,
                                            providers=['CPUExecutionProvider'])
    except Exception as error:      # the exceptions of ONNX Runtime have no public base
        raise GraphError(f'ONNX Runtime cannot load the network: {error}') from error


def run_session(session: onnxruntime.InferenceSession, feeds: Mapping[str, Any],
                outputs: Sequence[str] | None = None) -> list[Any]:
    """Run a network and return its outputs.

    :param feeds: maps the name of each input to its array.
    :param outputs: names of the wanted outputs; None for all.
    :raises GraphError: if ONNX Runtime cannot run the network.
    """
    try:
        found: list[Any] = session.run(outputs, dict(feeds))
    except Exception as error:      # the exceptions of ONNX Runtime have no public base
        raise GraphError(f'ONNX Runtime cannot run the network: {error}') from error
    return found


def _ask_onnxruntime(model: onnx.ModelProto, names: list[str]) -> list[onnx.ValueInfoProto]:
    asked = deepcopy(model)
    already = {value.name for value in asked.graph.output}
    # ONNX Runtime accepts an output without a type, and infers the type.
    asked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names
                              if name not in already)
    return [onnx.helper.make_tensor_value_info(value.name, _ELEMENTS[value.type], value.shape)
            for value in open_session(asked).get_outputs()
            if value.name in set(names) and value.type in _ELEMENTS]
