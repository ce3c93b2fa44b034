# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Summarises an ONNX file without the onnx package, and refuses a file that is unsafe to load.

An ONNX file is a protobuf message, whose fields can hold inner messages.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
import hashlib
import math
import os
from pathlib import Path
from typing import BinaryIO

from ..errors import EngineError
from .file_view import Bytes, FileView
from .git_lfs import is_lfs_pointer, LFS_ADVICE
from .onnx_weights import BITS, read_tensor
from .protobuf import Fields, read_name
from .regular_file import open_regular, read_pieces, size_changed, size_of

MAX_FILE = 2**31 - 1
"""Largest size of an ONNX file, in bytes. A larger network keeps its weights in other files."""
DEEPEST = 64
"""Largest number of levels of nested messages. A graph inside a node adds three levels."""

# Field numbers of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
INNER = {
    'Model': {7: 'Graph', 8: 'OperatorSetId', 20: 'TrainingInfo', 25: 'Function'},
    'Graph': {1: 'Node', 5: 'Tensor', 11: 'ValueInfo', 12: 'ValueInfo', 13: 'ValueInfo',
              15: 'SparseTensor'},
    'TrainingInfo': {1: 'Graph', 2: 'Graph'},
    'Function': {7: 'Node', 9: 'OperatorSetId', 11: 'Attribute'},
    'Node': {5: 'Attribute'},
    'Attribute': {5: 'Tensor', 6: 'Graph', 10: 'Tensor', 11: 'Graph', 22: 'SparseTensor',
                  23: 'SparseTensor'},
    'OperatorSetId': {}, 'ValueInfo': {}}
"""Maps each kind of message to its fields that hold inner messages. These fields are a mapping
from the field number to the kind of the inner message."""
NAMES = {'Model': (2, 3, 4), 'Graph': (2,), 'Function': (1, 4, 5, 10), 'Node': (1, 2, 3, 4, 7),
         'Attribute': (1,), 'OperatorSetId': (1,), 'ValueInfo': (1,), 'TrainingInfo': ()}
"""Maps each kind of message to the numbers of its fields that hold names."""
_OP_TYPE, _IR_VERSION, _PRODUCER, _OPSET = ('Node', 4), 1, (2, 3), 2
FLOAT, FLOAT16, BFLOAT16 = 1, 10, 16


@dataclass
class OnnxSummary:
    """Facts about an ONNX file.

    :param ir_version: version of the ONNX format; 0 if the file does not give a version.
    :param opset: version of the standard operator set; 0 if the file does not give a version.
    :param producer: name and version of the program that wrote the file; empty if unknown.
    :param operators: maps each operator to the number of its nodes.
    :param parameters: maps ONNX's id of each data type to the number of weights (single numbers).
    :param external: maps the name of each external weight file to its smallest allowed size in
        bytes.
    """

    ir_version: int = 0
    opset: int = 0
    producer: str = ''
    operators: Counter[str] = field(default_factory=Counter)
    parameters: Counter[int] = field(default_factory=Counter)
    external: dict[str, int] = field(default_factory=dict)

    @property
    def weight_bytes(self) -> int:
        """Number of bytes of all weights together."""
        return sum(count * BITS.get(kind, 0) for kind, count in self.parameters.items()) // 8

    @property
    def precision(self) -> str:
        """Precision of the network: fp32, fp16, int8 or mixed.

        A network with quantized operators is int8. A network with more 16-bit weights than fp32
        weights is fp16. A network with both properties is mixed, and every other network is fp32.
        """
        half = self.parameters[FLOAT16] + self.parameters[BFLOAT16] > self.parameters[FLOAT]
        if any(op.startswith(('QuantizeLinear', 'DequantizeLinear', 'QLinear', 'ConvInteger',
                              'MatMulInteger')) for op in self.operators):
            return 'mixed' if half else 'int8'
        return 'fp16' if half else 'fp32'


