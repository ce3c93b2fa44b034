# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What an ONNX file says about itself, and whether it may be loaded; no onnx package needed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
import math
import os
from pathlib import Path
from typing import BinaryIO

from ..errors import EngineError
from .file_view import Bytes, FileView
from .git_lfs import is_lfs_pointer, LFS_ADVICE
from .onnx_weights import BITS, read_tensor
from .protobuf import Fields, read_name
from .regular_file import open_regular, size_changed, size_of

MAX_FILE = 2**31 - 1
"""Bytes one protobuf message may have; larger networks keep their weights in files beside."""
DEEPEST = 64
"""Messages within each other: three for every graph within a node. protobuf itself takes 100."""

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
"""Messages that are looked into, by message and field number."""
NAMES = {'Model': (2, 3, 4), 'Graph': (2,), 'Function': (1, 4, 5, 10), 'Node': (1, 2, 3, 4, 7),
         'Attribute': (1,), 'OperatorSetId': (1,), 'ValueInfo': (1,), 'TrainingInfo': ()}
"""Names, which end up in messages, reports and cards; by message."""
_OP_TYPE, _IR_VERSION, _PRODUCER, _OPSET = ('Node', 4), 1, (2, 3), 2
FLOAT, FLOAT16, BFLOAT16 = 1, 10, 16


@dataclass
class OnnxSummary:
    """What a file holds.

    :param opset: version of the standard operator set; 0 where none is named.
    :param producer: program and version that wrote the file, or ''.
    :param operators: how often each operator is used.
    :param parameters: numbers stored as weights, by ONNX's number of their type.
    :param external: files beside it that hold weights, as it names them, and how many bytes of
        each are needed, from its start.
    """

    ir_version: int = 0
    opset: int = 0
    producer: str = ''
    operators: Counter[str] = field(default_factory=Counter)
    parameters: Counter[int] = field(default_factory=Counter)
    external: dict[str, int] = field(default_factory=dict)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(count * BITS.get(kind, 0) for kind, count in self.parameters.items()) // 8

    @property
    def precision(self) -> str:
        """fp32, fp16, int8, or mixed where quantised and half-precision parts are both there.

        By what the file holds: quantising operators mean int8, and of the floating-point
        weights the type of most decides.
        """
        half = self.parameters[FLOAT16] + self.parameters[BFLOAT16] > self.parameters[FLOAT]
        if any(op.startswith(('QuantizeLinear', 'DequantizeLinear', 'QLinear', 'ConvInteger',
                              'MatMulInteger')) for op in self.operators):
            return 'mixed' if half else 'int8'
        return 'fp16' if half else 'fp32'


def summarise(path: Path) -> OnnxSummary:
    """Read a file's summary and refuse what no export holds; weights are skipped over, not read.

    To be called before any library opens the file: libraries follow its word on how much memory
    to take and which files to read.

    :raises EngineError: when it is no ONNX file, or one that lies about its sizes, takes weights
        from outside its folder, or has names that are not for reading.
    """
    # os.path.isfile answers False, where Path.is_file raises: for a name that is too long, say
    if not os.path.isfile(path):
        raise EngineError(
            f'there is no ONNX file {path}. Export your network there (torch.onnx.export), or '
            f'correct model: in the model card')
    try:
        if not is_lfs_pointer(path):
            with open_regular(path) as file:
                return _walk(file, path.parent)
    except (OSError, ValueError) as error:
        raise EngineError(f'{path} is no ONNX file: {error}. Copy or export it again') from error
    except EngineError as error:
        raise EngineError(f'{path} is refused: {error}') from None
    raise EngineError(f'{path} {LFS_ADVICE}')


def _walk(file: BinaryIO, folder: Path) -> OnnxSummary:
    size = size_of(file)
    if size > MAX_FILE:
        raise EngineError(f'it has {size / 1e9:.1f} GB; 2 GB is the most one ONNX file can hold, '
                          f'so export with external data')
    if not size:
        raise ValueError('it is empty')
    walk = _Walk(folder)
    walk.message('Model', FileView(file, 0, size), 1)
    if size_of(file) != size:
        raise size_changed(size)
    return walk.summary


class _Walk:
    """Goes through a file's messages once."""

    def __init__(self, folder: Path) -> None:
        self.summary = OnnxSummary()
        self._folder = folder
        self._fields = Fields()

    def message(self, kind: str, view: Bytes, depth: int) -> None:
        if depth > DEEPEST:
            raise EngineError(f'graphs within graphs, more than {DEEPEST // 3} deep; no export '
                              f'of a network nests so')
        if kind == 'SparseTensor':
            raise EngineError('sparse weights, which are a few numbers that say they are many; '
                              'export dense ones')
        if kind == 'Tensor':
            tensor = read_tensor(view, self._fields)
            tensor.refuse_lies(self._folder)
            self.summary.parameters[tensor.kind] += math.prod(tensor.dims)
            if place := tensor.location:
                self.summary.external[place] = max(self.summary.external.get(place, 0),
                                                   tensor.offset + tensor.nbytes)
            return
        inner, names = INNER[kind], NAMES[kind]
        for number, value in self._fields.of(view):
            if isinstance(value, int):
                self._number(kind, number, value, view)
            elif number in names:
                self._text(kind, number, read_name(value))
            elif number in inner:
                self.message(inner[number], value, depth + 1)

    def _number(self, kind: str, number: int, value: int, view: Bytes) -> None:
        if kind == 'Model' and number == _IR_VERSION:
            self.summary.ir_version = value
        elif kind == 'OperatorSetId' and number == _OPSET:
            domains = [bytes(v) for n, v in Fields().of(view) if n == 1 and not isinstance(v, int)]
            if domains in ([], [b''], [b'ai.onnx']):
                self.summary.opset = value

    def _text(self, kind: str, number: int, text: str) -> None:
        if (kind, number) == _OP_TYPE:
            self.summary.operators[text] += 1
        elif kind == 'Model' and number in _PRODUCER:
            self.summary.producer = f'{self.summary.producer} {text}'.strip()
