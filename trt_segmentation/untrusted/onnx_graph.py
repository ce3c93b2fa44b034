# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""How each output of an ONNX network comes about, read from its graph; no onnx package needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
import struct

from .file_view import Bytes, FileView
from .protobuf import Fields, read_packed
from .regular_file import open_regular, size_of

PASSES_ON = frozenset([
    'Cast', 'CastLike', 'Transpose', 'Squeeze', 'Unsqueeze', 'Reshape', 'Flatten', 'Resize',
    'Upsample', 'Identity', 'Slice', 'Gather', 'Split', 'Dropout', 'DepthToSpace', 'Expand',
    'Tile', 'Pad', 'AveragePool', 'MaxPool', 'QuantizeLinear', 'DequantizeLinear'])
"""Operators after which a probability is a probability still, and a class id a class id."""
COMBINES = {
    **dict.fromkeys(['Concat', 'Max', 'Min', 'Mean', 'Mul'], 'probability'),
    **dict.fromkeys(['Add', 'Sub'], 'scores')}
"""What an operator gives if all its inputs that are no constants are so."""
PROBABILITY = frozenset(['Sigmoid', 'HardSigmoid', 'Softmax', 'QLinearSigmoid', 'QLinearSoftmax'])
COMPARES = frozenset(['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal', 'Not', 'And',
                      'Or'])
SCORES = frozenset(['Conv', 'ConvTranspose', 'Gemm', 'MatMul'])
SAME_CHANNELS = frozenset([
    'Cast', 'Transpose', 'Squeeze', 'Unsqueeze', 'Resize', 'Upsample', 'Identity', 'Dropout',
    'Pad', 'AveragePool', 'MaxPool', 'QuantizeLinear', 'DequantizeLinear', 'Sigmoid',
    'HardSigmoid', 'Softmax', 'LogSoftmax', 'Clip', 'Relu', 'LeakyRelu', 'PRelu', 'Add', 'Sub',
    'Mul', 'Div', 'BatchNormalization', 'InstanceNormalization', 'ArgMax', 'TopK'])
"""Operators whose first input has the channels of the output; ArgMax: that it chose from."""
MOST_OUTPUTS = 32
"""Networks with more outputs are not looked into: none is a segmentation network."""
MOST_STEPS = 200
"""Operators that are followed from one output back."""


@dataclass(frozen=True)
class Ending:
    """How one output of a network comes about.

    :param operator: the operator that makes the values, such as Sigmoid.
    :param values: ``probability`` (0 to 1), ``labels`` (class ids), ``scores`` (any number), or
        '' if the graph does not say.
    :param channels: channels of the output, and of labels the classes they are chosen from;
        None if unknown.
    :param channels_last: whether the graph moves the channels to the last axis.
    :param nodes: operators that this output needs; 0 if not counted.
    """

    operator: str = ''
    values: str = ''
    channels: int | None = None
    channels_last: bool = False
    nodes: int = 0


def read_endings(path: Path) -> dict[str, Ending]:
    """Endings of a network's outputs, by the name of the output.

    :param path: an ONNX file that :func:`.onnx_file.summarise` has accepted.
    :returns: nothing if there is no such file, or if it cannot be read as ONNX.
    """
    if not path.is_file():
        return {}
    try:
        with open_regular(path) as file:
            graph = _Graph(FileView(file, 0, size_of(file)))
            if len(graph.outputs) > MOST_OUTPUTS:
                return {}
            return {name: graph.ending(name) for name in graph.outputs}
    except (OSError, ValueError):
        return {}


@dataclass
class _Node:
    operator: str = ''
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: list[Bytes] = field(default_factory=list)

    def attribute(self, name: str) -> Mapping[int, list[int | Bytes]]:
        """Fields of an attribute by their number; empty if the node has none of that name."""
        for view in self.attributes:
            found = _grouped(view)
            if _text(found.get(1, [])) == name:
                return found
        return {}


