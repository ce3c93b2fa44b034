# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Balance the channels that depthwise convolutions read, so that INT8 loses less precision.

All channels of an activation share one INT8 scale. So a channel with small values uses few of
the 256 INT8 values. But the weights of a depthwise convolution have one scale for each channel. So
this module multiplies each channel of the input by a factor, and divides the weights of this
channel by the same factor. The weights lose no precision, and all channels use about the same
number of INT8 values. The factors are powers of two, so the FP32 output of the network stays
exactly the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper, TensorProto

from ..errors import GraphError
from ..fp16.large_values import FP16_MAX
from ..fp16.tensor_types import add_types, open_session, run_session

MAX_RATIO = 2.0 ** 6
"""In one convolution, the largest factor is at most this many times the smallest factor."""
Exponents = Mapping[str, Sequence[int]]
"""Maps the name of a depthwise convolution to one exponent for each channel. The factor of a
channel is 2 to the power of its exponent."""
Tensor = npt.NDArray[Any]


def find_depthwise(model: onnx.ModelProto) -> dict[str, str]:
    """Find the depthwise convolutions with constant FP32 weights.

    :returns: maps the name of each convolution to the name of its input tensor.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer
               if tensor.data_type == TensorProto.FLOAT}
    return {node.name: node.input[0] for node in model.graph.node
            if node.op_type == 'Conv' and node.input[0] not in weights
            and node.input[1] in weights and _is_depthwise(node, weights[node.input[1]])}


def _is_depthwise(node: onnx.NodeProto, weight: onnx.TensorProto) -> bool:
    group = next((a.i for a in node.attribute if a.name == 'group'), 1)
    return group > 1 and group == weight.dims[0] and weight.dims[1] == 1


class ChannelMaxima:
    """Measures the largest absolute value of each channel that a depthwise convolution reads.

    :param model: FP32 network with one input.
    :raises GraphError: if ONNX Runtime cannot load the network.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._depthwise = find_depthwise(model)
        self._input = model.graph.input[0].name
        self._names = list(dict.fromkeys(self._depthwise.values()))
        self._maxima: dict[str, Tensor] = {}
        probed = add_types(model)
        del probed.graph.output[:]
        for name in self._names:
            probed.graph.node.extend([
                helper.make_node('Abs', [name], [f'{name}.abs']),
                helper.make_node('GlobalMaxPool', [f'{name}.abs'], [f'{name}.channels'])])
            probed.graph.output.append(helper.make_tensor_value_info(
                f'{name}.channels', TensorProto.FLOAT, None))
        self._session: Any = open_session(probed) if self._names else None

    def measure(self, tensor: Tensor) -> None:
        """Run the network on an input tensor, and update the maxima.

        :raises GraphError: if ONNX Runtime cannot run the network.
        """
        if self._session is None:
            return
        for name, values in zip(self._names, run_session(self._session, {self._input: tensor})):
            channels = values.reshape(len(values), values.shape[1]).max(0)
            self._maxima[name] = np.maximum(self._maxima.get(name, 0), channels)

    def exponents(self) -> dict[str, list[int]]:
        """Return the exponents of each depthwise convolution that needs balancing.

        The median of the exponents is 0. So most weights keep their size, and FP16 can still hold
        the INT8 scales of the weights. The result does not contain a convolution if all exponents
        of the convolution are equal, or if FP16 cannot hold the values of the input.
        """
        found = {}
        for node, name in self._depthwise.items():
            maxima = self._maxima.get(name, np.zeros(0))
            largest = maxima.max(initial=0)
            if not 0 < largest <= FP16_MAX:
                continue
            ratio = largest / np.maximum(maxima, largest / MAX_RATIO)
            exponents = np.floor(np.log2(ratio) + 1e-6).astype(int)
            if exponents.any():
                found[node] = (exponents - int(np.median(exponents))).tolist()
        return found


