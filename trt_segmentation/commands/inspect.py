# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Describe an ONNX file, explain how trt_segmentation uses it, and suggest a model card.

A model card is a YAML file that tells this package how to use a network.
"""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path

from ..engines.onnxruntime_cpu import open_session, read_tensors
from ..errors import EngineError, NotASegmentation
from ..model.card import InputCard, OutputCard
from ..model.kind import OutputKind
from ..model.signature import resolve_signature, Signature, Tensor
from ..untrusted.onnx_cut import read_last_resize
from ..untrusted.onnx_file import OnnxSummary, summarise
from ..untrusted.onnx_graph import Ending, read_endings
from ..untrusted.terminal_text import count_noun, one_line, printable

KNOWN_CLASSES = {19: 'cityscapes', 21: 'voc', 150: 'ade20k'}
"""Names of the installed class lists, by their number of classes."""
HEIGHT, WIDTH = 512, 1024
"""Suggested input size in pixels, for a network whose input size is dynamic."""


def inspect_model(path: Path) -> str:
    """Return the text of ``trt_seg inspect`` for an ONNX file.

    :raises NotASegmentation: if the file holds no segmentation network.
    :raises EngineError: if ONNX Runtime cannot load the file. The message also contains the facts
        that could be read from the file.
    """
    facts = _facts(summarise(path))
    try:
        session = open_session(path)
    except EngineError as error:
        raise EngineError('\n'.join([str(error), *facts])) from error
    inputs, outputs = read_tensors(session)
    # These lines become comments of a model card. A line break in the path would end a comment.
    lines = [f'{one_line(str(path))}: {_size(path.stat().st_size)}', *facts, '']
    lines += [f'input   {tensor}' for tensor in inputs]
    lines += [f'output  {tensor}' for tensor in outputs]
    try:
        signature = guess(inputs, outputs, read_endings(path))
    except EngineError as error:
        lines += ['', f'This is no segmentation network: {error}.',
                  *_outline(path, inputs, outputs)]
        raise NotASegmentation(f'{path} is no segmentation network: {error}',
                               _commented(lines)) from error
    lines += ['', 'Used as', *(f'  {line}' for line in _uses(signature)),
              'because', *(f'  {reason}' for reason in signature.reasons),
              *_last_resize(path, signature)]
    lines += ['', f'This is a model card. Save it as {one_line(path.stem)}.yaml beside the '
              'network. Correct the lines that have a comment, and the class names:']
    # The description is written as comments. So the whole output is a valid card.
    return '\n'.join([_commented(lines), '', card_text(path, signature, inputs)])


def _commented(lines: list[str]) -> str:
    return '\n'.join(f'# {line}'.rstrip() for line in lines)


def guess(inputs: list[Tensor], outputs: list[Tensor],
          endings: Mapping[str, Ending] | None = None) -> Signature:
    """Find out without a card what a network's tensors mean. One channel means a gray image.

    :raises EngineError: if the network is no segmentation network.
    """
    shape = inputs[0].shape if inputs else ()
    gray = len(shape) == 4 and 3 not in (shape[1], shape[3]) and 1 in (shape[1], shape[3])
    card = InputCard(color='gray' if gray else 'rgb')
    try:
        return resolve_signature(inputs, outputs, card, OutputCard(), None, endings)
    except EngineError:
        nhwc = len(shape) == 4 and shape[3] == (1 if gray else 3)
        height, width = (shape[1:3] if nhwc else shape[2:4]) if len(shape) == 4 else (0, 0)
        card = InputCard(color=card.color, height=0 if height else HEIGHT,
                         width=0 if width else WIDTH)
        return resolve_signature(inputs, outputs, card, OutputCard(), None, endings)


def card_text(path: Path, signature: Signature, inputs: list[Tensor]) -> str:
    """Return a model card in YAML that :func:`trt_segmentation.model.card.load_card` accepts."""
    image, output = signature.input, signature.output
    axes = (2, 3) if image.layout == 'nchw' else (1, 2)
    lines = [f'name: {_quoted(path.stem)}', f'model: {_quoted(path.name)}', 'input:',
             f'  name: {_quoted(image.name)}', f'  layout: {image.layout}']
    lines += [f'  {side}: {size}      # dynamic; which size was used in training?'
              for axis, side, size in zip(axes, ('height', 'width'), (image.height, image.width))
              if inputs[0].shape[axis] is None]
    if image.dtype == 'uint8':
        lines.append(f'  color: {"gray" if image.channels == 1 else "rgb"}      # or bgr')
    elif image.channels == 1:
        lines += ['  color: gray', '  mean: [0.5]      # which values were used in training?',
                  '  std: [0.5]']
    else:
        lines += ['  color: rgb      # or bgr',
                  '  mean: [0.485, 0.456, 0.406]      # of ImageNet; did the training use these?',
                  '  std: [0.229, 0.224, 0.225]']
    others = ', '.join(map(_quoted, signature.alternatives))
    lines += ['  resize: stretch      # or letterbox, crop', 'output:',
              f'  name: {_quoted(output.name)}' + (f'      # or {others}' if others else ''),
              f'  kind: {output.kind}']
    if output.layout != 'nhw' and output.kind is not OutputKind.LABELS:
        lines.append(f'  layout: {output.layout}')
    return '\n'.join(lines + _classes(signature)) + '\n'


def _quoted(text: str) -> str:
    # Every JSON string is a YAML string too.
    return printable(json.dumps(text, ensure_ascii=False))


def _classes(signature: Signature) -> list[str]:
    count = signature.classes
    if count is None:
        return ['# The output has only class ids. Write the name of every class.',
                'classes: [class_0, class_1]']
    if name := KNOWN_CLASSES.get(count):
        return [f'# A data set with {count} classes is {name}. Are these your classes?',
                f'classes: {name}', f'palette: {name}']
    return ['classes:', *(f'- class_{index}' for index in range(count))]


def _outline(path: Path, inputs: list[Tensor], outputs: list[Tensor]) -> list[str]:
    names = [tensor.name for tensor in outputs if len(tensor.shape) in (3, 4)]
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or not names:
        return []
    others = ', '.join(map(_quoted, names[1:]))
    return ['If an output is a label map of the image, write this card, with a name for each '
            'class:', f'  model: {_quoted(path.name)}', '  output:',
            f'    name: {_quoted(names[0])}' + (f'      # or {others}' if others else ''),
            '    kind: logits      # or probabilities, sigmoid, probability, labels',
            '  classes: [class_0, class_1]']


def _facts(summary: OnnxSummary) -> list[str]:
    often = ', '.join(f'{op} ×{count}' for op, count in summary.operators.most_common(8))
    return [
        f'opset {summary.opset}, IR {summary.ir_version}, made by '
        + (summary.producer or 'an unknown program'),
        f'{summary.parameters.total():,} parameters, {_size(summary.weight_bytes)}, '
        f'{summary.precision}',
        f'{summary.operators.total()} nodes: {often or "none"}']


def _last_resize(path: Path, signature: Signature) -> list[str]:
    found = read_last_resize(path, signature.output.name)
    if found is None or signature.output.kind.values != 'scores':
        return []
    advice = ([f'The Resize cannot be left out: {found.refused}.'] if found.refused else
              ['`cut_resize: true` under `output` leaves the Resize out,',
               'which is faster. `trt_seg build --cut-resize` shows how many labels change.'])
    return ['', 'The network ends in a Resize, which enlarges its scores. trt_segmentation '
            'enlarges', f'the scores too, to the size of the camera image. {advice[0]}',
            *advice[1:]]


def _uses(signature: Signature) -> list[str]:
    image, output = signature.input, signature.output
    return [
        f'image   {image.name}: {image.dtype} {image.layout}, '
        f'{count_noun(image.channels, "channel")}, '
        f'{image.width}x{image.height} (width x height), batch {image.batch or "open"}',
        f'output  {output.name}: {output.kind} {output.layout}, {output.dtype}'
        + (f', {signature.classes} classes'
           if not output.kind.is_binary and signature.classes else '')]


def _size(count: int) -> str:
    return f'{count / 1e6:.1f} MB' if count >= 1e5 else f'{count / 1e3:.1f} kB'