class _Graph:
    """The nodes and weights of the main graph."""

    def __init__(self, model: Bytes) -> None:
        self.outputs: list[str] = []
        self._made_by: dict[str, _Node] = {}
        self._weights: dict[str, Bytes] = {}
        fields = Fields()
        for number, graph in fields.of(model):
            if number != 7 or isinstance(graph, int):
                continue
            for part, view in fields.of(graph):
                if isinstance(view, int):
                    continue
                if part == 1:
                    node = _node(view, fields)
                    self._made_by.update(dict.fromkeys(filter(None, node.outputs), node))
                elif part == 5:
                    self._weights[_text(_grouped(view).get(8, []))] = view
                elif part == 12:
                    self.outputs.append(_text(_grouped(view).get(1, [])))

    def ending(self, output: str) -> Ending:
        """How an output comes about."""
        operator, values = self._values(output, MOST_STEPS)
        return Ending(operator, values, self._channels(output, MOST_STEPS),
                      self._channels_last(output), self._needs(output))

    def _values(self, name: str, steps: int) -> tuple[str, str]:
        """The operator that makes the values of a tensor, and what they are."""
        while steps > 0 and (node := self._made_by.get(name)):
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
                parts = [name for name in node.inputs if not self._constant(name)]
                found = [self._values(name, steps // len(parts)) for name in parts]
                wanted = COMBINES[operator]
                return found[0] if {values for _, values in found} == {wanted} else (operator, '')
            if operator not in PASSES_ON or not node.inputs:
                return operator, ''
            name = node.inputs[0]
        return '', ''

    def _channels(self, name: str, steps: int) -> int | None:
        while steps > 0 and (node := self._made_by.get(name)):
            steps -= 1
            operator = node.operator
            if operator in COMPARES:
                return 2
            if operator in SCORES:
                return self._made_channels(node)
            if operator == 'Concat' and node.inputs:
                share = steps // len(node.inputs)
                parts = [self._channels(name, share) for name in node.inputs]
                return None if None in parts else sum(part or 0 for part in parts)
            if operator not in SAME_CHANNELS or not node.inputs:
                return None
            # of a sum or product, the side that is no constant
            name = next((n for n in node.inputs if n in self._made_by and not self._constant(n)),
                        node.inputs[0])
        return None

    def _made_channels(self, node: _Node) -> int | None:
        dims = next((dims for name in node.inputs[1:2] if (dims := self._dims(name))), [])
        if node.operator == 'Conv' and len(dims) > 1:
            return dims[0]
        if node.operator == 'ConvTranspose' and len(dims) > 1:
            return dims[1] * _whole(node.attribute('group').get(3, []), 1)
        if node.operator == 'MatMul' and dims:
            return dims[-1]
        if node.operator == 'Gemm' and len(dims) == 2:
            return dims[0 if _whole(node.attribute('transB').get(3, []), 0) else 1]
        return None

    def _channels_last(self, name: str) -> bool:
        for _ in range(MOST_STEPS):
            node = self._made_by.get(name)
            if node is None or node.operator not in PASSES_ON | PROBABILITY or not node.inputs:
                return False
            if node.operator == 'Transpose':
                return list(_ints(node.attribute('perm').get(8, []))) == [0, 2, 3, 1]
            name = node.inputs[0]
        return False

    def _needs(self, output: str) -> int:
        seen: set[int] = set()
        names = [output]
        while names:
            node = self._made_by.get(names.pop())
            if node is not None and id(node) not in seen:
                seen.add(id(node))
                names.extend(node.inputs)
        return len(seen)

    def _constant(self, name: str) -> bool:
        node = self._made_by.get(name)
        return name in self._weights or (node is not None and node.operator == 'Constant')

    def _tensor(self, name: str) -> Mapping[int, list[int | Bytes]]:
        """Fields of a stored tensor by their number; empty if the name is no stored tensor."""
        for _ in range(MOST_STEPS):
            if name in self._weights:
                return _grouped(self._weights[name])
            node = self._made_by.get(name)
            if node is None:
                return {}
            if node.operator == 'Constant':
                value = node.attribute('value').get(5, [0])[0]
                return {} if isinstance(value, int) else _grouped(value)
            if node.operator not in PASSES_ON or not node.inputs:
                return {}
            name = node.inputs[0]
        return {}

    def _dims(self, name: str) -> list[int]:
        return list(_ints(self._tensor(name).get(1, [])))

    def _clips_to_1(self, node: _Node) -> bool:
        """Whether a Clip leaves 0 to 1."""
        limits = []
        for place, name in ((1, 'min'), (2, 'max')):
            given = _number(node.attribute(name).get(2, []))       # before opset 11
            if given is None and len(node.inputs) > place:
                tensor = self._tensor(node.inputs[place])
                if tensor.get(2, [1]) != [1] or _size(tensor) != 1:
                    return False
                given = _number(tensor.get(9, []) or tensor.get(4, []))
            limits.append(given)
        low, high = limits
        return low is not None and high is not None and 0 <= low < high <= 1


def _node(view: Bytes, fields: Fields) -> _Node:
    node = _Node()
    for number, value in fields.of(view):
        if isinstance(value, int):
            continue
        if number == 1:
            node.inputs.append(_text([value]))
        elif number == 2:
            node.outputs.append(_text([value]))
        elif number == 4:
            node.operator = _text([value])
        elif number == 5:
            node.attributes.append(value)
    return node


def _grouped(view: Bytes) -> dict[int, list[int | Bytes]]:
    found: dict[int, list[int | Bytes]] = {}
    for number, value in Fields().of(view):
        found.setdefault(number, []).append(value)
    return found


def _text(values: list[int | Bytes]) -> str:
    return next((bytes(v).decode('utf-8', 'replace') for v in values if not isinstance(v, int)),
                '')


def _ints(values: list[int | Bytes]) -> Iterator[int]:
    for value in values:
        if isinstance(value, int):
            yield value
        else:
            yield from read_packed(value)


def _whole(values: list[int | Bytes], default: int) -> int:
    return next(_ints(values), default)


def _number(values: list[int | Bytes]) -> float | None:
    """The float32 of a field, if it holds exactly one."""
    view = values[0] if len(values) == 1 else 0
    if isinstance(view, int) or len(view) != 4:
        return None
    (number,) = struct.unpack('<f', bytes(view))
    return float(number)


def _size(tensor: Mapping[int, list[int | Bytes]]) -> int:
    count = 1
    for side in _ints(tensor.get(1, [])):
        count *= side
    return count
