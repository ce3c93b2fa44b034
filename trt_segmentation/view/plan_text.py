# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a TensorRT plan: the layers with their precisions, the memory and the tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..engines.plan import count_precisions, from_json, Layer
from ..untrusted.signed_files import SignedFile


def plan_text(name: str, plan: SignedFile) -> str:
    """Return the text of ``trt_seg inspect`` for a plan.

    :param name: name of the plan in the text.
    :param plan: the plan, with the facts that ``trt_seg build`` stored about it.
    :raises LookupError: if a fact about the plan is missing.
    :raises TypeError, ValueError, AttributeError, OverflowError: if a fact has a wrong type.
    """
    about = plan.about
    return '\n'.join([
        f'{name}: {len(plan.data) / 1e6:.1f} MB, {about.get("precision", "")}, '
        f'{about["library"]}, built in {about["seconds"]} s',
        *([f'INT8: {about["split"]}'] if 'split' in about else []),
        *([f'FP32, because FP16 cannot hold the values: {", ".join(about["fp32"])}']
          if 'fp32' in about else []), '',
        *_tensors(about), '', *_memory(about['memory']), '',
        *_layers(from_json(about['layers']), about['layers_are'])])


def _tensors(about: Mapping[str, Any]) -> Iterator[str]:
    for side in ('inputs', 'outputs'):
        for tensor in about[side]:
            yield f'{side[:-1]:8}{tensor["name"]}: {tensor["type"]} {_shape(tensor["shape"])}'
    for index, profile in enumerate(about['profiles']):
        for name, shapes in profile.items():
            yield (f'profile {index}: {name} '
                   + ' / '.join(map(_shape, shapes)) + ' (min / opt / max)')


def _memory(memory: Mapping[str, int]) -> Iterator[str]:
    for name, count in memory.items():
        yield f'{name:12}{count / 1e6:8.2f} MB'
    if not memory:
        yield ('memory: unknown, because this version of TensorRT reports the memory only when '
               'a plan is loaded')


def _layers(layers: Sequence[Layer], kind: str) -> Iterator[str]:
    counts = ', '.join(f'{n} {name}' for name, n in count_precisions(layers).items())
    yield f'{len(layers)} layers {kind}; their precisions: {counts or "unknown"}'
    rows = [('precision', 'out', 'kind', 'layer', 'ONNX nodes')]
    rows += [(layer.precision or '–', ','.join(dict.fromkeys(layer.outputs)) or '–',
              layer.kind or '–', _short(layer.name), ', '.join(layer.onnx[:3])
              + (f' and {len(layer.onnx) - 3} more' if len(layer.onnx) > 3 else ''))
             for layer in layers]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        yield '  '.join([*(text.ljust(width) for text, width in zip(row, widths)),
                         row[4]]).rstrip()


def _shape(sides: Sequence[int]) -> str:
    return '×'.join('?' if side < 0 else str(side) for side in sides)


def _short(name: str, most: int = 48) -> str:
    return name if len(name) <= most else f'{name[:most - 1]}…'
