# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A model card: everything about a network that its ONNX file does not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelCardError
from ..installed.files import share_path
from ..untrusted.regular_file import expand_home
from ..untrusted.terminal_text import did_you_mean, short, unprintable
from ..untrusted.yaml_file import read_yaml
from .card_checks import (
    read_boolean,
    read_choice,
    read_colors,
    read_ground,
    read_integer,
    read_mean_and_std,
    read_network,
    read_plugins,
    read_section,
    read_temperature,
    read_text,
    read_threshold,
)
from .kind import OutputKind

LAYOUTS = ('auto', 'nchw', 'nhwc')
"""Order of the axes of a tensor. The channel axis is axis 1 in nchw, and axis 3 in nhwc."""
COLORS = ('rgb', 'bgr', 'gray')
"""Order of the input channels of the network."""
RESIZES = ('stretch', 'letterbox', 'crop')
"""How a camera image is resized to the input of the network."""
KINDS = ('auto', *map(str, OutputKind))
"""Kinds of values in a network output. If the kind is ``auto``, the ONNX graph tells the kind."""
MAX_CLASSES = 65534
"""Largest number of classes. In label maps of uint16, the value 65535 means an unlabelled pixel.
So no class has this id."""


@dataclass(frozen=True)
class InputCard:
    """How a camera image becomes the input tensor of the network.

    A float tensor holds (pixel / 255 − mean) / std in ``color`` order. A uint8 tensor holds the
    pixels themselves.

    :param name: name of the input tensor; may be empty if the network has only one input.
    :param layout: one of :data:`LAYOUTS`. If ``auto``, the channel axis is found by its size.
    :param height: number of rows if this number is dynamic in the ONNX file; otherwise 0.
    :param width: the same for the columns.
    :param color: order of the tensor's channels; one of :data:`COLORS`.
    :param mean: one number for each channel, 0 to 1.
    :param std: one number > 0 for each channel. If a network expects values from 0 to 255, the
        mean is 0 and the std is 1/255.
    :param resize: ``stretch`` fills the tensor and changes the aspect ratio. ``letterbox`` keeps
        the aspect ratio and fills the free part of the tensor with ``pad``. ``crop`` keeps the
        aspect ratio and cuts off both ends of the side that is too long.
    :param pad: value of the letterbox padding in every channel, 0 to 255.
    """

    name: str = ''
    layout: str = 'auto'
    height: int = 0
    width: int = 0
    color: str = 'rgb'
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    resize: str = 'stretch'
    pad: int = 114


@dataclass(frozen=True)
class OutputCard:
    """The network output that holds the segmentation, and what its values mean.

    :param name: name of the output tensor. If the name is empty, ``model/network_output.py``
        chooses an output.
    :param kind: one of :data:`KINDS`; see :class:`.OutputKind`.
    :param layout: one of :data:`LAYOUTS`. If the values are class ids, this setting is ignored.
    :param threshold: for outputs of one channel, a pixel is class 1 if the probability of class 1
        is at least this value.
    :param cut_resize: whether the last Resize operator of the network is removed; see
        ``untrusted/onnx_cut.py``.
    :param temperature: the scores are divided by this number before a softmax or sigmoid turns
        them into a confidence. The labels stay the same. ``trt_seg eval --fit-temperature``
        finds this number.
    """

    name: str = ''
    kind: str = 'auto'
    layout: str = 'auto'
    threshold: float = 0.5
    cut_resize: bool = False
    temperature: float = 1.0


INPUT_KEYS, OUTPUT_KEYS = ([one.name for one in fields(kind)] for kind in (InputCard, OutputCard))


