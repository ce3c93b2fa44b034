# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Precision written into the graph itself: FP16, INT8, and INT8 backbone with FP16 head."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, TensorProto
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16, DEFAULT_OP_BLOCK_LIST

from ..errors import GraphError
from .backbone import find_backbone, WEIGHTED
from .graph import name_nodes, opset

FP16_MAX = 65504.0
FP16_SMALLEST_NORMAL = 6.1e-5
_OPSET = 19
"""The first in which the scales of Q and DQ may be FP16."""

Ranges = Mapping[str, tuple[float, float]]
"""Smallest and largest value of every activation, by tensor name."""


@dataclass(frozen=True)
class Split:
    """Which nodes become INT8, in the order of the graph, and why just those."""

    int8: tuple[str, ...]
    fp16: tuple[str, ...]
    reason: str


def quantisable(model: onnx.ModelProto) -> list[str]:
    """Nodes INT8 is worth it for: those with constant weights, and sums of two activations."""
    constants = {tensor.name for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        weighted = node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in constants
        residual = node.op_type == 'Add' and not constants.intersection(node.input)
        if weighted or residual:
            found.append(node.name)
    return found


def split(model: onnx.ModelProto, precision: str, keep_fp16: Sequence[str] = ()) -> Split:
    """Decide what becomes INT8.

    :param precision: ``int8`` takes every node that can be, ``mixed`` those of the backbone.
    :param keep_fp16: patterns of node names (``*`` and ``?``) that stay FP16 whatever else.
    :raises GraphError: where a pattern is no node's, or nothing is left.
    """
    names = quantisable(model)
    if precision == 'mixed':
        backbone, reason = find_backbone(model)
        chosen = [name for name in names if name in backbone]
    else:
        chosen, reason = names, 'every node with weights, and sums'
    for pattern in keep_fp16:
        if not any(fnmatchcase(node.name, pattern) for node in model.graph.node):
            raise GraphError(f'keep-fp16 pattern {pattern!r} fits no node; the nodes that could '
                             f'be INT8 are {", ".join(names)}')
    chosen = [name for name in chosen
              if not any(fnmatchcase(name, pattern) for pattern in keep_fp16)]
    if not chosen:
        raise GraphError(f'nothing is left to be INT8 of {len(names)} nodes; build fp16 instead')
    if keep_fp16:
        reason += f', less {", ".join(keep_fp16)}'
    return Split(tuple(chosen), tuple(n for n in names if n not in set(chosen)), reason)


def to_opset(model: onnx.ModelProto, version: int = _OPSET) -> onnx.ModelProto:
    """The model in an opset at least that new.

    :raises GraphError: where ONNX has no way to convert it.
    """
    if opset(model) >= version:
        return model
    try:
        return onnx.version_converter.convert_version(model, version)
    except Exception as error:      # the converter raises what its C++ half raises
        raise GraphError(f'opset {opset(model)} cannot be raised to {version}: {error}; export '
                         f'again with opset_version={version}') from error


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every layer in FP16, inputs and outputs as they were.

    :raises GraphError: where a weight is too large for FP16.
    """
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            largest = float(np.max(np.abs(numpy_helper.to_array(tensor)), initial=0))
            if largest > FP16_MAX:
                raise GraphError(f'{tensor.name} holds {largest:.4g}, and FP16 ends at '
                                 f'{FP16_MAX:.0f}; build fp32')
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    # Resize is on the list for an ONNX Runtime of long ago; blocked as the last node it would
    # make the output FP32 in name and FP16 in fact
    converted = convert_float_to_float16(
        copy, keep_io_types=True, max_finite_val=FP16_MAX,
        op_block_list=[name for name in DEFAULT_OP_BLOCK_LIST if name != 'Resize'])
    return _sorted(converted)


def to_int8(model: onnx.ModelProto, ranges: Ranges, nodes: Sequence[str]) -> onnx.ModelProto:
    """Some nodes INT8 by Q and DQ (symmetric, weights per channel), the rest FP16.

    :param ranges: for every activation those nodes read.
    :param nodes: names, from :func:`split`.
    :raises GraphError: where a range is missing or the opset too old to convert.
    """
    return to_fp16(quantise(model, ranges, nodes))


def quantise(model: onnx.ModelProto, ranges: Ranges, nodes: Sequence[str]) -> onnx.ModelProto:
    """As :func:`to_int8`, with the rest FP32."""
    copy = onnx.ModelProto()
    copy.CopyFrom(to_opset(model))
    kinds = sorted({node.op_type for node in copy.graph.node if node.name in set(nodes)})
    missing = sorted(set(activations(copy, nodes)) - set(ranges))
    if missing:
        raise GraphError(f'no calibrated range for {", ".join(missing)}; calibrate again')
    quantiser = QDQQuantizer(
        copy, per_channel=True, reduce_range=False, weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8, tensors_range=_tensors_data(ranges),
        nodes_to_quantize=list(nodes), nodes_to_exclude=[], op_types_to_quantize=kinds,
        extra_options={
            # TensorRT knows no zero points and no quantised bias, and fuses best where only
            # what goes into a layer is quantised
            'ActivationSymmetric': True, 'WeightSymmetric': True, 'QuantizeBias': False,
            'AddQDQPairToWeight': True, 'DedicatedQDQPair': False,
            'OpTypesToExcludeOutputQuantization': kinds,
            'QDQDisableWeightAdjustForInt32Bias': True})
    quantiser.quantize_model()
    return _sorted(quantiser.model.model)


def activations(model: onnx.ModelProto, nodes: Collection[str]) -> list[str]:
    """Tensors that are not constant and that some nodes read: what has to be calibrated."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return list(dict.fromkeys(
        name for node in model.graph.node if node.name in nodes
        for name in node.input if name and name not in constants))


def small_scales(model: onnx.ModelProto) -> list[str]:
    """Quantisation scales that FP16 holds only roughly: tensors of very small range."""
    scales = {node.input[1] for node in model.graph.node if node.op_type == 'QuantizeLinear'}
    return [tensor.name for tensor in model.graph.initializer if tensor.name in scales
            and float(np.min(np.abs(numpy_helper.to_array(tensor)))) < FP16_SMALLEST_NORMAL]


def _tensors_data(ranges: Ranges) -> Any:
    return TensorsData(CalibrationMethod.MinMax, {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()})


def _sorted(model: onnx.ModelProto) -> onnx.ModelProto:
    # both converters append nodes at the end, and parsers want them in order
    wrapped = ONNXModel(model)
    wrapped.topological_sort()
    result: onnx.ModelProto = wrapped.model
    name_nodes(result)
    return result
