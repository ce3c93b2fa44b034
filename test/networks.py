# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Small ONNX networks that classify colours. So a test knows the labels of any picture."""

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
"""The logit changes by this for a squared colour distance of 1, as from black to red."""


def cube_colors(count: int) -> npt.NDArray[np.uint8]:
    """Return (count, 3) uint8 RGB colours that are far apart. They are a grid in the RGB cube."""
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
    """Write a network. The logit of a class is minus the squared distance to its colour.

    :param palette: (classes, 3) uint8 RGB. ``kind='sigmoid'`` needs two colours.
    :param height: rows of the input; None leaves them open. ``width`` and ``batch`` may also be
        None.
    :param rank: 3 for labels without a channel axis.
    :param stride: number of input pixels, per axis, that are averaged to one output pixel.
    :param card: the network undoes the normalisation of this card.
    :param names: names of the outputs. All outputs after the first have the opposite sign, so
        a wrong class wins there.
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
    outputs = [_network_output(add, logits if i == 0 else add('Neg', logits), kind,
                       output_layout, output_dtype, rank) for i in range(len(names))]
    for name, tensor in zip(names, outputs):
        nodes.append(helper.make_node('Identity', [tensor], [name]))
    sides = [3, height or 'height', width or 'width']
    shape = [batch or 'batch', *(sides if layout == 'nchw' else sides[1:] + sides[:1])]
    graph = helper.make_graph(
        nodes, 'colours', [helper.make_tensor_value_info(input_name, DTYPES[dtype], shape)],
        [helper.make_tensor_value_info(
            name, DTYPES[output_dtype or _natural(kind)],
            _output_shape(shape[0], len(palette), kind, output_layout, rank))
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


def _network_output(add: Any, logits: str, kind: str, layout: str, dtype: str, rank: int) -> str:
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


def _output_shape(batch: Any, classes: int, kind: str, layout: str, rank: int) -> list[Any]:
    channels = [classes if kind == 'logits' else 1]
    sides = ['rows', 'columns']
    if rank == 3:
        return [batch, *sides]
    return [batch, *(channels + sides if layout == 'nchw' else sides + channels)]


def enlarge_at_end(path: Path, factor: int = 4, *, cast: bool = False, mode: str = 'linear',
                   where: str = 'half_pixel', external: bool = False) -> Path:
    """Append a Resize to a network of one output, as torchvision does.

    :param cast: True if a Cast follows the Resize.
    :param where: the coordinate_transformation_mode.
    :param external: True if the weights go to another file.
    """
    model = onnx.load(path)
    (output,) = model.graph.output
    last = next(node for node in model.graph.node if output.name in node.output)
    last.output[0] = 'small'
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([1, 1, factor, factor], np.float32), 'scales'))
    model.graph.node.append(helper.make_node(
        'Resize', ['small', '', 'scales'], ['large' if cast else output.name], mode=mode,
        coordinate_transformation_mode=where))
    if cast:
        model.graph.node.append(helper.make_node('Cast', ['large'], [output.name],
                                                 to=TensorProto.FLOAT))
        output.type.tensor_type.elem_type = TensorProto.FLOAT
    for dim in output.type.tensor_type.shape.dim[2:]:
        if dim.dim_value:
            dim.dim_value *= factor
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model)
    onnx.save(model, path, save_as_external_data=external, size_threshold=64,
              location=f'{path.name}.data')
    return path


def color_card(path: Path, palette: npt.NDArray[np.uint8], *, output: OutputCard = OutputCard(),
               **input: Any) -> ModelCard:
    """Make the card of a :func:`color_classifier`. Its classes are class_0, class_1, ...."""
    return ModelCard(path.stem, path, tuple(f'class_{i}' for i in range(len(palette))), palette,
                     replace(InputCard(), **input), output)


def write_card(model: Path, classes: Sequence[str], palette: npt.NDArray[np.uint8],
               **more: Any) -> Path:
    """Write the card of a network as a YAML file beside the network. Return the path.

    :param more: more keys of the card.
    """
    path = model.with_suffix('.yaml')
    path.write_text(yaml.safe_dump({'model': model.name, 'classes': list(classes),
                                    'palette': palette.tolist(), **more}))
    return path


def painted(labels: npt.NDArray[Any], palette: npt.NDArray[np.uint8]) -> Frame:
    """Make a bgr8 frame in which each pixel has the colour of its label."""
    bgr = np.ascontiguousarray(palette[labels][..., ::-1])
    height, width = labels.shape
    return Frame(bgr.reshape(-1), 'bgr8', height, width, 3 * width)