@dataclass(frozen=True)
class ModelCard:
    """One model: the path of its ONNX file, and the facts that the file does not contain.

    :param name: name of the model in logs, diagnostics and label_info.
    :param model: path of the ONNX file.
    :param classes: names of the classes. A label is the index of a name in this tuple.
    :param palette: (len(classes), 3) uint8 RGB, the colours of the overlay.
    :param source: path of the card's file, for messages; None if the card has no file.
    :param plugins: shared libraries with TensorRT plugins. Their code runs in this process.
    :param ground: classes of the ground and of obstacles, for a map of the ground; see
        ``model/card_checks.py``.
    """

    name: str
    model: Path
    classes: tuple[str, ...]
    palette: npt.NDArray[np.uint8]
    input: InputCard = field(default_factory=InputCard)
    output: OutputCard = field(default_factory=OutputCard)
    source: Path | None = None
    plugins: tuple[Path, ...] = ()
    ground: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def label_dtype(self) -> np.dtype[Any]:
        """uint8 for up to 255 classes, otherwise uint16. The largest value means "unlabelled"."""
        return np.dtype(np.uint8 if len(self.classes) <= 255 else np.uint16)

    @property
    def label_encoding(self) -> str:
        """mono8 or mono16, the ROS encoding of :attr:`label_dtype`."""
        return 'mono8' if self.label_dtype == np.uint8 else 'mono16'


