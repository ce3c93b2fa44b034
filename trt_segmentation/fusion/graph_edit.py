# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph in which nodes can be found and replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]
CONTRIB = 'com.microsoft'
"""The domain of the operators that only ONNX Runtime has."""
FOLDED = frozenset(['Add', 'Cast', 'Concat', 'Constant', 'ConstantOfShape', 'Div', 'Equal', 'Expand',
                    'Gather', 'Mul', 'Range', 'Reshape', 'Slice', 'Sqrt', 'Squeeze', 'Sub',
                    'Unsqueeze', 'Where'])
"""Operators that are computed here if their inputs are constants. Exported networks compute shapes
and the scale of attention with them."""
MOST_FOLDED = 64
"""Largest number of values in the inputs of such an operator."""


class GraphEdit:
    """Finds and replaces the nodes of a model.

    A new node takes the place of a replaced node, so the order of the nodes stays valid.

    :param model: a model without graphs inside its nodes. This object changes the model, and
        :meth:`finish` must be called at the end.
    :param shapes: maps each input to a shape without dynamic dimensions. The model accepts only
        these shapes afterwards.
    """

    def __init__(self, model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
        _fix_shapes(model, shapes)
        typed = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        self._model = model
        self._shapes = {value.name: _read_shape(value)
                        for value in (*typed.input, *typed.value_info, *typed.output)}
        self._outputs = {value.name for value in model.graph.output}
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._nodes = _without_identities(list(model.graph.node), self._outputs)
        self._fold_constants()
        self._made = 0
        self._index()

    def _fold_constants(self) -> None:
        """Turn nodes that compute small constants into weights.

        A weight is there for nodes at every place. A Shape is a constant, because the shapes of
        the inputs are fixed.
        """
        left = []
        for node in self._nodes:
            value = None if self._outputs.intersection(node.output) else self._compute(node)
            if value is None:
                left.append(node)
            else:
                self._add_weight(value, node.output[0])
        self._nodes = left

    def _compute(self, node: onnx.NodeProto) -> Array | None:
        if node.op_type == 'Constant' and node.attribute[0].name == 'value':
            return numpy_helper.to_array(node.attribute[0].t)
        if node.op_type == 'Shape' and not node.attribute:
            shape = self.shape(node.input[0])
            return np.array(shape, np.int64) if shape and None not in shape else None
        values = {name: self.read_constant(name) for name in node.input if name}
        if node.op_type not in FOLDED or any(
                value is None or value.size > MOST_FOLDED for value in values.values()):
            return None
        return np.asarray(ReferenceEvaluator(node).run(None, values)[0])

    def _add_weight(self, value: Array, name: str) -> None:
        weight = self._model.graph.initializer.add()
        weight.CopyFrom(numpy_helper.from_array(value, name))
        self._weights[name] = weight

    def _index(self) -> None:
        self._makers = {name: node for node in self._nodes for name in node.output if name}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in self._nodes:
            for name in dict.fromkeys(node.input):
                self._users.setdefault(name, []).append(node)

    def nodes(self, operator: str) -> Iterator[onnx.NodeProto]:
        """Yield the nodes with an operator. The caller may replace nodes meanwhile."""
        for node in list(self._nodes):
            if node.op_type == operator and self._makers.get(node.output[0]) is node:
                yield node

    def find_maker(self, name: str, operator: str) -> onnx.NodeProto | None:
        """Return the node that makes a tensor; None if the node has another operator."""
        node = self._makers.get(name)
        return node if node is not None and node.op_type == operator else None

    def find_users(self, name: str, operator: str) -> list[onnx.NodeProto]:
        """Return the nodes that read a tensor and have this operator."""
        return [node for node in self._users.get(name, []) if node.op_type == operator]

    def find_only_user(self, name: str, operator: str) -> onnx.NodeProto | None:
        """Return the node that reads a tensor; None if other nodes read the tensor too."""
        found = self.find_users(name, operator)
        return found[0] if found and self.is_read_once(name) else None

    def is_read_once(self, name: str) -> bool:
        """Return whether exactly one node reads a tensor, and the tensor is not an output."""
        return len(self._users.get(name, [])) == 1 and name not in self._outputs

    def shape(self, name: str) -> Shape:
        """Return the shape of a tensor. An unknown side is None. An unknown shape is empty."""
        return self._shapes.get(name, ())

    def read_constant(self, name: str) -> Array | None:
        """Return the value of a constant; None if the tensor is not a constant."""
        weight = self._weights.get(name)
        return None if weight is None else numpy_helper.to_array(weight)

    def add_constant(self, value: Array) -> str:
        """Add a constant to the model and return its name."""
        name = self.new_name('constant')
        self._add_weight(value, name)
        return name

    def new_name(self, word: str) -> str:
        """Return a tensor name that the model does not use yet."""
        while True:
            self._made += 1
            name = f'fused/{word}_{self._made}'
            if name not in self._makers and name not in self._users and name not in self._weights:
                return name

    def make_node(self, operator: str, inputs: Sequence[str], output: str = '',
                  domain: str = '', **attributes: Any) -> onnx.NodeProto:
        """Make a node with one output. The node is not in the graph yet.

        :param output: name of the output; empty for a new name.
        """
        output = output or self.new_name(operator)
        return helper.make_node(operator, inputs, [output], f'fused/{output}', domain=domain,
                                **attributes)

    def replace(self, old: Sequence[onnx.NodeProto], new: Sequence[onnx.NodeProto]) -> None:
        """Put new nodes at the place of the first old node, and delete the old nodes.

        All nodes whose outputs are unused are deleted too.
        """
        place = next(index for index, node in enumerate(self._nodes) if node is old[0])
        rest = [node for node in self._nodes[place:] if all(node is not gone for gone in old)]
        needed, kept = set(self._outputs), []
        for node in reversed([*self._nodes[:place], *new, *rest]):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        self._nodes = kept[::-1]
        self._index()

    def finish(self) -> None:
        """Write the nodes into the model, and delete the weights that no node reads."""
        weights = [tensor for tensor in self._model.graph.initializer if tensor.name in self._users]
        graph = self._model.graph
        nodes = list(self._nodes)
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(nodes)
        graph.initializer.extend(weights)
        if all(entry.domain != CONTRIB for entry in self._model.opset_import):
            self._model.opset_import.append(helper.make_opsetid(CONTRIB, 1))


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return the value of an attribute of a node, or the default if there is no such attribute."""
    for found in node.attribute:
        if found.name == name:
            return helper.get_attribute_value(found)
    return default


def has_perm(node: onnx.NodeProto | None, *perm: int) -> bool:
    """Return whether a node is a Transpose with this order of the axes."""
    return (node is not None and node.op_type == 'Transpose'
            and tuple(attribute(node, 'perm', ())) == perm)


def _fix_shapes(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
    for value in model.graph.input:
        for side, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ())):
            side.dim_value = size
    for value in model.graph.output:
        for side in value.type.tensor_type.shape.dim:
            if not side.dim_value:
                side.Clear()
    del model.graph.value_info[:]       # these shapes may still be dynamic


def _without_identities(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    same = {node.output[0]: node.input[0] for node in nodes
            if node.op_type == 'Identity' and node.output[0] not in outputs}
    for node in nodes:
        for index, name in enumerate(node.input):
            while name in same:
                name = same[name]
            node.input[index] = name
    return [node for node in nodes if node.output[0] not in same]


def _read_shape(value: onnx.ValueInfoProto) -> Shape:
    tensor = value.type.tensor_type
    return tuple(side.dim_value if side.dim_value > 0 else None for side in tensor.shape.dim)
