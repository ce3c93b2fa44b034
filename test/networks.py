# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Small real ONNX networks whose answers are known from the picture: each finds colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper, TensorProto
import yaml

from trt_segmentation.frame import Frame
from trt_segmentation.model.card import InputCard, ModelCard, OutputCard

OPSET, IR_VERSION = 19, 9
DTYPES = {'float32': TensorProto.FLOAT, 'float16': TensorProto.FLOAT16,
          'uint8': TensorProto.UINT8, 'int32': TensorProto.INT32, 'int64': TensorProto.INT64,
          'int8': TensorProto.INT8}
GAIN = 20.0
"""What a squared distance of 1, from black to full red, is worth in logits."""


def cube_colors(count: int) -> npt.NDArray[np.uint8]:
    """(count, 3) uint8 RGB colours far apart: points of the smallest cube grid that has them."""
    side = 2
    while side ** 3 < count:
        side += 1
    levels = np.linspace(0, 255, side).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing='ij'), axis=-1)
    return grid.reshape(-1, 3)[:count]


def color_classifier(path: Path, palette: npt.NDArray[np.uint8], *, height: int | None = 24,
                     width: int | None = 32, batch: int | None = None, layout: str = 'nchw',
                     dtype: str = 'float32', output_layout: str = 'nchw', kind: str = 'logits',
                     output_dtype: str = '', rank: int = 4, stride: int = 1,
                     card: InputCard = InputCard(), names: tuple[str, ...] = ('logits',),
                     input_name: str = 'image') -> Path:
    """Write a network whose logit of a class is minus the squared distance to its colour.

    :param palette: (classes, 3) uint8 RGB; two colours for ``kind='sigmoid'``.
    :param height: rows of the input, None to leave them open; ``width`` and ``batch`` alike.
    :param rank: 3 for labels without a channel axis.
    :param stride: input pixels averaged to one output pixel.
    :param card: the normalisation to undo.
    :param names: outputs; those after the first hold the answer upside down (a wrong class).
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def add(op: str, *inputs: str, constant: Any = None, **attributes: Any) -> str:
        name = f'{op}_{len(nodes)}'
        if constant is not None:
            constants.append(numpy_helper.from_array(np.asarray(constant), f'{name}_k'))
            inputs = (*inputs, f'{name}_k')
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    x = add('Cast', input_name, to=TensorProto.FLOAT)
    if layout == 'nhwc':
        x = add('Transpose', x, perm=[0, 3, 1, 2])
    x = _denormalise(add, x, dtype, card)
    if stride > 1:
        x = add('AveragePool', x, kernel_shape=[stride, stride], strides=[stride, stride])
    colors = palette.astype(np.float32) / 255
    dot = add('Conv', x, constant=2 * colors[:, :, None, None])
    near = add('Sub', dot, constant=(colors ** 2).sum(axis=1)[None, :, None, None])
    square = add('ReduceSum', add('Mul', x, x), constant=np.array([1]), keepdims=1)
    logits = add('Mul', add('Sub', near, square), constant=np.float32(GAIN))
    answers = [_answer(add, logits if i == 0 else add('Neg', logits), kind,
                       output_layout, output_dtype, rank) for i in range(len(names))]
    for name, answer in zip(names, answers):
        nodes.append(helper.make_node('Identity', [answer], [name]))
    sides = [3, height or 'height', width or 'width']
    shape = [batch or 'batch', *(sides if layout == 'nchw' else sides[1:] + sides[:1])]
    graph = helper.make_graph(
        nodes, 'colours', [helper.make_tensor_value_info(input_name, DTYPES[dtype], shape)],
        [helper.make_tensor_value_info(
            name, DTYPES[output_dtype or _natural(kind)],
            _answer_shape(shape[0], len(palette), kind, output_layout, rank))
         for name in names], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)],
                              producer_name='networks.py', ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _natural(kind: str) -> str:
    return 'int64' if kind == 'labels' else 'float32'


def _denormalise(add: Any, x: str, dtype: str, card: InputCard) -> str:
    if dtype == 'uint8':
        x = add('Mul', x, constant=np.float32(1 / 255))
    else:
        std, mean = (np.array(v, np.float32)[None, :, None, None] for v in (card.std, card.mean))
        x = add('Add', add('Mul', x, constant=std), constant=mean)
    if card.color == 'bgr':
        x = add('Gather', x, constant=np.array([2, 1, 0]), axis=1)
    return x


def _answer(add: Any, logits: str, kind: str, layout: str, dtype: str, rank: int) -> str:
    if kind == 'sigmoid':
        one = add('Gather', logits, constant=np.array([1]), axis=1)
        logits = add('Sub', one, add('Gather', logits, constant=np.array([0]), axis=1))
    elif kind == 'labels':
        logits = add('ArgMax', logits, axis=1, keepdims=1)
    if rank == 3:
        logits = add('Squeeze', logits, constant=np.array([1]))
    elif layout == 'nhwc':
        logits = add('Transpose', logits, perm=[0, 2, 3, 1])
    return add('Cast', logits, to=DTYPES[dtype or _natural(kind)])


def _answer_shape(batch: Any, classes: int, kind: str, layout: str, rank: int) -> list[Any]:
    channels = [classes if kind == 'logits' else 1]
    sides = ['rows', 'columns']
    if rank == 3:
        return [batch, *sides]
    return [batch, *(channels + sides if layout == 'nchw' else sides + channels)]


def color_card(path: Path, palette: npt.NDArray[np.uint8], *, output: OutputCard = OutputCard(),
               **input: Any) -> ModelCard:
    """Card of a :func:`color_classifier`; classes are named after their numbers."""
    return ModelCard(path.stem, path, tuple(f'class_{i}' for i in range(len(palette))), palette,
                     replace(InputCard(), **input), output)


def write_card(model: Path, classes: Sequence[str], palette: npt.NDArray[np.uint8],
               **more: Any) -> Path:
    """Write the YAML file of a network's card beside it; returns its path.

    :param more: further keys of the card.
    """
    path = model.with_suffix('.yaml')
    path.write_text(yaml.safe_dump({'model': model.name, 'classes': list(classes),
                                    'palette': palette.tolist(), **more}))
    return path


def painted(labels: npt.NDArray[Any], palette: npt.NDArray[np.uint8]) -> Frame:
    """A bgr8 frame that shows each label in its colour, which a classifier must find again."""
    bgr = np.ascontiguousarray(palette[labels][..., ::-1])
    height, width = labels.shape
    return Frame(bgr.reshape(-1), 'bgr8', height, width, 3 * width)
