# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Check the values of a model card. There is one function for each kind of value.

Every function raises ModelCardError if the value is wrong. The argument ``key`` is the name of the
value in the error message, such as ``input: mean``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
import math
from pathlib import Path
from typing import Any

from ..errors import ModelCardError
from ..installed.files import share_path
from ..untrusted.regular_file import expand_home
from ..untrusted.terminal_text import count_noun, did_you_mean, short, unprintable

PLAN_SUFFIXES = ('.plan', '.engine', '.trt')
"""Suffixes of files that hold a plan, which is a built engine."""


def read_section(section: str, tree: Any, known: list[str],
                 sections: Mapping[str, list[str]] | None = None) -> Mapping[str, Any]:
    """Read a mapping with known keys. A missing section becomes an empty mapping.

    :param section: name of the section; empty for the whole card.
    :param tree: the parsed YAML of the section; None if the section is missing.
    :param known: the keys that the section may have.
    :param sections: the keys of each section below this one. If a key is in the wrong place, the
        error names the section to which the key belongs.
    """
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        raise ModelCardError(f'{section or "card"}: expected a mapping, got {short(tree)}')
    for key in tree:
        if key not in known:
            homes = [f'`{name}: {key}`' for name, keys in (sections or {}).items() if key in keys]
            near = (f', did you mean {" or ".join(homes)}?' if homes
                    else did_you_mean(str(key), known))
            raise ModelCardError(
                f'{section + ": " if section else ""}unknown key {short(key)}{near or "."} '
                f'Known: {", ".join(known)}')
    return tree


def read_choice(key: str, value: Any, known: tuple[str, ...]) -> str:
    """Read a word that must be one of the ``known`` words."""
    if value not in known:
        raise ModelCardError(f'{key}: {short(value)}; expected one of {", ".join(known)}')
    return str(value)


