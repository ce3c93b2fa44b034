# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes hostile ONNX files. Most are a valid network after one change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import helper, ModelProto, numpy_helper, TensorProto

CLASSES = 5
WEIGHTS = np.ones((CLASSES, 3, 1, 1), np.float32)


def network(*changes: Callable[[ModelProto], None]) -> ModelProto:
    """Make a network of one convolution on a 32×32 image, and apply the changes."""
    graph = helper.make_graph(
        [helper.make_node('Conv', ['image', 'w'], ['logits'], name='/conv')], 'g',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, (1, 3, 32, 32))],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, (1, CLASSES, 32, 32))],
        [numpy_helper.from_array(WEIGHTS, 'w')])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 19)], ir_version=9)
    for change in changes:
        change(model)
    return model


def external(**entries: object) -> Callable[[ModelProto], None]:
    """Put the weights into another file. ``entries`` are location, offset and length."""
    def change(model: ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField('raw_data')
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in entries.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
    return change


def declares(*dims: int, data: bytes = b'') -> Callable[[ModelProto], None]:
    """Declare a shape that does not fit the bytes of the weights."""
    def change(model: ModelProto) -> None:
        tensor = model.graph.initializer[0]
        del tensor.dims[:]
        tensor.dims.extend(dims)
        tensor.raw_data = data
    return change


def image_size(*sides: int) -> Callable[[ModelProto], None]:
    """Change N, H and W of the input and of the output. ``sides`` are N×C×H×W."""
    def change(model: ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            dims = value.type.tensor_type.shape.dim
            for axis in (0, 2, 3):
                dims[axis].dim_value = sides[axis]
    return change


def cycle(model: ModelProto) -> None:
    """Add two nodes. Each needs the output of the other node."""
    model.graph.node[0].input[0] = 'b'
    model.graph.node.extend([helper.make_node('Add', ['image', 'b'], ['a'], name='/one'),
                             helper.make_node('Relu', ['a'], ['b'], name='/two')])


def sparse(model: ModelProto) -> None:
    """Replace the weights by a sparse tensor of 10**9 numbers. Only one number is stored."""
    values = numpy_helper.from_array(np.ones(1, np.float32), 'w')
    indices = numpy_helper.from_array(np.zeros(1, np.int64))
    del model.graph.initializer[:]
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [10**9]))


def named(name: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        model.graph.node[0].name = name
    return change


def made_by(producer: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        model.producer_name = producer
    return change


def operator(op_type: str) -> Callable[[ModelProto], None]:
    """Change the operator of the node to ``op_type``, which does not exist."""
    def change(model: ModelProto) -> None:
        model.graph.node[0].op_type = op_type
    return change


def input_named(name: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        model.graph.input[0].name = model.graph.node[0].input[0] = name
    return change


def field(number: int, body: bytes) -> bytes:
    """Encode one protobuf field of type bytes."""
    def varint(value: int) -> bytes:
        found = b''
        while value > 127:
            found, value = found + bytes([value & 127 | 128]), value >> 7
        return found + bytes([value])
    return varint(number << 3 | 2) + varint(len(body)) + body


def nested(depth: int) -> bytes:
    """Make a file with ``depth`` graphs, each in an attribute of a node of the next graph."""
    graph = field(2, b'g')
    for _ in range(depth):
        graph = field(1, field(4, b'If') + field(5, field(1, b'then_branch') + field(6, graph)))
    return b'\x08\x09' + field(8, b'\x10\x13') + field(7, graph)


SECRET = 'secret.bin'
"""Name of a file with valid weights, in the parent of the model's folder."""

_FILES: list[tuple[str, ModelProto | bytes, str]] = [
        ('absolute', network(external(location='/etc/passwd')), 'not in the folder of the model'),
        ('endless', network(external(location='/dev/zero')), 'not in the folder of the model'),
        ('above', network(external(location=f'../{SECRET}')), 'not in the folder of the model'),
        ('around', network(external(location=f'sub/../../{SECRET}')),
         'not in the folder of the model'),
        ('link', network(external(location='link.bin')), 'not in the folder of the model'),
        ('nowhere', network(external(location='')), 'not in the folder of the model'),
        ('memory', network(external(location='*/_ORT_MEM_ADDR_/*', offset=4096, length=60)),
         'which is missing'),
        ('folder', network(external(location='.')), 'which is missing'),
        ('missing', network(external(location='missing.bin')), 'which is missing'),
        ('short', network(external(location='short.bin')), 'the file has 3 bytes'),
        ('before', network(external(location='weights.bin', offset=-4)), 'from offset -4'),
        ('beyond', network(external(location='weights.bin', offset=1 << 40, length=60)),
         'the file has 60 bytes'),
        ('less', network(external(location='weights.bin', length=8)), 'needs 60 bytes'),
        ('billion', network(declares(10**9, 1, 1, 1)), 'the shape 1000000000×1×1×1'),
        ('cut', network(declares(CLASSES, 3, 1, 1, data=b'1234')), 'the file holds 4 of them'),
        ('negative', network(declares(CLASSES, -3, 1, 1)), 'no size below 0'),
        ('overflow', network(declares(*[1 << 61] * 5, data=b'1234')), 'the file holds 4 of them'),
        ('axes', network(declares(*[1 << 61] * 100_000)), 'at most 32 axes'),
        ('sparse', network(sparse), 'sparse weights'),
        ('wide', network(image_size(1, 3, 10**9, 10**9)), '1×3×1000000000×1000000000'),
        ('large', network(image_size(1, 3, 200_000, 200_000)), '1×3×200000×200000'),
        ('many', network(image_size(10**9, 3, 32, 32)), '1000000000×3×32×32'),
        ('cycle', network(cycle), 'acyclic|topologically sorted'),
        ('long name', network(named('x' * 20_000_000)), 'a name has 20,000,000 bytes'),
        ('long operator', network(operator('Z' * 2_000_000)), 'a name has 2,000,000 bytes'),
        ('escape', network(named('/conv\x1b]0;owned\x07')), 'control characters'),
        ('card', network(made_by('me\nmodel: /etc/passwd')), 'control characters'),
        ('input', network(input_named('im\nage: 1')), 'control characters'),
        ('deep', nested(5000), 'graphs are nested more than'),
        ('fields', b'\x08\x09' * 1_000_001, 'more than 1,000,000 fields'),
        ('empty', b'', 'is not an ONNX file'),
        ('text', b'hello world\n' * 100, 'is not an ONNX file'),
]
FILES: dict[str, tuple[bytes, str]] = {
    name: (content if isinstance(content, bytes) else content.SerializeToString(), words)
    for name, content, words in _FILES}
"""For each file name, the bytes of the file and a pattern of the error message about it."""


def write_neighbours(folder: Path) -> None:
    """Write the other files that the models in ``folder`` name."""
    (folder.parent / SECRET).write_bytes(WEIGHTS.tobytes())
    (folder / 'weights.bin').write_bytes(WEIGHTS.tobytes())
    (folder / 'short.bin').write_bytes(b'abc')
    (folder / 'sub').mkdir()
    (folder / 'link.bin').symlink_to(folder.parent / SECRET)