def summarise(path: Path) -> OnnxSummary:
    """Summarise an ONNX file without reading its weights. Refuse a damaged or dangerous file.

    Call this function before a library opens the file. A library allocates as much memory as the
    ONNX file declares, and opens every file that the ONNX file names.

    :raises EngineError: if the file is not an ONNX file, declares wrong sizes, names a file
        outside its folder, or contains names that cannot be printed.
    """
    # If a name is too long, os.path.isfile returns False, but Path.is_file raises an error.
    if not os.path.isfile(path):
        raise EngineError(
            f'there is no ONNX file {path}. Export your network there (torch.onnx.export), or '
            f'correct `model` in the model card')
    try:
        if not is_lfs_pointer(path):
            with open_regular(path) as file:
                return _walk(file, path.parent)
    except (OSError, ValueError) as error:
        raise EngineError(
            f'{path} is not an ONNX file: {error}. Copy or export it again') from error
    except EngineError as error:
        raise EngineError(f'{path} is refused: {error}') from None
    raise EngineError(f'{path} is {LFS_ADVICE}')


def hash_model(path: Path) -> str:
    """Return one SHA-256 of an ONNX file and all its external weight files, as hex digits.

    :raises EngineError: if a file cannot be read or is not ONNX.
    """
    digest = hashlib.sha256()
    external = summarise(path).external
    try:
        _add_file(digest, path)
        for name in sorted(external):
            digest.update(name.encode())
            _add_file(digest, path.parent / name)
    except OSError as error:
        raise EngineError(f'{path} cannot be read: {error}') from error
    return digest.hexdigest()


def _add_file(digest: hashlib._Hash, path: Path) -> None:
    with open_regular(path) as file:
        for piece in read_pieces(file):
            digest.update(piece)


def _walk(file: BinaryIO, folder: Path) -> OnnxSummary:
    size = size_of(file)
    if size > MAX_FILE:
        raise EngineError(f'it has {size / 1e9:.1f} GB, but an ONNX file can hold 2 GB at most. '
                          f'Export the network with external data')
    if not size:
        raise ValueError('it is empty')
    walk = _Walk(folder)
    walk.read_message('Model', FileView(file, 0, size), 1)
    if size_of(file) != size:
        raise size_changed(size)
    return walk.summary


class _Walk:
    """Reads all messages of one file once, and fills the summary."""

    def __init__(self, folder: Path) -> None:
        self.summary = OnnxSummary()
        self._folder = folder
        self._fields = Fields()

    def read_message(self, kind: str, view: Bytes, depth: int) -> None:
        if depth > DEEPEST:
            raise EngineError(f'its graphs are nested more than {DEEPEST // 3} deep; no exporter '
                              f'nests so deep')
        if kind == 'SparseTensor':
            raise EngineError('it has sparse weights, which can unpack to any number of weights. '
                              'Export the network with dense weights')
        if kind == 'Tensor':
            tensor = read_tensor(view, self._fields)
            tensor.check_declaration(self._folder)
            self.summary.parameters[tensor.kind] += math.prod(tensor.dims)
            if place := tensor.location:
                self.summary.external[place] = max(self.summary.external.get(place, 0),
                                                   tensor.offset + tensor.nbytes)
            return
        for number, value in self._fields.read(view):
            if isinstance(value, int):
                self._use_number(kind, number, value, view)
            elif number in NAMES[kind]:
                self._use_name(kind, number, read_name(value))
            elif number in INNER[kind]:
                self.read_message(INNER[kind][number], value, depth + 1)

    def _use_number(self, kind: str, number: int, value: int, view: Bytes) -> None:
        if kind == 'Model' and number == _IR_VERSION:
            self.summary.ir_version = value
        elif kind == 'OperatorSetId' and number == _OPSET:
            domains = [bytes(v) for n, v in Fields().read(view)
                       if n == 1 and not isinstance(v, int)]
            if domains in ([], [b''], [b'ai.onnx']):
                self.summary.opset = value

    def _use_name(self, kind: str, number: int, text: str) -> None:
        if (kind, number) == _OP_TYPE:
            self.summary.operators[text] += 1
        elif kind == 'Model' and number in _PRODUCER:
            self.summary.producer = f'{self.summary.producer} {text}'.strip()