def read_boolean(key: str, value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ModelCardError(f'{key}: {short(value)}; expected true or false')
    return value


def read_integer(key: str, value: Any, low: int, high: int) -> int:
    """Read an integer from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ModelCardError(f'{key}: {short(value)}; expected a whole number from {low} to '
                             f'{high}')
    return value


def read_numbers(key: str, value: Any, count: int) -> tuple[float, ...]:
    """Read ``count`` finite numbers."""
    _refuse_fractions(key, value)
    if (not isinstance(value, (list, tuple)) or len(value) != count
            or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in value)):
        raise ModelCardError(f'{key}: {short(value)}; expected '
                             f'{count_noun(count, "number")}')
    try:
        numbers = tuple(float(v) for v in value)
    except OverflowError:       # an integer of more than 308 digits
        numbers = (math.inf,)
    if not all(map(math.isfinite, numbers)):
        raise ModelCardError(f'{key}: {short(value)}; every number must be finite')
    return numbers


def read_threshold(value: Any) -> float:
    """Read a probability that is above 0 and below 1."""
    (threshold,) = read_numbers('output: threshold', [value], 1)
    if not 0 < threshold < 1:
        raise ModelCardError(
            f'output: threshold: {threshold}; expected a probability between 0 and 1')
    return threshold


def read_temperature(value: Any) -> float:
    """Read the number that divides the scores, 0.01 to 100."""
    (temperature,) = read_numbers('output: temperature', [value], 1)
    if not 0.01 <= temperature <= 100:
        raise ModelCardError(
            f'output: temperature: {temperature}; expected a number from 0.01 to 100. 1 '
            'leaves the scores unchanged')
    return temperature


def read_mean_and_std(mean_value: Any, std_value: Any, channels: int
                      ) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Read the mean and the std for colours from 0 to 1.

    One number counts for every channel. Values that are for colours from 0 to 255 are refused.
    """
    mean, std = (read_numbers(key, [value] * channels if type(value) in (int, float) else value,
                              channels)
                 for key, value in (('input: mean', mean_value), ('input: std', std_value)))
    if max(mean) > 1:
        raise ModelCardError(f'input: mean: {list(mean)} is for colours from 0 to 255; expected '
                             'a mean for colours from 0 to 1. Divide mean and std by 255')
    if max(std) > 10:
        raise ModelCardError(
            f'input: std: {list(std)} is for colours from 0 to 255; expected a std for colours '
            f'from 0 to 1. Write {[round(number / 255, 6) for number in std]}, and divide the '
            'mean by 255 too')
    if min(std) <= 0:
        raise ModelCardError(f'input: std: {list(std)}; every number must be above 0')
    return mean, std


def read_colors(value: Any, count: int) -> list[list[int]]:
    """Read ``count`` colours. Each colour is [r, g, b] with integers from 0 to 255."""
    if not isinstance(value, list) or len(value) != count:
        got = f'{len(value)} colours' if isinstance(value, list) else short(value)
        raise ModelCardError(
            f'palette: {got} for {count} classes; give one [r, g, b] for each class')
    for index, color in enumerate(value):
        if not (isinstance(color, list) and len(color) == 3
                and all(type(c) is int and 0 <= c <= 255 for c in color)):
            raise ModelCardError(
                f'palette: colour {index} is {short(color)}; expected [r, g, b], with whole '
                'numbers from 0 to 255')
    return value


GROUND_KINDS = ('drivable', 'walkable', 'obstacle')
"""The lists that the section ``ground`` of a card may have; see :func:`read_ground`."""


def read_ground(value: Any, classes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Read the lists of class names for the ground grid, a map of the ground in metres.

    The result has only the lists that the card has. ``drivable`` and ``walkable`` are classes of
    the ground. ``obstacle`` has the classes that stand on the ground and hide it.
    """
    tree = read_section('ground', value, list(GROUND_KINDS))
    kind_of: dict[str, str] = {}
    for kind, names in tree.items():
        if not isinstance(names, list):
            raise ModelCardError(f'ground: {kind}: {short(names)}; expected a list of class names')
        for name in names:
            if name not in classes:
                near = did_you_mean(str(name), classes)
                raise ModelCardError(f'ground: {kind}: the model has no class {short(name)}'
                                     f'{near or "."} Its classes: {", ".join(classes[:40])}')
            if name in kind_of:
                raise ModelCardError(f'ground: {short(name)} is listed under {kind_of[name]} and '
                                     f'under {kind}; each class may be listed once')
            kind_of[name] = kind
    return {kind: tuple(names) for kind, names in tree.items()}


def read_text(key: str, value: Any, default: str | None = None) -> str:
    """Read printable text.

    An empty value becomes ``default``. If ``default`` is None, an empty value is refused.
    """
    if default is not None and value in (None, ''):
        return read_text(key, default) if default else ''
    if not isinstance(value, str):
        raise ModelCardError(f'{key} is {short(value)} ({type(value).__name__}); expected text. '
                             'Put the value in quotes')
    if not value.strip():
        raise ModelCardError(f'{key} is {short(value)}; expected text that is not empty')
    if bad := unprintable(value):
        raise ModelCardError(f'{key} is {short(value)}, with the character {bad}, which cannot '
                             'be printed; expected letters, digits, signs and plain spaces')
    return value


def read_network(value: Any, source: Path | None) -> Path:
    """Read the path of the ONNX file, relative to the folder of the card ``source``.

    If there is no such file, the path is relative to the installed resource folder.
    """
    if value is None and source and source.parent == share_path('config', 'models'):
        raise ModelCardError('this card holds only classes. Write a card for your own network, '
                             f'with the line `classes: {source.stem}`; see docs/your_model.md')
    if not isinstance(value, str) or not value:
        raise ModelCardError('model: give the path of an ONNX file, relative to this card')
    text = read_text('model', value)
    if Path(text).suffix in PLAN_SUFFIXES:
        raise ModelCardError(f'model: {text} is a plan, which is a built engine. `model` needs '
                             'the ONNX file of the network. The node builds its own plan from '
                             'this file')
    try:
        path = expand_home(text)
        beside = (source.parent if source else Path()) / path
        if not path.is_absolute() and not beside.exists():
            with suppress(FileNotFoundError):
                return share_path('resource', text)
    except OSError as error:
        raise ModelCardError(f'model: {error}') from error
    return beside


def read_plugins(value: Any, source: Path | None) -> tuple[Path, ...]:
    """Read paths of shared libraries, relative to the folder of the card ``source``."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ModelCardError(f'plugins: {short(value)}; expected a list of shared libraries, such '
                             'as [libplugins.so]')
    folder = source.parent if source else Path()
    try:
        return tuple(folder / expand_home(read_text(f'plugins: number {index}', text))
                     for index, text in enumerate(value))
    except FileNotFoundError as error:
        raise ModelCardError(f'plugins: {error}') from error


def _refuse_fractions(key: str, value: Any) -> None:
    """Refuse a fraction such as 1/255, which YAML reads as text."""
    for text in value if isinstance(value, (list, tuple)) else [value]:
        parts = str(text).split('/')
        try:
            over, under = (float(part) for part in parts)
            number = over / under
        except (ValueError, ZeroDivisionError):
            continue
        raise ModelCardError(f'{key}: {short(text)} is no number in YAML; write {number:.4g}')
