# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the Resize operator that enlarges the scores at the end of a network, and removes it.

The scores are the values of the classes. This package enlarges the scores to the size of the
camera image in any case. Without the Resize, the network output is smaller, so the labels are
computed faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import EngineError
from .file_view import Bytes, FileView
from .onnx_graph import OnnxGraph
from .protobuf import Fields
from .regular_file import open_regular, size_of

_SAME_AS_OURS = ('half_pixel', 'pytorch_half_pixel')
"""Coordinate modes with which Resize gives the same result as this package."""
_FEW_STEPS = 8
"""The search for the Resize goes back from the network output over at most this many operators."""


@dataclass(frozen=True)
class LastResize:
    """A Resize at the end of a network. Only Cast and Identity may come after the Resize.

    :param source: name of the tensor that the Resize enlarges.
    :param tensors: names of the tensors from the result of the Resize to the network output.
    :param refused: why the Resize cannot be removed; empty if it can be removed.
    """

    source: str
    tensors: tuple[str, ...]
    refused: str = ''


def find_last_resize(model: Bytes, output: str) -> LastResize | None:
    """Find the Resize at the end of a network.

    :param model: all bytes of an ONNX file that :func:`.onnx_file.summarise` has accepted.
    :param output: name of the network output.
    :returns: the Resize, or None if the network does not end in a Resize.
    :raises ValueError: if the bytes are not an ONNX file.
    """
    graph = OnnxGraph(model)
    tensors = [output]
    for _ in range(_FEW_STEPS):
        node = graph.made_by.get(tensors[0])
        if node is None or not node.inputs:
            return None
        if node.operator in ('Resize', 'Upsample'):
            mode = node.find_text('mode', 'nearest')
            where = node.find_text('coordinate_transformation_mode', 'half_pixel')
            refused = ''
            if node.operator == 'Upsample' or where not in _SAME_AS_OURS:
                refused = ('it places pixels as Upsample does' if node.operator == 'Upsample' else
                           f'its coordinate_transformation_mode is {where}') + (
                    ', but this package enlarges scores with half_pixel. Export the network with '
                    'align_corners=False')
            elif mode != 'linear':
                refused = (f'its mode is {mode}, but this package enlarges scores linearly. '
                           "Export the network with mode='bilinear'")
            return LastResize(node.inputs[0], tuple(tensors), refused)
        if node.operator not in ('Cast', 'Identity'):
            return None
        tensors.insert(0, node.inputs[0])
    return None


def read_last_resize(path: Path, output: str) -> LastResize | None:
    """Find the Resize at the end of a network in a file, as :func:`find_last_resize` does.

    :raises OSError: if the file cannot be read.
    :raises ValueError: if the file is not an ONNX file.
    """
    with open_regular(path) as file:
        return find_last_resize(FileView(file, 0, size_of(file)), output)


def cut_last_resize(model: Bytes, output: str) -> bytes:
    """Remove the last Resize from a network. The output keeps its name and its type.

    :param model: see :func:`find_last_resize`.
    :param output: name of the network output; empty for the only output.
    :returns: the bytes of the new ONNX file. The file uses the external weight files of ``model``.
    :raises EngineError: if the network does not end in a Resize, or if the labels would be
        different without the Resize.
    """
    names = OnnxGraph(model).outputs
    if not output and len(names) != 1:
        raise EngineError(f'`cut_resize` needs the name of one of the {len(names)} outputs. Set '
                          f'`output: name` in the model card to one of: {", ".join(names)}')
    output = output or names[0]
    found = find_last_resize(model, output)
    if found is None:
        raise EngineError(f'output {output} does not end in a Resize, so `cut_resize` has nothing '
                          f'to leave out. Remove `cut_resize`')
    if found.refused:
        raise EngineError(f'the Resize before output {output} cannot be left out: '
                          f'{found.refused}. Or remove `cut_resize`')
    return b''.join(_field(7, _cut_graph(value, found)) if number == 7 else raw
                    for number, value, raw in _parts(model))


def _cut_graph(graph: int | Bytes, found: LastResize) -> bytes:
    kept = []
    for number, value, raw in _parts(graph):
        if number == 1 and found.tensors[0] in _texts(value, 2):
            raw = _field(1, _field(1, found.source.encode()) + _field(2, found.tensors[0].encode())
                         + _field(3, b'cut_resize') + _field(4, b'Identity'))
        elif number == 12 and _texts(value, 1) == [found.tensors[-1]]:
            raw = _field(12, _with_dynamic_dims(value))
        elif number == 13 and _texts(value, 1)[0] in found.tensors:
            continue    # this field declares the size after the Resize
        kept.append(raw)
    return b''.join(kept)


def _with_dynamic_dims(value: int | Bytes, path: tuple[int, ...] = (2, 1, 2, 1)) -> bytes:
    """Return a ValueInfo with only dynamic dimensions. The engine infers the sizes.

    :param path: numbers of the nested fields type, tensor_type, shape and dim of onnx.proto.
    """
    return b''.join(
        raw if number != path[0] else
        _field(number, _with_dynamic_dims(inner, path[1:]) if len(path) > 1 else b'')
        for number, inner, raw in _parts(value))


def _parts(message: int | Bytes) -> Iterator[tuple[int, int | Bytes, bytes]]:
    """Yield the number and the value of every field of a message, and all bytes of the field."""
    if isinstance(message, int):
        raise ValueError(f'a field is the number {message}; expected a message')
    start = 0
    for number, value, end in Fields().read_with_ends(message):
        yield number, value, bytes(message[start:end])
        start = end


def _texts(message: int | Bytes, number: int) -> list[str]:
    return [bytes(value).decode() for found, value, _ in _parts(message)
            if found == number and not isinstance(value, int)]


def _field(number: int, content: bytes) -> bytes:
    """Encode a length-delimited field: its number, its length and its content."""
    head, length = bytearray([number << 3 | 2]), len(content)
    while length > 0x7f:
        head.append(length & 0x7f | 0x80)
        length >>= 7
    return bytes(head) + bytes([length]) + content
