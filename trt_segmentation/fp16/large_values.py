# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find the values of a network that FP16 cannot hold."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper, TensorProto

from .tensor_types import add_types, element_types, open_session, run_session

FP16_MAX = 65504.0
"""The largest number of FP16. Values from 65520 on become infinite."""
FP32_MAX = float(np.finfo(np.float32).max)
Tensor = npt.NDArray[Any]


class LargestValues:
    """Measures the largest absolute value of each FP32 tensor that a network computes.

    Each call of :meth:`measure` runs the network on one more input tensor.

    :param model: network with one input.
    :raises GraphError: if ONNX Runtime cannot load the network.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        types = element_types(add_types(model))
        self._names = [name for node in model.graph.node for name in node.output
                       if types.get(name) == TensorProto.FLOAT]
        self._input = model.graph.input[0].name
        probed = deepcopy(model)
        del probed.graph.output[:]
        for name in self._names:        # add two outputs for each tensor
            for operator, output in (('ReduceMin', f'{name}.smallest value'),
                                     ('ReduceMax', f'{name}.largest value')):
                probed.graph.node.append(helper.make_node(operator, [name], [output], keepdims=0))
                probed.graph.output.append(
                    helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
        # A network in FP16 may compute no FP32 tensor. Then there is nothing to measure.
        self._session: Any = open_session(probed) if self._names else None
        self._largest = np.zeros(len(self._names))

    def measure(self, tensor: Tensor) -> None:
        """Run the network on an input tensor, and update the largest values.

        :raises GraphError: if the network does not run.
        """
        if self._session is None:
            return
        found = run_session(self._session, {self._input: tensor})
        ends = np.abs(np.asarray(found, np.float64).reshape(-1, 2)).max(1)
        # The largest values are written to JSON, which has no infinity and no NaN. So infinity and
        # NaN count as the largest number of FP32.
        ends = np.nan_to_num(ends, nan=FP32_MAX, posinf=FP32_MAX)
        self._largest = np.maximum(self._largest, ends)

    def above_fp16(self) -> dict[str, float]:
        """Map the name of each tensor above :data:`FP16_MAX` to its largest absolute value."""
        return {name: float(value) for name, value in zip(self._names, self._largest)
                if value > FP16_MAX}


def find_large_weights(model: onnx.ModelProto) -> dict[str, float]:
    """Map the name of each FP32 weight above :data:`FP16_MAX` to its largest absolute value."""
    found = {}
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            largest = float(np.max(np.abs(numpy_helper.to_array(tensor)), initial=0))
            if largest > FP16_MAX:
                found[tensor.name] = largest
    return found


def find_nodes_of(model: onnx.ModelProto, tensors: Collection[str]) -> tuple[str, ...]:
    """Names of the nodes that read or write one of the tensors, in the order of the graph."""
    wanted = set(tensors)
    return tuple(node.name for node in model.graph.node
                 if wanted.intersection((*node.input, *node.output)))
