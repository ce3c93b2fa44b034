# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A model card: everything about a network that its ONNX file does not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelCardError
from ..installed.files import share_path
from ..untrusted.regular_file import expand_home
from ..untrusted.terminal_text import did_you_mean, short, unprintable
from ..untrusted.yaml_file import read_yaml

LAYOUTS = ('auto', 'nchw', 'nhwc')
"""Where the channels of a tensor are."""
COLORS = ('rgb', 'bgr', 'gray')
"""Order of the network's input channels."""
RESIZES = ('stretch', 'letterbox', 'crop')
"""How an image becomes as large as the network's input."""
KINDS = ('auto', 'logits', 'probabilities', 'sigmoid', 'probability', 'labels')
"""What a network's output is."""
MAX_CLASSES = 65534
"""One less than mono16 can tell apart: 65535 means unlabelled."""


@dataclass(frozen=True)
class InputCard:
    """How a camera image becomes the network's input tensor.

    The tensor is (pixel / 255 − mean) / std in ``color`` order for float inputs and the pixel
    itself for uint8 inputs.

    :param name: input tensor; '' for the only one.
    :param layout: one of :data:`LAYOUTS`; auto finds the channel axis by its size.
    :param height: rows of the tensor where the ONNX file leaves them open; 0 elsewhere.
    :param width: likewise for columns.
    :param color: one of :data:`COLORS`.
    :param mean: one number a channel, in 0 to 1.
    :param std: likewise, > 0. A network that takes 0 to 255 has mean 0 and std 1/255.
    :param resize: ``stretch`` fills the tensor and changes the aspect ratio, ``letterbox``
        keeps it and pads, ``crop`` keeps it and cuts the longer side off at both ends.
    :param pad: value of letterbox padding, 0 to 255, in every channel.
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
    """What the network's answer is.

    :param name: output tensor; '' for the only one, or the one a rule finds: ``out``, else the
        one with the most channels whose name is not that of an auxiliary output.
    :param kind: one of :data:`KINDS`. ``logits``: one channel a class, the largest wins.
        ``probabilities``: the same, after a softmax or sigmoid within the network. ``sigmoid``:
        one channel, the logit of class 1 against class 0. ``probability``: one channel, the
        probability of class 1, after a sigmoid within the network. ``labels``: class ids.
        ``auto``: by the network's graph.
    :param layout: as for the input; means nothing for labels.
    :param threshold: probability from which a pixel of one channel is class 1.
    """

    name: str = ''
    kind: str = 'auto'
    layout: str = 'auto'
    threshold: float = 0.5


@dataclass(frozen=True)
class ModelCard:
    """One model: the ONNX file and what it needs around it.

    :param name: what the model is called in logs, diagnostics and label_info.
    :param model: the ONNX file.
    :param classes: class names; the position is the label id.
    :param palette: (len(classes), 3) uint8 RGB, the overlay's colours.
    :param source: the file this was read from, for messages; None where made in code.
    """

    name: str
    model: Path
    classes: tuple[str, ...]
    palette: npt.NDArray[np.uint8]
    input: InputCard = field(default_factory=InputCard)
    output: OutputCard = field(default_factory=OutputCard)
    source: Path | None = None

    @property
    def label_dtype(self) -> np.dtype[Any]:
        """uint8 up to 255 classes, uint16 above: the last value is kept for unlabelled."""
        return np.dtype(np.uint8 if len(self.classes) <= 255 else np.uint16)

    @property
    def label_encoding(self) -> str:
        """mono8 or mono16, as :attr:`label_dtype`."""
        return 'mono8' if self.label_dtype == np.uint8 else 'mono16'


def spread_palette(count: int) -> npt.NDArray[np.uint8]:
    """(count, 3) uint8 RGB colours that neighbours in the list can be told apart by.

    Hue turns by the golden angle, so any prefix of the list is spread evenly; lightness and
    saturation alternate so that near hues differ too.
    """
    index = np.arange(count)
    hue = (index * 0.61803398875) % 1.0
    saturation = np.array([0.65, 0.9, 0.5])[index % 3]
    value = np.array([0.95, 0.7])[(index // 3) % 2]
    sector = hue[:, None] * 6 + np.array([0, 4, 2])
    ramp = np.clip(np.abs(sector % 6 - 3) - 1, 0, 1)
    rgb = value[:, None] * (1 - saturation[:, None] * (1 - ramp))
    colors: npt.NDArray[np.uint8] = np.round(rgb * 255).astype(np.uint8)
    return colors


def find_card(text: str | Path) -> Path:
    """Path of a model card given as a path, or as the name of one that is installed.

    :raises ModelCardError: when there is no such card; lists those installed.
    """
    if bad := unprintable(str(text)):
        raise ModelCardError(f'model card {short(str(text))}: a path with the character {bad}, '
                             'which cannot be printed; rename the file or folder')
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
    if path.suffix == '.onnx':
        raise ModelCardError(
            f'{text} is a network, not a model card. `trt_seg inspect {text}` prints a card for '
            f'it; save that beside it as {path.with_suffix(".yaml").name} and name the card')
    near = did_you_mean(str(text), names)
    raise ModelCardError(
        f'no model card {str(text)!r}{near or "."} Give a path to a .yaml file, or one of: '
        f'{", ".join(names)}')


def load_card(text: str | Path, asking: tuple[Path, ...] = ()) -> ModelCard:
    """Read a model card by path or installed name.

    ``model`` in it is relative to the card's own folder, else to the installed resource
    folder; ``classes`` and ``palette`` may name another card to take them from.

    :param asking: the cards that led here, each taking its classes or palette from the next.
    :raises ModelCardError: naming the file, the key, what it held and what was expected.
    """
    path = find_card(text)
    if len(asking) > 2:
        raise ModelCardError(f'classes and palette are taken from card to card: '
                             f'{", ".join(map(str, asking))}; name the card that has them')
    try:
        tree = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ModelCardError(f'{path}: cannot be read as YAML: {error}') from error
    if tree is None:
        raise ModelCardError(f'{path}: the file has no content; a model card is a mapping of '
                             'model, classes and so on')
    if not isinstance(tree, dict):
        raise ModelCardError(f'{path}: a model card is a mapping, this is a '
                             f'{type(tree).__name__}')
    try:
        return card_from_dict(tree, path, asking)
    except ModelCardError as error:
        raise ModelCardError(f'{path}: {error}') from None


def card_from_dict(tree: Mapping[str, Any], source: Path | None = None,
                   asking: tuple[Path, ...] = ()) -> ModelCard:
    """Check a card's parsed YAML and make a :class:`ModelCard` of it.

    :param source: the card's path, which relative model paths start from.
    :param asking: as for :func:`load_card`.
    :raises ModelCardError: naming the key.
    """
    _known_keys('', tree, ['name', 'model', 'input', 'output', 'classes', 'palette'])
    if not isinstance(model := tree.get('model'), str) or not model:
        raise ModelCardError('model: give the path of an ONNX file, relative to this card')
    _text('model', model)
    if source is not None:
        asking = (*asking, source)
    classes = _classes(tree.get('classes'), asking)
    name = _text('name', tree.get('name'), source.stem if source else Path(model).stem)
    return ModelCard(
        name=name, model=_model_path(model, source), classes=classes,
        palette=_palette(tree.get('palette'), len(classes), asking),
        input=_input(_given(tree, 'input')), output=_output(_given(tree, 'output')),
        source=source)


def _model_path(text: str, source: Path | None) -> Path:
    try:
        path = expand_home(text)
        beside = (source.parent if source else Path()) / path
        if not path.is_absolute() and not beside.exists():
            with suppress(FileNotFoundError):
                return share_path('resource', text)
    except OSError as error:
        raise ModelCardError(f'model: {error}') from error
    return beside


def _given(tree: Mapping[str, Any], key: str) -> Any:
    value = tree.get(key)
    return {} if value is None else value


def _known_keys(where: str, tree: Any, known: list[str]) -> None:
    if not isinstance(tree, Mapping):
        raise ModelCardError(f'{where or "card"}: expected a mapping, got {short(tree)}')
    for key in tree:
        if key not in known:
            near = did_you_mean(str(key), known)
            raise ModelCardError(
                f'{where + ": " if where else ""}unknown key {short(key)}{near or "."} '
                f'Known: {", ".join(known)}')


def _classes(value: Any, asking: tuple[Path, ...]) -> tuple[str, ...]:
    if isinstance(value, str):
        return load_card(_text('classes', value), asking).classes
    if not isinstance(value, list) or not value:
        raise ModelCardError('classes: give a list of class names, in the order of their ids')
    if len(value) > MAX_CLASSES:
        raise ModelCardError(f'classes: {len(value)} names; at most {MAX_CLASSES}')
    names = tuple(_text(f'classes: number {index}', name) for index, name in enumerate(value))
    (most, times), = Counter(names).most_common(1)
    if times > 1:
        raise ModelCardError(f'classes: {short(most)} is there {times} times')
    return names


def _palette(value: Any, count: int, asking: tuple[Path, ...]) -> npt.NDArray[np.uint8]:
    if value is None:
        return spread_palette(count)
    if isinstance(value, str):
        value = load_card(_text('palette', value), asking).palette.tolist()
    if not isinstance(value, list) or len(value) != count:
        got = f'{len(value)} colours' if isinstance(value, list) else short(value)
        raise ModelCardError(f'palette: {got} for {count} classes; give one [r, g, b] for each')
    for index, color in enumerate(value):
        if not (isinstance(color, list) and len(color) == 3
                and all(type(c) is int and 0 <= c <= 255 for c in color)):
            raise ModelCardError(
                f'palette: colour {index} is {short(color)}; expected [r, g, b] of 0 to 255')
    return np.array(value, np.uint8)


def _input(tree: Mapping[str, Any]) -> InputCard:
    default = InputCard()
    _known_keys('input', tree, [f.name for f in fields(InputCard)])
    color = _choice('input: color', tree.get('color', default.color), COLORS)
    channels = 1 if color == 'gray' else 3
    mean = _numbers('input: mean', tree.get('mean', default.mean[:channels]), channels)
    std = _numbers('input: std', tree.get('std', default.std[:channels]), channels)
    if max(mean) > 1:
        raise ModelCardError(f'input: mean: {list(mean)} is of colours from 0 to 255; expected of '
                             '0 to 1: divide mean and std by 255')
    if max(std) > 10:
        raise ModelCardError(
            f'input: std: {list(std)} is of colours from 0 to 255; expected of 0 to 1. Write '
            f'{[round(number / 255, 6) for number in std]}, and divide the mean by 255 too')
    if min(std) <= 0:
        raise ModelCardError(f'input: std: {list(std)}; every number must be above 0')
    return InputCard(
        name=_text('input: name', tree.get('name'), ''), color=color, mean=mean, std=std,
        layout=_choice('input: layout', tree.get('layout', default.layout), LAYOUTS),
        height=_integer('input: height', tree.get('height', 0), 0, 16384),
        width=_integer('input: width', tree.get('width', 0), 0, 16384),
        resize=_choice('input: resize', tree.get('resize', default.resize), RESIZES),
        pad=_integer('input: pad', tree.get('pad', default.pad), 0, 255))


def _output(tree: Mapping[str, Any]) -> OutputCard:
    default = OutputCard()
    _known_keys('output', tree, [f.name for f in fields(OutputCard)])
    (threshold,) = _numbers('output: threshold', [tree.get('threshold', default.threshold)], 1)
    if not 0 < threshold < 1:
        raise ModelCardError(
            f'output: threshold: {threshold}; a probability between 0 and 1 is expected')
    return OutputCard(
        name=_text('output: name', tree.get('name'), ''), threshold=threshold,
        kind=_choice('output: kind', tree.get('kind', default.kind), KINDS),
        layout=_choice('output: layout', tree.get('layout', default.layout), LAYOUTS))


def _choice(where: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ModelCardError(f'{where}: {short(value)}; expected one of {", ".join(known)}')
    return str(value)


def _integer(where: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ModelCardError(f'{where}: {short(value)}; expected a whole number {low} to {high}')
    return value


def _numbers(where: str, value: Any, count: int) -> tuple[float, ...]:
    _refuse_fractions(where, value)
    if (not isinstance(value, (list, tuple)) or len(value) != count
            or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in value)):
        raise ModelCardError(f'{where}: {short(value)}; expected {count} number(s)')
    try:
        numbers = tuple(float(v) for v in value)
    except OverflowError:   # an integer of more than 308 digits
        numbers = (math.inf,)
    if not all(map(math.isfinite, numbers)):
        raise ModelCardError(f'{where}: {short(value)}; every number must be finite')
    return numbers


def _text(where: str, value: Any, default: str | None = None) -> str:
    """A value that has to be text.

    :param default: what an empty value means; None if there has to be text.
    """
    if default is not None and value in (None, ''):
        return _text(where, default) if default else ''
    if not isinstance(value, str):
        raise ModelCardError(f'{where} is {short(value)} ({type(value).__name__}); expected text: '
                             'put it in quotes')
    if not value.strip():
        raise ModelCardError(f'{where} is {short(value)}; expected text')
    if bad := unprintable(value):
        raise ModelCardError(f'{where} is {short(value)}, with the character {bad}, which cannot '
                             'be printed; expected letters, digits, signs and plain spaces')
    return value


def _refuse_fractions(where: str, value: Any) -> None:
    for text in value if isinstance(value, (list, tuple)) else [value]:
        parts = str(text).split('/')
        try:
            over, under = (float(part) for part in parts)
            number = over / under
        except (ValueError, ZeroDivisionError):
            continue
        raise ModelCardError(f'{where}: {short(text)} is no number in YAML; write {number:.4g}')