def spread_palette(count: int) -> npt.NDArray[np.uint8]:
    """Choose (count, 3) uint8 RGB colours. The colours are not bright, but easy to tell apart."""
    index = np.arange(count)
    hue = (index * 0.61803398875) % 1.0     # the golden angle spreads the hues evenly
    saturation = np.array([0.5, 0.68, 0.36])[index % 3]
    value = np.array([0.86, 0.64])[(index // 3) % 2]
    sector = hue[:, None] * 6 + np.array([0, 4, 2])
    ramp = np.clip(np.abs(sector % 6 - 3) - 1, 0, 1)
    rgb = value[:, None] * (1 - saturation[:, None] * (1 - ramp))
    colors: npt.NDArray[np.uint8] = np.round(rgb * 255).astype(np.uint8)
    return colors


def find_card(text: str | Path) -> Path:
    """Find a model card by its path, or by the name of an installed card.

    :raises ModelCardError: if there is no such card, or if the path cannot be used.
    """
    if bad := unprintable(str(text)):
        raise ModelCardError(f'model card {short(str(text))}: the path has the character {bad}, '
                             'which cannot be printed. Rename the file or folder')
    try:
        path = expand_home(text)
        if path.suffix in ('.yaml', '.yml') and path.exists():
            return path
        folder = share_path('config', 'models')
        if (installed := folder / f'{text}.yaml').is_file():
            return installed
    except OSError as error:
        raise ModelCardError(f'model card {short(str(text))}: {error}') from error
    names = sorted(p.stem for p in folder.glob('*.yaml'))
    runnable = [name for name in names if 'model' in (read_yaml(folder / f'{name}.yaml') or {})]
    if path.suffix == '.onnx':
        raise ModelCardError(
            f'{text} is an ONNX file, not a model card. `trt_seg inspect {text}` prints a model '
            f'card. Save this card as {path.with_suffix(".yaml").name} beside the ONNX file, and '
            'give the path of the card')
    near = did_you_mean(str(text), names)
    problem = f'no model card {str(text)!r}'
    if path.suffix in ('.yaml', '.yml'):
        problem = f'the model card {text} does not exist'
        if not path.is_absolute():
            problem += f' in {Path.cwd()}, the current folder of this process'
    raise ModelCardError(
        f'{problem}{near or "."} Give a path to a .yaml file. Installed models: '
        f'{", ".join(runnable)}. Installed lists of classes: '
        f'{", ".join(name for name in names if name not in runnable)}')


def load_card(text: str | Path, asking: tuple[Path, ...] = ()) -> ModelCard:
    """Read a model card. ``text`` is the path of the card, or the name of an installed card.

    The path under ``model`` is relative to the folder of the card. If there is no such file, the
    path is relative to the installed resource folder. ``classes`` and ``palette`` may name another
    card, whose classes or palette are then used.

    :param asking: the cards that led to this card. Each of them names the next card under
        ``classes`` or ``palette``. If there are such cards, this card needs no network.
    :raises ModelCardError: if the card cannot be read or has a wrong value.
    """
    path = find_card(text)
    if len(asking) > 2:
        raise ModelCardError(f'the cards {", ".join(map(str, asking))} each name another card '
                             'under `classes` or `palette`, but at most two such cards may follow '
                             'one another. In the first card, name the card that has the list')
    try:
        tree = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ModelCardError(f'{path}: cannot be read as YAML: {error}') from error
    if tree is None:
        raise ModelCardError(f'{path}: the file has no content; expected a card with model, …')
    if not isinstance(tree, dict):
        raise ModelCardError(f'{path}: a model card is a mapping, but this file is a '
                             f'{type(tree).__name__}. Write lines such as `model: net.onnx`')
    try:
        return card_from_dict(tree, path, asking)
    except ModelCardError as error:
        raise ModelCardError(f'{path}: {error}') from None


def card_from_dict(tree: Mapping[str, Any], source: Path | None = None,
                   asking: tuple[Path, ...] = ()) -> ModelCard:
    """Check the parsed YAML of a card and make a :class:`ModelCard`.

    :param source: path of the card's file; None if the card has no file. A relative model path
        starts at the folder of this file.
    :param asking: see :func:`load_card`.
    :raises ModelCardError: if a value is wrong.
    """
    read_section('', tree, [field.name for field in fields(ModelCard) if field.name != 'source'],
                 {'input': INPUT_KEYS, 'output': OUTPUT_KEYS})
    model = tree.get('model')
    network = Path() if model is None and asking else read_network(model, source)
    asking += (source,) if source else ()
    classes = _read_classes(tree.get('classes'), asking)
    return ModelCard(
        name=read_text('name', tree.get('name'), source.stem if source else network.stem),
        model=network, classes=classes,
        palette=_read_palette(tree.get('palette'), len(classes), asking),
        input=_read_input(tree.get('input')), output=_read_output(tree.get('output')),
        source=source, plugins=read_plugins(tree.get('plugins'), source),
        ground=read_ground(tree.get('ground'), classes))


def _read_classes(value: Any, asking: tuple[Path, ...]) -> tuple[str, ...]:
    if isinstance(value, str):
        return load_card(read_text('classes', value), asking).classes
    if not isinstance(value, list) or not value:
        raise ModelCardError('classes: give a list of class names, in the order of their ids, or '
                             'the name of a card with such a list')
    if len(value) > MAX_CLASSES:
        raise ModelCardError(f'classes: {len(value)} names; expected at most {MAX_CLASSES}')
    names = tuple(read_text(f'classes: number {index}', name)
                  for index, name in enumerate(value))
    (most, times), = Counter(names).most_common(1)
    if times > 1:
        raise ModelCardError(f'classes: the name {short(most)} is listed {times} times; each name '
                             'must be unique')
    return names


def _read_palette(value: Any, count: int, asking: tuple[Path, ...]) -> npt.NDArray[np.uint8]:
    if value is None:
        return spread_palette(count)
    if isinstance(value, str):
        value = load_card(read_text('palette', value), asking).palette.tolist()
    return np.array(read_colors(value, count), np.uint8)


def _read_input(value: Any) -> InputCard:
    default = InputCard()
    tree = read_section('input', value, INPUT_KEYS)
    color = read_choice('input: color', tree.get('color', default.color), COLORS)
    channels = 1 if color == 'gray' else 3
    mean, std = read_mean_and_std(tree.get('mean', default.mean[:channels]),
                                  tree.get('std', default.std[:channels]), channels)
    return InputCard(
        name=read_text('input: name', tree.get('name'), ''), color=color, mean=mean, std=std,
        layout=read_choice('input: layout', tree.get('layout', default.layout), LAYOUTS),
        height=read_integer('input: height', tree.get('height', 0), 0, 16384),
        width=read_integer('input: width', tree.get('width', 0), 0, 16384),
        resize=read_choice('input: resize', tree.get('resize', default.resize), RESIZES),
        pad=read_integer('input: pad', tree.get('pad', default.pad), 0, 255))


def _read_output(value: Any) -> OutputCard:
    default = OutputCard()
    tree = read_section('output', value, OUTPUT_KEYS)
    return OutputCard(
        cut_resize=read_boolean('output: cut_resize', tree.get('cut_resize', False)),
        name=read_text('output: name', tree.get('name'), ''),
        threshold=read_threshold(tree.get('threshold', default.threshold)),
        temperature=read_temperature(tree.get('temperature', default.temperature)),
        kind=read_choice('output: kind', tree.get('kind', default.kind), KINDS),
        layout=read_choice('output: layout', tree.get('layout', default.layout), LAYOUTS))
