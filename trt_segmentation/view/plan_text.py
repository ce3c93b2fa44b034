# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Describes a TensorRT plan: the kernels with their precisions, the memory and the tensors.

A plan is a file with a network that TensorRT has compiled for one kind of GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engines.plan import describe_precisions, find_kernels, from_json, Layer
from ..untrusted.signed_files import SignedFile


def plan_text(name: str, plan: SignedFile) -> str:
    """Return the text of ``trt_seg inspect`` for a plan, from the facts in its file.

    :param name: name of the plan in the text.
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


def summarise_plan(plan: SignedFile, out: Path | None = None) -> str:
    """Return the lines that ``trt_seg build`` prints last.

    :param out: file of the plan; None if the plan is in the cache.
    """
    about = plan.about
    text = (f'{about["library"]}, {len(plan.data) / 1e6:.1f} MB in {about["seconds"]:.1f} s; '
            + _count_kernels(from_json(about['layers']), about['layers_are']))
    return text if out is None else (
        f'{text}\n→ {out}; `trt_seg inspect {out}` lists its kernels. Nodes do not load this '
        'file. A node builds its own plan, from the card, the ONNX file and the INT8 ranges that '
        'are stored beside the ONNX file')


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


def _count_kernels(layers: Sequence[Layer], kind: str) -> str:
    kernels = find_kernels(layers)
    what = 'kernels' if kind == 'built' else f'layers {kind}'
    return f'{what}: {len(kernels)} ({describe_precisions(kernels) or "precisions unknown"})'


def _layers(layers: Sequence[Layer], kind: str) -> Iterator[str]:
    yield _count_kernels(layers, kind)
    others = len(layers) - len(find_kernels(layers))
    if others:
        yield f'steps that compute only shapes: {others}'
    rows = [('precision', 'out', 'kind', 'kernel', 'ONNX nodes')]
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
