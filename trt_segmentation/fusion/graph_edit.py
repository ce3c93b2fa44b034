# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph in which nodes can be found and replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

import onnx
from onnx import helper, numpy_helper

from .fixed_shapes import Array, infer_shapes, Shape

CONTRIB = 'com.microsoft'
"""The domain of the operators that only ONNX Runtime has."""


class GraphEdit:
    """Finds and replaces the nodes of a model.

    A new node takes the place of a replaced node, so the order of the nodes stays valid.

    :param model: a model that :func:`.fixed_shapes.fix_shapes` has changed. To write the new nodes
        into the model, call :meth:`finish` at the end.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._shapes = infer_shapes(model)
        self._outputs = {value.name for value in model.graph.output}
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._nodes: list[onnx.NodeProto] = list(model.graph.node)
        self._made = 0
        self._index()

    def _index(self) -> None:
        self._makers = {name: node for node in self._nodes for name in node.output if name}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in self._nodes:
            for name in dict.fromkeys(node.input):
                self._users.setdefault(name, []).append(node)

    def nodes(self, operator: str) -> Iterator[onnx.NodeProto]:
        """Yield the nodes with one operator. The caller may replace nodes during the iteration."""
        for node in self._nodes:      # replace() makes a new list, so this list stays unchanged
            if node.op_type == operator and self._makers.get(node.output[0]) is node:
                yield node

    def find_maker(self, name: str, operator: str) -> onnx.NodeProto | None:
        """Return the node that makes a tensor; None if no node with this operator makes it."""
        node = self._makers.get(name)
        return node if node is not None and node.op_type == operator else None

    def find_users(self, name: str, operator: str) -> list[onnx.NodeProto]:
        """Return the nodes with this operator that read a tensor."""
        return [node for node in self._users.get(name, []) if node.op_type == operator]

    def find_only_user(self, name: str, operator: str) -> onnx.NodeProto | None:
        """Return the only node that reads a tensor.

        :returns: None if this node has another operator, or if :meth:`is_read_once` is False.
        """
        found = self.find_users(name, operator)
        return found[0] if found and self.is_read_once(name) else None

    def is_read_once(self, name: str) -> bool:
        """Return whether exactly one node reads a tensor and the tensor is no model output."""
        return len(self._users.get(name, [])) == 1 and name not in self._outputs

    def shape(self, name: str) -> Shape:
        """Return the shape of a tensor. An unknown dimension is None; an unknown shape is ()."""
        return self._shapes.get(name, ())

    def read_constant(self, name: str) -> Array | None:
        """Return the value of a constant; None if the tensor is not a constant."""
        weight = self._weights.get(name)
        return None if weight is None else numpy_helper.to_array(weight)

    def split_bias(self, name: str) -> tuple[str, str]:
        """Split a sum into a tensor and a bias.

        :returns: the name of the tensor without the bias, and the name of the bias. The bias is a
            constant with one number for each index of the last axis. If there is no bias, or if
            :meth:`is_read_once` is False, the result is ``name`` and an empty text.
        """
        node = self.find_maker(name, 'Add')
        if node is not None and self.is_read_once(name):
            for bias, source in (node.input, reversed(node.input)):
                value = self.read_constant(bias)
                if value is not None and value.shape == self.shape(source)[-1:] and (
                        self.shape(source) == self.shape(name)):
                    return source, bias
        return name, ''

    def add_constant(self, value: Array) -> str:
        """Add a constant to the model and return its name."""
        name = self.new_name('constant')
        self._weights[name] = numpy_helper.from_array(value, name)
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
        """Make a node with one output. This method does not add the node to the graph.

        :param output: name of the output; empty for a new name.
        """
        output = output or self.new_name(operator)
        return helper.make_node(operator, inputs, [output], output, domain=domain,
                                **attributes)

    def replace(self, old: Sequence[onnx.NodeProto], new: Sequence[onnx.NodeProto]) -> None:
        """Put new nodes at the place of the first old node. Delete old and unused nodes."""
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
        """Write the nodes, and all weights that a node reads, into the model."""
        graph, weights = self._model.graph, [
            tensor for name, tensor in self._weights.items() if name in self._users]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(weights)
        if all(entry.domain != CONTRIB for entry in self._model.opset_import):
            self._model.opset_import.append(helper.make_opsetid(CONTRIB, 1))


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return the value of an attribute of a node, or the default if there is no such attribute."""
    for found in node.attribute:
        if found.name == name:
            return helper.get_attribute_value(found)
    return default


def has_perm(node: onnx.NodeProto | None, *perm: int) -> TypeGuard[onnx.NodeProto]:
    """Return whether a node is a Transpose with this order of the axes."""
    return (node is not None and node.op_type == 'Transpose'
            and tuple(attribute(node, 'perm', ())) == perm)