def balance_channels(model: onnx.ModelProto, exponents: Exponents) -> onnx.ModelProto:
    """Multiply the input channels of depthwise convolutions by factors, and divide the weights.

    The input of a depthwise convolution often comes from a ReLU, and the input of the ReLU comes
    from an earlier convolution. If no other node reads the inputs of the depthwise convolution
    and of the ReLU, the weights of the earlier convolution are multiplied by the factors. In all
    other cases, a Mul node is added before the depthwise convolution.

    :returns: a new model with the same FP32 output; ``model`` itself if ``exponents`` is empty.
    :raises GraphError: if a node is missing or is not depthwise, or if its number of channels
        differs from its number of exponents.
    """
    if not exponents:
        return model
    balanced = deepcopy(model)
    editor = _Editor(balanced, find_depthwise(model))
    for name, powers in exponents.items():
        editor.balance(name, np.exp2(np.asarray(powers, np.float32)))
    editor.finish()
    return balanced


class _Editor:
    """Changes the nodes and the weights of one model."""

    def __init__(self, model: onnx.ModelProto, depthwise: Mapping[str, str]) -> None:
        self._graph, self._depthwise = model.graph, depthwise
        self._nodes = {node.name: node for node in self._graph.node}
        self._made_by = {name: node for node in self._graph.node for name in node.output}
        self._weights = {tensor.name: tensor for tensor in self._graph.initializer}
        self._readers = Counter(name for node in self._graph.node for name in node.input)
        self._readers.update(output.name for output in self._graph.output)
        self._added: dict[str, onnx.NodeProto] = {}

    def balance(self, name: str, factors: npt.NDArray[np.float32]) -> None:
        node = self._nodes.get(name)
        if node is None or name not in self._depthwise:
            raise GraphError(f'the calibration balances the channels of {name}, but the network '
                             f'has no depthwise convolution of this name. Calibrate again')
        weight = numpy_helper.to_array(self._weights[node.input[1]])
        if len(weight) != len(factors):
            raise GraphError(f'the calibration has {len(factors)} factors for {name}, but {name} '
                             f'has {len(weight)} channels. Calibrate again')
        node.input[1] = self._store(f'{name}.balanced', weight / factors.reshape(-1, 1, 1, 1))
        if (source := self._foldable(node.input[0])) is not None:
            self._fold(source, factors)
            return
        factor = self._store(f'{name}.factors', factors.reshape(1, -1, 1, 1))
        output = f'{name}.balanced input'
        self._added[name] = helper.make_node('Mul', [node.input[0], factor], [output],
                                             f'{name}.balance')
        node.input[0] = output

    def _foldable(self, activation: str) -> onnx.NodeProto | None:
        """Return the earlier convolution if its weights can be multiplied, else None."""
        relu = self._made_by.get(activation)
        if relu is None or relu.op_type != 'Relu' or self._readers[activation] != 1:
            return None
        source = self._made_by.get(relu.input[0])
        if source is None or source.op_type != 'Conv' or self._readers[relu.input[0]] != 1:
            return None
        constant = all(name in self._weights for name in source.input[1:])
        return source if constant and len(source.input) > 1 else None

    def _fold(self, source: onnx.NodeProto, factors: npt.NDArray[np.float32]) -> None:
        for index, name in enumerate(source.input[1:], 1):
            values = numpy_helper.to_array(self._weights[name])
            shaped = factors.reshape(-1, *[1] * (values.ndim - 1))
            source.input[index] = self._store(f'{source.name}.balanced {index}', values * shaped)

    def _store(self, name: str, values: npt.NDArray[Any]) -> str:
        tensor = numpy_helper.from_array(np.asarray(values, np.float32), name)
        self._graph.initializer.append(tensor)
        self._weights[name] = tensor
        return name

    def finish(self) -> None:
        """Put the added nodes before their readers, and remove the weights that nothing reads."""
        nodes = [some for node in self._graph.node
                 for some in (self._added.get(node.name), node) if some is not None]
        kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        read = {name for node in kept for name in node.input}
        weights = [tensor for tensor in self._graph.initializer if tensor.name in read]
        del self._graph.node[:], self._graph.value_info[:]
        self._graph.node.extend(kept)
        weights = [onnx.TensorProto.FromString(t.SerializeToString()) for t in weights]
        del self._graph.initializer[:]
        self._graph.initializer.extend(weights)
