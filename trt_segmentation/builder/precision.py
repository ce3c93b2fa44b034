# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Convert a graph to FP16, to INT8, or to an INT8 backbone with an FP16 head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import onnx
from onnx import numpy_helper, TensorProto
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16, DEFAULT_OP_BLOCK_LIST

from ..errors import GraphError
from ..fp16.large_values import find_large_weights, FP16_MAX
from ..fp16.tensor_types import add_types
from .backbone import find_backbone, WEIGHTED
from .graph import name_nodes, opset_version

FP16_SMALLEST_NORMAL = 6.1e-5
_OPSET = 19
"""Since this opset, QuantizeLinear and DequantizeLinear may have FP16 scales."""

Ranges = Mapping[str, tuple[float, float]]
"""Maps the tensor name of each activation to the activation's smallest and largest value."""


@dataclass(frozen=True)
class Split:
    """Which nodes become INT8 and which stay FP16.

    :param int8: names of the INT8 nodes, in the order of the graph.
    :param fp16: names of the nodes that could be INT8 but stay FP16.
    :param reason: tells the user why the INT8 nodes were chosen.
    :param fp32: names of the nodes that stay FP32, because FP16 cannot hold their values.
    """

    int8: tuple[str, ...]
    fp16: tuple[str, ...]
    reason: str
    fp32: tuple[str, ...] = ()


def quantisable_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of nodes that INT8 speeds up: nodes with constant weights, and sums of activations."""
    constants = {tensor.name for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        weighted = node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in constants
        residual = node.op_type == 'Add' and not constants.intersection(node.input)
        if weighted or residual:
            found.append(node.name)
    return found


def choose_int8_nodes(model: onnx.ModelProto, precision: str, keep_fp16: Sequence[str] = (),
                      keep_fp32: Collection[str] = ()) -> Split:
    """Choose the nodes that become INT8.

    :param precision: ``int8`` chooses every node that can be INT8. ``mixed`` chooses only the
        nodes of the backbone that can be INT8.
    :param keep_fp16: name patterns, with ``*`` and ``?``, of the nodes that stay FP16.
    :param keep_fp32: names of the nodes that stay FP32.
    :raises GraphError: if a pattern matches no node, if no INT8 node is left, or if ``mixed``
        finds no backbone.
    """
    names = [name for name in quantisable_nodes(model) if name not in keep_fp32]
    if precision == 'mixed':
        backbone, reason = find_backbone(model)
        chosen = [name for name in names if name in backbone]
    else:
        chosen, reason = names, 'every node with weights, and sums'
    for pattern in keep_fp16:
        if not any(fnmatchcase(node.name, pattern) for node in model.graph.node):
            raise GraphError(f'--keep-fp16 {pattern!r} matches no node. The nodes that can be '
                             f'INT8 are {", ".join(names)}')
    chosen = [name for name in chosen
              if not any(fnmatchcase(name, pattern) for pattern in keep_fp16)]
    if not chosen:
        raise GraphError(f'the network has {len(names)} nodes that can be INT8, but none of them '
                         f'may become INT8. Build fp16 instead')
    if keep_fp16:
        reason += f', without {", ".join(keep_fp16)}'
    return Split(tuple(chosen), tuple(n for n in names if n not in set(chosen)), reason,
                 tuple(keep_fp32))


def raise_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert a model to opset 19, or return the model itself if its opset is 19 or newer.

    :raises GraphError: if ONNX cannot convert the model.
    """
    version = opset_version(model)
    if version >= _OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, _OPSET)
    except Exception as error:      # the converter is C++ code and raises many types
        raise GraphError(f'opset {version} cannot be raised to {_OPSET}: {error}. Export again '
                         f'with opset_version={_OPSET}') from error


def convert_to_fp16(model: onnx.ModelProto,
                    keep_fp32: Collection[str] = ()) -> onnx.ModelProto:
    """Convert every layer to FP16. The inputs and outputs of the network keep their types.

    :param keep_fp32: names of the nodes that stay FP32.
    :returns: a new model.
    :raises GraphError: if a node outside ``keep_fp32`` has a weight that is too large for FP16.
    """
    read = {name for node in model.graph.node if node.name not in keep_fp32 for name in node.input}
    for name, largest in find_large_weights(model).items():
        if name in read:
            raise GraphError(f'{name} holds {largest:.4g}, but the largest FP16 number is '
                             f'{FP16_MAX:.0f}. Build fp32')
    # The default list of FP32 operators contains Resize, because old versions of ONNX Runtime run
    # Resize only in FP32. With the default list, if the last node is a Resize, the output of the
    # network would be declared as FP32, but hold FP16 data.
    converted = convert_float_to_float16(
        add_types(model), keep_io_types=True, max_finite_val=FP16_MAX, disable_shape_infer=True,
        op_block_list=[name for name in DEFAULT_OP_BLOCK_LIST if name != 'Resize'],
        node_block_list=list(keep_fp32))
    if keep_fp32:
        _join_fp32_nodes(converted, {node.name for node in model.graph.node})
    return _sorted(converted)


def _join_fp32_nodes(converted: onnx.ModelProto, old: Collection[str]) -> None:
    """Remove the casts that the converter has put between two nodes that stay FP32.

    ``old`` has the names of the nodes before the conversion. These nodes are not removed.

    Between two nodes that stay FP32, the converter puts a cast to FP16 and a cast back to FP32.
    In the first cast, values that are too large for FP16 would become infinite.
    """
    casts = {node.output[0]: node for node in converted.graph.node
             if node.op_type == 'Cast' and node.name not in old}
    for back in casts.values():
        first = casts.get(back.input[0])
        if first is None or first.attribute[0].i != TensorProto.FLOAT16:
            continue
        back.op_type, back.input[0] = 'Identity', first.input[0]
        del back.attribute[:]
    read = {name for node in converted.graph.node for name in node.input}
    for name in casts.keys() - read - {output.name for output in converted.graph.output}:
        converted.graph.node.remove(casts[name])


