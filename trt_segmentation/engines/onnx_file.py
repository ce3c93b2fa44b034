# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What an ONNX file says about itself, read without the onnx package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
import mmap
from pathlib import Path

from . import EngineError

# Field numbers of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_MODEL = {'ir_version': 1, 'producer_name': 2, 'producer_version': 3, 'graph': 7, 'opset': 8}
_GRAPH = {'node': 1, 'initializer': 5}
_NODE = {'output': 2, 'op_type': 4, 'attribute': 5}
_ATTRIBUTE_TENSOR = 5
_TENSOR = {'dims': 1, 'data_type': 2}
_OPSET = {'domain': 1, 'version': 2}
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64,
         16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4}
FLOAT, FLOAT16, BFLOAT16 = 1, 10, 16


@dataclass
class OnnxSummary:
    """What a file holds.

    :param opset: version of the standard operator set; 0 where none is named.
    :param producer: program and version that wrote the file, or ''.
    :param operators: how often each operator is used.
    :param parameters: numbers stored as weights, by ONNX's number of their type.
    """

    ir_version: int = 0
    opset: int = 0
    producer: str = ''
    operators: Counter[str] = field(default_factory=Counter)
    parameters: Counter[int] = field(default_factory=Counter)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(count * _BITS.get(kind, 0) for kind, count in self.parameters.items()) // 8

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
    """Read a file's summary; weights are skipped over, not read.

    :raises EngineError: when it is no ONNX file.
    """
    try:
        with path.open('rb') as file:
            # never closed by hand: the traceback of an error still holds views of it
            return _model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except (OSError, ValueError) as error:
        raise EngineError(f'{path} is no ONNX file: {error}') from error


def _model(view: memoryview) -> OnnxSummary:
    summary = OnnxSummary()
    words = ['', '']
    for number, value in _fields(view):
        if number == _MODEL['ir_version'] and isinstance(value, int):
            summary.ir_version = value
        elif isinstance(value, int):
            continue
        elif number in (_MODEL['producer_name'], _MODEL['producer_version']):
            words[number - _MODEL['producer_name']] = _text(value)
        elif number == _MODEL['opset']:
            entries = dict(_fields(value))
            version = entries.get(_OPSET['version'])
            domain = entries.get(_OPSET['domain'], b'')
            if isinstance(version, int) and _text(domain) in ('', 'ai.onnx'):
                summary.opset = version
        elif number == _MODEL['graph']:
            _graph(value, summary)
    summary.producer = ' '.join(word for word in words if word)
    return summary


def _graph(view: memoryview, summary: OnnxSummary) -> None:
    for number, value in _fields(view):
        if isinstance(value, int):
            continue
        if number == _GRAPH['initializer']:
            _tensor(value, summary)
        elif number == _GRAPH['node']:
            _node(value, summary)


def _node(view: memoryview, summary: OnnxSummary) -> None:
    for number, value in _fields(view):
        if isinstance(value, int):
            continue
        if number == _NODE['op_type']:
            summary.operators[_text(value)] += 1
        elif number == _NODE['attribute']:
            for key, tensor in _fields(value):
                if key == _ATTRIBUTE_TENSOR and not isinstance(tensor, int):
                    _tensor(tensor, summary)


def _tensor(view: memoryview, summary: OnnxSummary) -> None:
    count, kind = 1, 0
    for number, value in _fields(view):
        if number == _TENSOR['dims']:
            if isinstance(value, int):
                count *= value
            else:
                for side in _packed(value):
                    count *= side
        elif number == _TENSOR['data_type'] and isinstance(value, int):
            kind = value
    summary.parameters[kind] += count


def _text(value: int | memoryview | bytes) -> str:
    return '' if isinstance(value, int) else bytes(value).decode('utf-8', 'replace')


def _packed(view: memoryview) -> Iterator[int]:
    at = 0
    while at < len(view):
        value, at = _varint(view, at)
        yield value


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Fields of a protobuf message: number, and a whole number or the bytes.

    :raises ValueError: where the bytes are no such message.
    """
    at = 0
    while at < len(view):
        key, at = _varint(view, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(view, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(view, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f'byte {at}: no protobuf field starts there')
        if size > len(view) - at:
            raise ValueError(f'byte {at}: {size} bytes announced, {len(view) - at} left')
        yield key >> 3, view[at:at + size]
        at += size


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(view) and shift < 70:
        byte = view[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(f'byte {at}: a number that does not end')
