# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds whether each output of an ONNX network holds probabilities, scores or class ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
import math
from pathlib import Path
import struct

from .file_view import Bytes, FileView
from .protobuf import Fields, read_packed
from .regular_file import open_regular, size_of

PASSES_ON = frozenset([
    'Cast', 'CastLike', 'Transpose', 'Squeeze', 'Unsqueeze', 'Reshape', 'Flatten', 'Resize',
    'Upsample', 'Identity', 'Slice', 'Gather', 'Split', 'Dropout', 'DepthToSpace', 'Expand',
    'Tile', 'Pad', 'AveragePool', 'MaxPool', 'QuantizeLinear', 'DequantizeLinear'])
"""Operators that do not change the meaning of values. A probability stays a probability."""
COMBINES = {
    **dict.fromkeys(['Concat', 'Max', 'Min', 'Mean', 'Mul'], 'probability'),
    **dict.fromkeys(['Add', 'Sub'], 'scores')}
"""Maps an operator to a meaning. If all inputs of the operator except constants have this meaning,
the result has this meaning too."""
PROBABILITY = frozenset(['Sigmoid', 'HardSigmoid', 'Softmax', 'QLinearSigmoid', 'QLinearSoftmax'])
COMPARES = frozenset(['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal', 'Not', 'And',
                      'Or'])
SCORES = frozenset(['Conv', 'ConvTranspose', 'Gemm', 'MatMul'])
SAME_CHANNELS = frozenset([
    'Cast', 'Transpose', 'Squeeze', 'Unsqueeze', 'Resize', 'Upsample', 'Identity', 'Dropout',
    'Pad', 'AveragePool', 'MaxPool', 'QuantizeLinear', 'DequantizeLinear', 'Sigmoid',
    'HardSigmoid', 'Softmax', 'LogSoftmax', 'Clip', 'Relu', 'LeakyRelu', 'PRelu', 'Add', 'Sub',
    'Mul', 'Div', 'BatchNormalization', 'InstanceNormalization', 'ArgMax', 'TopK'])
"""Operators whose result has as many channels as their input. ArgMax and TopK are listed because
their input has one channel for each class."""
MOST_OUTPUTS = 32
"""Largest number of outputs. A network with more outputs is not a segmentation network."""
MOST_STEPS = 200
"""Largest number of operators that are followed back from an output towards the input."""
_Grouped = defaultdict[int, list[int | Bytes]]
"""Maps each field number of a protobuf message to the values of the field."""


@dataclass(frozen=True)
class Ending:
    """How the graph of a network computes one output.

    :param operator: the operator that decides the meaning of the values, such as Sigmoid.
    :param values: the meaning: ``probability`` (0 to 1), ``labels`` (class ids) or ``scores`` (any
        number); empty if unknown.
    :param channels: number of channels of the output; None if unknown. For labels, this is the
        number of classes.
    :param channels_last: whether the graph moves the channels to the last axis.
    :param nodes: number of operators that compute this output; 0 if not counted.
    """

    operator: str = ''
    values: str = ''
    channels: int | None = None
    channels_last: bool = False
    nodes: int = 0


def read_endings(path: Path) -> dict[str, Ending]:
    """Read how a network computes each of its outputs.

    :param path: an ONNX file that :func:`.onnx_file.summarise` has accepted.
    :returns: a mapping from the name of each output to its ending. It is empty if the file cannot
        be read, or if the network has more than :data:`MOST_OUTPUTS` outputs.
    """
    if not path.is_file():
        return {}
    try:
        with open_regular(path) as file:
            graph = OnnxGraph(FileView(file, 0, size_of(file)))
            if len(graph.outputs) > MOST_OUTPUTS:
                return {}
            return {name: graph.find_ending(name) for name in graph.outputs}
    except (OSError, ValueError):
        return {}


@dataclass
class OnnxNode:
    """One node of a graph."""

    operator: str = ''
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: list[Bytes] = field(default_factory=list)

    def find_attribute(self, name: str) -> _Grouped:
        """Return the fields of an attribute; empty if the node has no such attribute."""
        for view in self.attributes:
            found = _group_fields(view)
            if _first_text(found[1]) == name:
                return found
        return _Grouped(list)

    def find_text(self, name: str, default: str) -> str:
        """Return the value of an attribute that is a text; ``default`` if there is none."""
        return _first_text(self.find_attribute(name)[4]) or default


