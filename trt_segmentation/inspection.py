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

"""What an ONNX file is, what this package takes it for and why, and a card to start from."""

from __future__ import annotations

import json
from pathlib import Path

from .engines import EngineError
from .engines.onnx_file import OnnxSummary, summarise
from .engines.onnxruntime import open_session, tensors
from .model_card import InputCard, OutputCard
from .printable import one_line, printable
from .signature import resolve, Signature, Tensor

KNOWN_CLASSES = {19: 'cityscapes', 21: 'voc', 150: 'ade20k'}
"""Cards whose class list has this many names."""
HEIGHT, WIDTH = 512, 1024
"""Suggested where a network leaves its size open."""


def inspect_model(path: Path) -> str:
    """The text of ``trt_seg inspect`` for an ONNX file.

    :raises EngineError: when the file cannot be loaded; says what could be read of it.
    """
    facts = _facts(summarise(path))
    try:
        session = open_session(path)
    except EngineError as error:
        raise EngineError('\n'.join([str(error), *facts])) from error
    inputs, outputs = tensors(session)
    # a line break in the path would end the comment, and the rest of it be part of the card
    lines = [f'{one_line(str(path))}: {_size(path.stat().st_size)}', *facts, '']
    lines += [f'input   {tensor}' for tensor in inputs]
    lines += [f'output  {tensor}' for tensor in outputs]
    try:
        signature = guess(inputs, outputs)
    except EngineError as error:
        return '\n'.join([*lines, '', f'Not a segmentation network as it is: {error}'])
    lines += ['', 'Taken for', *(f'  {line}' for line in _taken(signature)),
              'because', *(f'  {reason}' for reason in signature.reasons)]
    lines += ['', f'Model card; save it as {one_line(path.stem)}.yaml beside the network '
              'and correct what it cannot know:']
    # comments, so that the whole output is a card that can be redirected into a file
    return '\n'.join([*(f'# {line}'.rstrip() for line in lines), '',
                      card_text(path, signature, inputs)])


def guess(inputs: list[Tensor], outputs: list[Tensor]) -> Signature:
    """Resolve a network without a card: a gray image where it has one channel, and so on.

    :raises EngineError: when it is no segmentation network.
    """
    shape = inputs[0].shape if inputs else ()
    gray = len(shape) == 4 and 3 not in (shape[1], shape[3]) and 1 in (shape[1], shape[3])
    card = InputCard(color='gray' if gray else 'rgb')
    try:
        return resolve(inputs, outputs, card, OutputCard(), None)
    except EngineError:
        nhwc = len(shape) == 4 and shape[3] == (1 if gray else 3)
        height, width = (shape[1:3] if nhwc else shape[2:4]) if len(shape) == 4 else (0, 0)
        card = InputCard(color=card.color, height=0 if height else HEIGHT,
                         width=0 if width else WIDTH)
        return resolve(inputs, outputs, card, OutputCard(), None)


def card_text(path: Path, signature: Signature, inputs: list[Tensor]) -> str:
    """A model card in YAML that :func:`trt_segmentation.model_card.load_card` accepts."""
    image, answer = signature.input, signature.output
    axes = (2, 3) if image.layout == 'nchw' else (1, 2)
    lines = [f'name: {_quoted(path.stem)}', f'model: {_quoted(path.name)}', 'input:',
             f'  name: {_quoted(image.name)}', f'  layout: {image.layout}']
    lines += [f'  {side}: {size}      # the network leaves it open: what was it trained at?'
              for axis, side, size in zip(axes, ('height', 'width'), (image.height, image.width))
              if inputs[0].shape[axis] is None]
    if image.dtype == 'uint8':
        lines.append(f'  color: {"gray" if image.channels == 1 else "rgb"}      # or bgr')
    elif image.channels == 1:
        lines += ['  color: gray', '  mean: [0.5]      # what was it trained with?',
                  '  std: [0.5]']
    else:
        lines += ['  color: rgb      # or bgr',
                  "  mean: [0.485, 0.456, 0.406]      # ImageNet's; what was it trained with?",
                  '  std: [0.229, 0.224, 0.225]']
    lines += ['  resize: stretch      # or letterbox, crop', 'output:',
              f'  name: {_quoted(answer.name)}', f'  kind: {answer.kind}']
    if answer.layout != 'nhw' and answer.kind != 'labels':
        lines.append(f'  layout: {answer.layout}')
    return '\n'.join(lines + _classes(signature)) + '\n'


def _quoted(text: str) -> str:
    # a JSON string is a YAML string, whatever is in it
    return printable(json.dumps(text, ensure_ascii=False))


def _classes(signature: Signature) -> list[str]:
    answer = signature.output
    if answer.kind == 'labels':
        return ['# class ids do not say how many there are: name every one',
                'classes: [class_0, class_1]']
    count = 2 if answer.kind == 'sigmoid' else answer.channels
    if name := KNOWN_CLASSES.get(count):
        return [f'# {count} classes may well be these', f'classes: {name}', f'palette: {name}']
    return ['classes:', *(f'- class_{index}' for index in range(count))]


def _facts(summary: OnnxSummary) -> list[str]:
    often = ', '.join(f'{op} ×{count}' for op, count in summary.operators.most_common(8))
    return [
        f'opset {summary.opset}, IR {summary.ir_version}, made by {summary.producer or "nobody"}',
        f'{summary.parameters.total():,} parameters, {_size(summary.weight_bytes)}, '
        f'{summary.precision}',
        f'{summary.operators.total()} nodes: {often or "none"}']


def _taken(signature: Signature) -> list[str]:
    image, answer = signature.input, signature.output
    return [
        f'image   {image.name}: {image.dtype} {image.layout}, {image.channels} channel(s), '
        f'{image.width}x{image.height} (width x height), batch {image.batch or "open"}',
        f'answer  {answer.name}: {answer.kind} {answer.layout}, {answer.dtype}'
        + (f', {answer.channels} classes' if answer.kind == 'logits' else '')]


def _size(count: int) -> str:
    return f'{count / 1e6:.1f} MB' if count >= 1e5 else f'{count / 1e3:.1f} kB'
