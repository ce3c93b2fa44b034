# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A built engine as bytes, and what it consists of: layers, the precision each got, memory."""

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


@dataclass(frozen=True)
class Plan(SignedFile):
    """A serialized TensorRT engine, and facts about its layers and its memory."""


@dataclass(frozen=True)
class Layer:
    """One kernel of an engine, or one layer of a network not yet built.

    :param inputs: types of its activations in: fp32, fp16, int8, ….
    :param outputs: likewise out.
    :param onnx: names of the ONNX nodes it stands for.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    onnx: tuple[str, ...] = ()

    @property
    def precision(self) -> str:
        """What it computes in: its narrowest float or int8 input; '' of shape arithmetic."""
        return min((t for t in self.inputs if t in _WIDTH), key=_WIDTH.index, default='')


def layers_from_log(text: str) -> list[Layer]:
    """Layers of the listing TensorRT logs at the end of a build.

    That is how a build without a GPU is inspected: reading a plan takes a driver.
    """
    return [_layer_of_line(line) for line in text.splitlines() if line.startswith('Name: ')]


def layers_from_inspector(text: str) -> list[Layer]:
    """Layers of the JSON that TensorRT's EngineInspector gives for a whole engine."""
    found = []
    for layer in json.loads(text)['Layers']:
        if isinstance(layer, str):      # the engine was built without detailed verbosity
            found.append(Layer(layer, '', (), ()))
            continue
        inputs, outputs = (tuple(_type(t) for t in layer.get(side, []))
                           for side in ('Inputs', 'Outputs'))
        found.append(Layer(layer['Name'], layer.get('LayerType', ''), inputs, outputs,
                           _onnx_names(layer.get('Metadata', ''))))
    return found


def _layer_of_line(line: str) -> Layer:
    name, kind = re.findall(r'Name: (.*?), LayerType: (.*?), Inputs:', line)[0]
    sides = re.findall(r'Inputs: (\[.*?\]), (?:Constants|Outputs): ', line)[:1]
    sides += re.findall(r'Outputs: (\[.*\]), TacticName', line)[:1]
    inputs, outputs = (tuple(_name(t) for t in re.findall(r'Datatype: (\w+)', side))
                       for side in [*sides, '', ''][:2])
    return Layer(name, kind, inputs, outputs, _onnx_names(line))


def _type(tensor: Mapping[str, Any]) -> str:
    if 'Datatype' in tensor:
        return _name(str(tensor['Datatype']))
    # before TensorRT 10.14 the type is a word of a sentence such as
    # 'Channel major FP16 format where C % 4 == 0'
    words = re.findall(r'\w+', str(tensor.get('Format/Datatype', '')).lower())
    return next((_NAMES[word] for word in words if word in _NAMES), '')


def _name(datatype: str) -> str:
    return _NAMES.get(datatype.lower(), datatype.lower())


def _onnx_names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r'\[ONNX Layer: (.*?)\]', text)))


def memory_from_log(lines: Iterable[str]) -> dict[str, int]:
    """Bytes of weights, activations and scratch that a build's log tells."""
    names = {'Total Weights Memory': 'weights', 'Total Activation Memory': 'activations',
             'Max Scratch Memory': 'scratch'}
    found = {}
    for line in lines:
        if (match := re.match(r'(.+): (\d+) bytes$', line)) and match[1] in names:
            found[names[match[1]]] = int(match[2])
    return found


def count_precisions(layers: Sequence[Layer]) -> dict[str, int]:
    """How many layers compute in each precision; those that compute nothing are left out."""
    return dict(Counter(layer.precision for layer in layers if layer.precision).most_common())


def to_json(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Layers for a plan's sidecar; :func:`from_json` reads them back."""
    return [asdict(layer) for layer in layers]


def from_json(trees: Sequence[Mapping[str, Any]]) -> list[Layer]:
    """Layers of a sidecar."""
    return [Layer(t['name'], t['kind'], tuple(t['inputs']), tuple(t['outputs']),
                  tuple(t['onnx'])) for t in trees]
