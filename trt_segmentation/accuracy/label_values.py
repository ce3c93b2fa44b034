# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Convert the values in label maps to the class ids of a model.

A value map is a YAML file that gives the class id for each value. A pixel without a class id is
unlabelled.
"""

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
"""If a value map gives a value this word instead of a class id, pixels with this value are
unlabelled."""
_LEFT_OUT, _UNKNOWN, _MOST_LISTED = -1, -2, 8


@dataclass(frozen=True)
class LabelValues:
    """How the values in label maps become class ids.

    The value 255, or 65535 in 16-bit label maps, means unlabelled. But if ``mapped`` maps this
    value to a class id, the value means this class.

    :param left_out: ranges of values. Pixels with these values are unlabelled.
    :param mapped: maps a value to a class id, or to None if pixels with this value are unlabelled.
        If ``mapped`` is empty, the values are class ids already.
    :param source: name of the value map for error messages.
    """

    left_out: tuple[range, ...] = ()
    mapped: dict[int, int | None] = field(default_factory=dict)
    source: str = ''

    def to_class_ids(self, truth: npt.NDArray[Any], classes: int) -> npt.NDArray[Any]:
        """Convert a label map to class ids. Unlabelled pixels become :data:`.frame.UNLABELLED`.

        :param truth: (height, width) uint8 or uint16.
        :returns: (height, width), uint8 for up to 255 classes, otherwise uint16.
        :raises LabelValueError: if the label map has unknown values, which are neither converted
            nor unlabelled. The message lists the unknown values and their numbers of pixels.
        """
        ids = self._lookup_table(truth.dtype, classes)[truth]
        if (ids == _UNKNOWN).any():
            raise self._make_error(np.bincount(truth.reshape(-1)), truth.dtype, classes)
        dtype = np.dtype(np.uint8 if classes <= UNLABELLED[np.dtype(np.uint8)] else np.uint16)
        return np.where(ids == _LEFT_OUT, UNLABELLED[dtype], ids).astype(dtype)

    def check_label_maps(self, paths: Iterable[Path], read: Callable[[Path], npt.NDArray[Any]],
                         classes: int) -> None:
        """Check that the label maps have no unknown value, and at least one labelled pixel.

        :param read: reads the label map of a file.
        :raises LabelValueError: if a value is unknown, see :meth:`to_class_ids`, or if all pixels
            of all label maps are unlabelled.
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
            ids = self._lookup_table(dtype, classes)
            if total[ids == _UNKNOWN].any():
                raise self._make_error(total, dtype, classes)
            labelled += int(total[ids >= 0].sum())
        if not labelled:
            found = '; '.join(_list_values(total) for total in counts.values())
            raise LabelValueError(f'no pixel of the {files} label maps is labelled, so there is '
                                  f'nothing to score. All values are left out: {found}')

    def _lookup_table(self, dtype: np.dtype[Any], classes: int) -> npt.NDArray[np.int64]:
        unlabelled = UNLABELLED[dtype]
        table = np.full(unlabelled + 1, _UNKNOWN, np.int64)
        if not self.mapped:
            table[:classes] = np.arange(min(classes, table.size))
        table[unlabelled] = _LEFT_OUT
        for value, given in self.mapped.items():
            if given is not None and given >= classes:
                raise LabelValueError(f'the value map {self.source} maps value {value} to class '
                                      f'{given}, but the model has {classes} classes, 0 to '
                                      f'{classes - 1}. Write `{value}: {IGNORE}` to leave the '
                                      f'value out')
            if value < table.size:
                table[value] = _LEFT_OUT if given is None else given
        for values in self.left_out:
            table[values.start:values.stop] = _LEFT_OUT
        return table

    def _make_error(self, total: npt.NDArray[np.int64], dtype: np.dtype[Any],
                    classes: int) -> LabelValueError:
        ids = self._lookup_table(dtype, classes)[:total.size]
        unknown = np.where(ids == _UNKNOWN, total, 0)
        expected = (f'are not in the value map {self.source}' if self.mapped else
                    f'are no class ids. The model has {classes} classes, 0 to {classes - 1}, and '
                    f'{UNLABELLED[dtype]} means unlabelled')
        return LabelValueError(
            f'the label maps have values that {expected}. Found: {_list_values(unknown)}. Leave '
            'these values out with --ignore, or turn them into class ids with --map')


def _list_values(total: npt.NDArray[np.int64]) -> str:
    values = np.flatnonzero(total)
    listed = ', '.join(f'{v} ({total[v]:,} pixels)' for v in values[:_MOST_LISTED])
    more = f' and {len(values) - _MOST_LISTED} other values' if len(values) > _MOST_LISTED else ''
    return (listed or 'no pixel') + more


def load_value_map(text: str) -> dict[int, int | None]:
    """Read a value map: a YAML file that maps values to class ids or to ``ignore``.

    :param text: path of the file, or name of an installed value map.
    :returns: class id for each value; None for ``ignore``.
    :raises LabelValueError: if the file is missing or is not a value map. If an entry of the file
        is wrong, the message names this entry.
    """
    path = _find_map(text)
    try:
        tree = read_yaml(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise LabelValueError(f'{path} cannot be read as YAML: {error}') from error
    if not isinstance(tree, dict) or not tree:
        raise LabelValueError(f'{path} is not a value map; expected a line `value: class id` or '
                              f'`value: {IGNORE}` for each value')
    for value, given in tree.items():
        if not _is_id(value) or not (given == IGNORE or _is_id(given)):
            raise LabelValueError(f'{path} has the entry `{value!r}: {given!r}`; expected a value '
                                  f'of 0 to 65535, and a class id or the word {IGNORE}')
    return {value: None if given == IGNORE else given for value, given in tree.items()}


def read_label_values(left_out: Iterable[range], map_name: str | None) -> LabelValues:
    """Read the options ``--ignore`` and ``--map``.

    :param map_name: argument of :func:`load_value_map`; None if the values are class ids already.
    :raises LabelValueError: if the value map cannot be used.
    """
    return LabelValues(tuple(left_out), load_value_map(map_name) if map_name else {},
                       map_name or '')


def _find_map(text: str) -> Path:
    path = Path(text).expanduser()
    if path.is_file():
        return path
    folder = share_path('config', 'maps')
    if (installed := folder / f'{text}.yaml').is_file():
        return installed
    names = sorted(p.stem for p in folder.glob('*.yaml'))
    near = did_you_mean(text, names)
    raise LabelValueError(f'there is no value map {text!r}{near or "."} Give the path of a .yaml '
                          f'file, or one of: {", ".join(names)}')


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535
