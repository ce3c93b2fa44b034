# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A plan: the bytes of a TensorRT engine, with facts about its layers, precisions and memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
import json
import re
from typing import Any

from ..untrusted.signed_files import SignedFile

_NAMES = {'float': 'fp32', 'half': 'fp16', 'int8': 'int8', 'bfloat16': 'bf16', 'fp8': 'fp8',
          'int32': 'int32', 'int64': 'int64', 'bool': 'bool', 'uint8': 'uint8', 'bf16': 'bf16',
          'fp32': 'fp32', 'fp16': 'fp16'}
_WIDTH = ('int8', 'fp8', 'fp16', 'bf16', 'fp32')
"""Element types that count as a precision, from the fewest to the most bits."""


@dataclass(frozen=True)
class Plan(SignedFile):
    """The bytes of a TensorRT engine, and facts about the engine's layers and memory."""


@dataclass(frozen=True)
class Layer:
    """One layer of an engine, or of a network that is not built yet.

    :param kind: TensorRT's type of the layer; empty if unknown.
    :param inputs: element type of each input activation, such as fp32, fp16 or int8.
    :param outputs: element type of each output activation.
    :param onnx: names of the ONNX nodes that the layer computes.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    onnx: tuple[str, ...] = ()

    @property
    def precision(self) -> str:
        """The input type with the fewest bits; empty if no type is in ``_WIDTH``."""
        return min((t for t in self.inputs if t in _WIDTH), key=_WIDTH.index, default='')


def layers_from_log(text: str) -> list[Layer]:
    """Read the layers from the list that TensorRT logs at the end of a build.

    TensorRT 10, TensorRT 11 and TensorRT-RTX write this list. After a build without a GPU, only
    this list shows the layers, because no driver can load the plan. If a line does not give a
    value, the value is empty in the layer.
    """
    # splitlines() would cut a line at the character 0x1E, which separates names of ONNX nodes.
    return [_read_layer(line) for line in text.split('\n') if line.startswith('Name: ')]


def layers_from_inspector(text: str) -> list[Layer]:
    """Read the layers of an engine from the JSON text of TensorRT's EngineInspector.

    :raises ValueError: if the text is not JSON.
    :raises LookupError: if a layer has no name.
    """
    found = []
    # Without strict=False, the character 0x1E between two names of ONNX nodes would be refused.
    for layer in json.loads(text, strict=False)['Layers']:
        if isinstance(layer, str):      # the engine was built without detailed verbosity
            found.append(Layer(layer, '', (), ()))
            continue
        inputs, outputs = (tuple(_read_type(t) for t in layer.get(side, []))
                           for side in ('Inputs', 'Outputs'))
        found.append(Layer(layer['Name'], layer.get('LayerType', ''), inputs, outputs,
                           _onnx_names(layer.get('Metadata', ''))))
    return found


def _read_layer(line: str) -> Layer:
    name = re.match(r'Name: (.*?)(?:, LayerType: |$)', line)
    kind = re.search(r', LayerType: (\w+)', line)
    inputs, outputs = (_read_side(line, side) for side in ('Inputs', 'Outputs'))
    return Layer(name[1] if name else '', kind[1] if kind else '', inputs, outputs,
                 _onnx_names(line))


def _read_side(line: str, side: str) -> tuple[str, ...]:
    """Return the element types of the inputs or outputs in a line of TensorRT's list of layers.

    The names and the dimensions of the tensors may contain brackets too.
    """
    tensors = re.search(rf', {side}: \[ (\{{ .*? \}})\](?=, [A-Z]\w*: |$)', line)
    return tuple(_find_type(text) for text in re.findall(
        r'(?:Format/)?Data[tT]ype: (.*?)(?:, [A-Z]\w*: | \})', tensors[1] if tensors else ''))


def _read_type(tensor: Mapping[str, Any]) -> str:
    keys = ('DataType', 'Datatype', 'Format/Datatype')
    return _find_type(next((str(tensor[key]) for key in keys if key in tensor), ''))


def _find_type(text: str) -> str:
    """Find the element type in a text; empty if there is none.

    The text is a type such as ``Half``, or a format such as ``Thirty-two wide channel vectorized
    row major Int8 format``.
    """
    words = re.findall(r'\w+', text.lower())
    known = next((_NAMES[word] for word in words if word in _NAMES), '')
    return known or (words[0] if len(words) == 1 else '')


def _onnx_names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r'\[ONNX Layer: (.*?)\]', text)))


def memory_from_log(lines: Iterable[str]) -> dict[str, int]:
    """Read the sizes of weights, activations and scratch memory from a build log, in bytes."""
    names = {'Total Weights Memory': 'weights', 'Total Activation Memory': 'activations',
             'Max Scratch Memory': 'scratch'}
    found = {}
    for line in lines:
        if (match := re.match(r'(.+): (\d+) bytes$', line)) and match[1] in names:
            found[names[match[1]]] = int(match[2])
    return found


def count_precisions(layers: Sequence[Layer]) -> dict[str, int]:
    """Count the layers of each precision. Layers without a precision are not counted."""
    return dict(Counter(layer.precision for layer in layers if layer.precision).most_common())


def find_kernels(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers that run a kernel on the GPU. The other layers only compute shapes."""
    return [layer for layer in layers if layer.inputs or layer.outputs]


def describe_precisions(kernels: Sequence[Layer]) -> str:
    """Return a text such as ``70 int8, 22 fp16, 1 other``. The sum is the number of kernels.

    The word ``other`` means a layer without a precision. For example, such a layer fills a tensor
    with a constant.

    :param kernels: the layers that :func:`find_kernels` returns.
    """
    counts = count_precisions(kernels)
    others = len(kernels) - sum(counts.values())
    return ', '.join([*(f'{count} {name}' for name, count in counts.items()),
                      *([f'{others} other'] if others else [])])


def to_json(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Convert layers to a form that JSON can hold. :func:`from_json` converts them back."""
    return [asdict(layer) for layer in layers]


def from_json(trees: Sequence[Mapping[str, Any]]) -> list[Layer]:
    """Return the layers from the result of :func:`to_json`."""
    return [Layer(t['name'], t['kind'], tuple(t['inputs']), tuple(t['outputs']),
                  tuple(t['onnx'])) for t in trees]