def convert_to_int8(model: onnx.ModelProto, ranges: Ranges, nodes: Sequence[str],
                    keep_fp32: Collection[str] = ()) -> onnx.ModelProto:
    """Convert some nodes to INT8 and the others to FP16.

    QuantizeLinear and DequantizeLinear nodes before a node mark the node as INT8. The
    quantisation is symmetric. Weights have one scale for each channel.

    :param ranges: ranges of all activations that the INT8 nodes read.
    :param nodes: names of the INT8 nodes, from :func:`choose_int8_nodes`.
    :returns: a new model.
    :raises GraphError: if a range is missing, or if the opset cannot be raised to 19.
    """
    return convert_to_fp16(quantise_nodes(model, ranges, nodes), keep_fp32)


def quantise_nodes(model: onnx.ModelProto, ranges: Ranges,
                   nodes: Sequence[str]) -> onnx.ModelProto:
    """Do the same as :func:`convert_to_int8`, but leave all nodes except ``nodes`` FP32."""
    copy = add_types(raise_opset(model))
    kinds = sorted({node.op_type for node in copy.graph.node if node.name in set(nodes)})
    missing = sorted(set(activations_read_by(copy, nodes)) - set(ranges))
    if missing:
        raise GraphError(f'the calibration has no range for {", ".join(missing)}. Calibrate again')
    limits = TensorsData(CalibrationMethod.MinMax, {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()})
    quantiser = QDQQuantizer(
        copy, per_channel=True, reduce_range=False, weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8, tensors_range=limits,
        nodes_to_quantize=list(nodes), nodes_to_exclude=[], op_types_to_quantize=kinds,
        extra_options={
            # TensorRT accepts neither zero points nor a quantised bias. TensorRT fuses best if
            # only the inputs of a layer are quantised.
            'ActivationSymmetric': True, 'WeightSymmetric': True, 'QuantizeBias': False,
            'AddQDQPairToWeight': True, 'DedicatedQDQPair': False,
            'OpTypesToExcludeOutputQuantization': kinds,
            'QDQDisableWeightAdjustForInt32Bias': True})
    quantiser.quantize_model()
    _free_main_branches(quantiser.model, find_main_branches(model, nodes))
    return _sorted(quantiser.model.model)


def find_main_branches(model: onnx.ModelProto, sums: Collection[str]) -> dict[str, str]:
    """Find the main branch of each residual sum: the input that must not be quantised.

    A residual sum is an Add node of two activations. A Q/DQ pair is a QuantizeLinear node followed
    by a DequantizeLinear node. If no Q/DQ pair stands between a convolution and the next sum,
    TensorRT fuses the convolution and the sum. The other input of the sum, the skip connection,
    keeps its Q/DQ pair.

    :param sums: names of nodes. Only the Add nodes among them are used.
    :returns: maps the name of each Add node to the name of its main branch. The main branch is
        the output of a node with weights, and only the Add node reads this output. If both inputs
        are such outputs, the later one in the graph is the main branch. An Add node without such
        an input is not in the result.
    """
    readers = Counter(name for node in model.graph.node for name in node.input)
    readers.update(output.name for output in model.graph.output)
    rank = {node.output[0]: index for index, node in enumerate(model.graph.node)
            if node.op_type in WEIGHTED and readers[node.output[0]] == 1}
    found = {}
    for node in model.graph.node:
        inputs = [name for name in node.input if name in rank]
        if node.op_type == 'Add' and node.name in sums and inputs:
            found[node.name] = max(inputs, key=rank.__getitem__)
    return found


def _free_main_branches(quantised: ONNXModel, branches: Mapping[str, str]) -> None:
    """Remove the Q/DQ pair between each Add node and its main branch."""
    made_by = {name: node for node in quantised.nodes() for name in node.output}
    pairs = {quantise.input[0]: (quantise, dequantise) for dequantise in made_by.values()
             if dequantise.op_type == 'DequantizeLinear'
             and (quantise := made_by.get(dequantise.input[0])) is not None}
    for node in list(quantised.nodes()):
        branch = branches.get(node.name, '')
        if branch in pairs:
            quantise, dequantise = pairs[branch]
            index = list(node.input).index(dequantise.output[0])
            node.input[index] = branch
            quantised.remove_nodes([quantise, dequantise])
    quantised.clean_initializers()


def activations_read_by(model: onnx.ModelProto, nodes: Collection[str]) -> list[str]:
    """Names of the activations that the given nodes read. An INT8 node needs their ranges."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return list(dict.fromkeys(
        name for node in model.graph.node if node.name in nodes
        for name in node.input if name and name not in constants))


def find_small_scales(model: onnx.ModelProto) -> list[str]:
    """Names of the quantisation scales that are too small for the full precision of FP16."""
    scales = {node.input[1] for node in model.graph.node if node.op_type == 'QuantizeLinear'}
    return [tensor.name for tensor in model.graph.initializer if tensor.name in scales
            and float(np.min(np.abs(numpy_helper.to_array(tensor)))) < FP16_SMALLEST_NORMAL]


def _sorted(model: onnx.ModelProto) -> onnx.ModelProto:
    # The converters append new nodes at the end, but parsers require topological order.
    wrapped = ONNXModel(model)
    wrapped.topological_sort()
    result: onnx.ModelProto = wrapped.model
    name_nodes(result)
    return result