class OnnxGraph:
    """The outputs and weights of a network's main graph, and the node that makes each tensor."""

    def __init__(self, model: Bytes) -> None:
        self.outputs: list[str] = []
        self.made_by: dict[str, OnnxNode] = {}
        self._weights: dict[str, Bytes] = {}
        fields = Fields()
        for number, graph in fields.read(model):
            if number != 7 or isinstance(graph, int):
                continue
            for part, view in fields.read(graph):
                if isinstance(view, int):
                    continue
                if part == 1:
                    node = _read_node(view, fields)
                    self.made_by.update(dict.fromkeys(filter(None, node.outputs), node))
                elif part == 5:
                    self._weights[_first_text(_group_fields(view)[8])] = view
                elif part == 12:
                    self.outputs.append(_first_text(_group_fields(view)[1]))

    def find_ending(self, output: str) -> Ending:
        """Find how the graph computes an output. Follow the graph back from this output."""
        operator, values = self._find_values(output, MOST_STEPS)
        return Ending(operator, values, self._count_channels(output, MOST_STEPS),
                      self._is_channels_last(output), self._count_nodes(output))

    def _find_values(self, name: str, steps: int) -> tuple[str, str]:
        """Return the operator that decides the meaning of a tensor's values, and the meaning."""
        while steps > 0 and (node := self.made_by.get(name)):
            steps -= 1
            operator = node.operator
            if operator in PROBABILITY or (operator == 'Clip' and self._clips_to_1(node)):
                return operator, 'probability'
            if operator in COMPARES or operator == 'ArgMax' or (
                    operator == 'TopK' and name in node.outputs[1:]):
                return operator, 'labels'
            if operator in SCORES:
                return operator, 'scores'
            if operator in COMBINES and node.inputs:
                parts = [name for name in node.inputs if not self._is_constant(name)]
                found = [self._find_values(name, steps // len(parts)) for name in parts]
                wanted = COMBINES[operator]
                return found[0] if {values for _, values in found} == {wanted} else (operator, '')
            if operator not in PASSES_ON or not node.inputs:
                return operator, ''
            name = node.inputs[0]
        return '', ''

    def _count_channels(self, name: str, steps: int) -> int | None:
        while steps > 0 and (node := self.made_by.get(name)):
            steps -= 1
            operator = node.operator
            if operator in COMPARES:
                return 2
            if operator in SCORES:
                return self._count_made_channels(node)
            if operator == 'Concat' and node.inputs:
                share = steps // len(node.inputs)
                parts = [self._count_channels(name, share) for name in node.inputs]
                return None if None in parts else sum(part or 0 for part in parts)
            if operator not in SAME_CHANNELS or not node.inputs:
                return None
            # If an operator has several inputs, follow the first one that is not a constant.
            name = next((n for n in node.inputs
                         if n in self.made_by and not self._is_constant(n)), node.inputs[0])
        return None

    def _count_made_channels(self, node: OnnxNode) -> int | None:
        dims = [size for name in node.inputs[1:2]
                for size in _read_ints(self._find_tensor(name)[1])]
        if node.operator == 'Conv' and len(dims) > 1:
            return dims[0]
        if node.operator == 'ConvTranspose' and len(dims) > 1:
            return dims[1] * next(_read_ints(node.find_attribute('group')[3]), 1)
        if node.operator == 'MatMul' and dims:
            return dims[-1]
        if node.operator == 'Gemm' and len(dims) == 2:
            return dims[0 if next(_read_ints(node.find_attribute('transB')[3]), 0) else 1]
        return None

    def _is_channels_last(self, name: str) -> bool:
        for _ in range(MOST_STEPS):
            node = self.made_by.get(name)
            if node is None or node.operator not in PASSES_ON | PROBABILITY or not node.inputs:
                return False
            if node.operator == 'Transpose':
                return list(_read_ints(node.find_attribute('perm')[8])) == [0, 2, 3, 1]
            name = node.inputs[0]
        return False

    def _count_nodes(self, output: str) -> int:
        seen: set[int] = set()
        names = [output]
        while names:
            node = self.made_by.get(names.pop())
            if node is not None and id(node) not in seen:
                seen.add(id(node))
                names.extend(node.inputs)
        return len(seen)

    def _is_constant(self, name: str) -> bool:
        node = self.made_by.get(name)
        return name in self._weights or (node is not None and node.operator == 'Constant')

    def _find_tensor(self, name: str) -> _Grouped:
        """Return the fields of a tensor; empty if the file does not store the tensor."""
        for _ in range(MOST_STEPS):
            if name in self._weights:
                return _group_fields(self._weights[name])
            node = self.made_by.get(name)
            if node is not None and node.operator == 'Constant':
                value = next(iter(node.find_attribute('value')[5]), 0)
                return _Grouped(list) if isinstance(value, int) else _group_fields(value)
            if node is None or node.operator not in PASSES_ON or not node.inputs:
                break
            name = node.inputs[0]
        return _Grouped(list)

    def _clips_to_1(self, node: OnnxNode) -> bool:
        """Return whether the limits of a Clip operator are known, and lie in the range 0 to 1."""
        limits = []
        for place, name in ((1, 'min'), (2, 'max')):
            # Before opset 11, the limits are attributes. From opset 11 on, they are inputs.
            given = _read_float(node.find_attribute(name)[2])
            if given is None and len(node.inputs) > place:
                tensor = self._find_tensor(node.inputs[place])
                if tensor[2] not in ([], [1]) or math.prod(_read_ints(tensor[1])) != 1:
                    return False
                given = _read_float(tensor[9] or tensor[4])
            limits.append(given)
        low, high = limits
        return low is not None and high is not None and 0 <= low < high <= 1


def _read_node(view: Bytes, fields: Fields) -> OnnxNode:
    node = OnnxNode()
    for number, value in fields.read(view):
        if isinstance(value, int):
            continue
        if number == 5:
            node.attributes.append(value)
        elif number == 4:
            node.operator = _first_text([value])
        elif number in (1, 2):
            (node.inputs if number == 1 else node.outputs).append(_first_text([value]))
    return node


def _group_fields(view: Bytes) -> _Grouped:
    found = _Grouped(list)
    for number, value in Fields().read(view):
        found[number].append(value)
    return found


def _first_text(values: list[int | Bytes]) -> str:
    return next((bytes(v).decode('utf-8', 'replace') for v in values if not isinstance(v, int)),
                '')


def _read_ints(values: list[int | Bytes]) -> Iterator[int]:
    for value in values:
        if isinstance(value, int):
            yield value
        else:
            yield from read_packed(value)


def _read_float(values: list[int | Bytes]) -> float | None:
    """Return the float32 in a field; None if the field holds anything else."""
    view = values[0] if len(values) == 1 else 0
    if isinstance(view, int) or len(view) != 4:
        return None
    (number,) = struct.unpack('<f', bytes(view))
    return float(number)
