# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Values of label maps to class ids of a model: what to leave out, and what becomes what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from ..errors import LabelValueError
from ..frame import UNLABELLED
from ..installed.files import share_path
from ..untrusted.terminal_text import did_you_mean
from ..untrusted.yaml_file import read_yaml

IGNORE = 'ignore'
"""What a map gives a value whose pixels are left out."""
_LEFT_OUT, _UNKNOWN, _LISTED = -1, -2, 8


@dataclass(frozen=True)
class LabelValues:
    """How values of label maps become class ids.

    255 (65535 in label maps of 16 bits) is unlabelled unless ``mapped`` has it.

    :param left_out: ranges of values that are left out, as stored in the label maps.
    :param mapped: class id by value, None if the value is left out; empty if values are class
        ids already.
    :param source: where ``mapped`` is from, for messages.
    """

    left_out: tuple[range, ...] = ()
    mapped: dict[int, int | None] = field(default_factory=dict)
    source: str = ''

    def apply(self, truth: npt.NDArray[Any], classes: int) -> npt.NDArray[Any]:
        """Class ids of a label map, :data:`.frame.UNLABELLED` for pixels that are left out.

        :param truth: (height, width) uint8 or uint16.
        :returns: (height, width); uint8 up to 255 classes, else uint16.
        :raises LabelValueError: with the values that are no class, and how often they occur.
        """
        ids = self._table(truth.dtype, classes)[truth]
        if (ids == _UNKNOWN).any():
            raise self._unknown(np.bincount(truth.reshape(-1)), truth.dtype, classes)
        dtype = np.dtype(np.uint8 if classes <= UNLABELLED[np.dtype(np.uint8)] else np.uint16)
        return np.where(ids == _LEFT_OUT, UNLABELLED[dtype], ids).astype(dtype)

    def check(self, paths: Iterable[Path], read: Callable[[Path], npt.NDArray[Any]],
              classes: int) -> None:
        """Refuse label maps that cannot be used, all of them counted together.

        :param read: gives the label map of a file.
        :raises LabelValueError: with the values that are no class, or if no pixel is labelled.
        """
        counts: dict[np.dtype[Any], npt.NDArray[np.int64]] = {}
        files = 0
        for path in paths:
            truth = read(path)
            total = counts.setdefault(truth.dtype, np.zeros(UNLABELLED[truth.dtype] + 1, np.int64))
            total += np.bincount(truth.reshape(-1), minlength=total.size)
            files += 1
        labelled = 0
        for dtype, total in counts.items():
            ids = self._table(dtype, classes)
            if total[ids == _UNKNOWN].any():
                raise self._unknown(total, dtype, classes)
            labelled += int(total[ids >= 0].sum())
        if not labelled:
            found = '; '.join(_listed(total) for total in counts.values())
            raise LabelValueError(f'no pixel of the {files} label maps is labelled, so there is '
                                  f'nothing to score. All values are left out: {found}')

    def _table(self, dtype: np.dtype[Any], classes: int) -> npt.NDArray[np.int64]:
        """Class id by value, or one of the negative marks."""
        unlabelled = UNLABELLED[dtype]
        table = np.full(unlabelled + 1, _UNKNOWN, np.int64)
        if not self.mapped:
            table[:classes] = np.arange(min(classes, table.size))
        table[unlabelled] = _LEFT_OUT
        for value, given in self.mapped.items():
            if given is not None and given >= classes:
                raise LabelValueError(f'{self.source}: value {value} becomes class {given}, but '
                                      f'the model has {classes} classes, 0 to {classes - 1}')
            if value < table.size:
                table[value] = _LEFT_OUT if given is None else given
        for values in self.left_out:
            table[values.start:values.stop] = _LEFT_OUT
        return table

    def _unknown(self, total: npt.NDArray[np.int64], dtype: np.dtype[Any],
                 classes: int) -> LabelValueError:
        ids = self._table(dtype, classes)[:total.size]
        unknown = np.where(ids == _UNKNOWN, total, 0)
        expected = (f'no values of {self.source}' if self.mapped else
                    f'no class: the model has {classes}, 0 to {classes - 1}, and '
                    f'{UNLABELLED[dtype]} is unlabelled')
        return LabelValueError(
            f'label maps have values that are {expected}. Found: {_listed(unknown)}. Leave them '
            'out with --ignore, or turn them into class ids with --map')


def _listed(total: npt.NDArray[np.int64]) -> str:
    values = np.flatnonzero(total)
    listed = ', '.join(f'{v} ({total[v]:,} pixels)' for v in values[:_LISTED])
    more = f' and {len(values) - _LISTED} other values' if len(values) > _LISTED else ''
    return (listed or 'no pixel') + more


def load_map(text: str) -> dict[int, int | None]:
    """Read a map by path or installed name: a YAML mapping of value to class id or ``ignore``.

    :raises LabelValueError: naming the file and the entry.
    """
    path = _find_map(text)
    try:
        tree = read_yaml(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise LabelValueError(f'{path}: cannot be read as YAML: {error}') from error
    if not isinstance(tree, dict) or not tree:
        raise LabelValueError(f'{path}: expected a mapping, one line `value: class id` for each '
                              f'value, or `value: {IGNORE}`')
    for value, given in tree.items():
        if not _is_id(value) or not (given == IGNORE or _is_id(given)):
            raise LabelValueError(f'{path}: entry {value!r}: {given!r}; expected a value of 0 to '
                                  f'65535 and its class id, or {IGNORE}')
    return {value: None if given == IGNORE else given for value, given in tree.items()}


def label_values(left_out: Iterable[range], map_name: str | None) -> LabelValues:
    """What ``--ignore`` and ``--map`` say.

    :raises LabelValueError: as :func:`load_map`.
    """
    return LabelValues(tuple(left_out), load_map(map_name) if map_name else {}, map_name or '')


def _find_map(text: str) -> Path:
    path = Path(text).expanduser()
    if path.is_file():
        return path
    folder = share_path('config', 'maps')
    if (installed := folder / f'{text}.yaml').is_file():
        return installed
    names = sorted(p.stem for p in folder.glob('*.yaml'))
    near = did_you_mean(text, names)
    raise LabelValueError(f'no map {text!r}{near or "."} Give a path to a .yaml file, or one of: '
                          f'{", ".join(names)}')


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535
