# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses file names for results, so that no result replaces a result of another source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
import os
from pathlib import Path
import re
from typing import TypeVar

Key = TypeVar('Key')


def choose_names(pictures: Mapping[Path, Path]) -> dict[Path, str]:
    """Choose a name for the results of each picture. A name is a path without an ending.

    Usually, the results have the name of the picture. If two pictures differ only in the ending,
    the ending becomes a part of the name, as in ``street_jpg``. If pictures in different folders
    have the same name, the folder becomes a part of the name, as in ``left/street``.

    :param pictures: maps the path of each picture to its path below the folder that the user gave.
    """
    places = {path: os.path.splitext(os.path.abspath(path))[0] for path in pictures}
    endings = dict.fromkeys(pictures, '') | {
        path: f'_{path.suffix[1:]}' for path in _find_twice(places)}
    names = {path: f'{below.with_suffix("")}{endings[path]}' for path, below in pictures.items()}
    if twice := _find_twice(names):
        top = os.path.commonpath([os.path.dirname(places[path]) for path in twice])
        for path in twice:
            names[path] = os.path.relpath(places[path], top) + endings[path]
    return _number_twice(names)


def choose_video_names(titles: Sequence[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Choose a name for the results of each video, camera or bag.

    :param titles: path or address of each source. The ending of a file name is removed.
    :param taken: names that are already in use.
    """
    names = {}
    for title in titles:
        base = title.rstrip('/').rpartition('/')[2]
        base = base if '://' in title else os.path.splitext(base)[0]
        names[title] = re.sub(r'[^\w.-]+', '_', base).strip('.') or 'video'
    return _number_twice(names, taken)


def find_renamed(names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the sources whose results a user may not find by the name of the source.

    The results of such a source have another name, such as ``a_jpg`` for ``a.jpg``. All sources
    with the same file name are returned, so that the user can tell their results apart.

    :param names: the path or the address of each source, and the name of its results.
    """
    def place(source: str) -> str:
        return source if '://' in source else os.path.splitext(source.rstrip('/'))[0]

    renamed = {os.path.basename(place(source)) for source, name in names
               if not f'/{place(source)}'.endswith(f'/{name}')}
    return [pair for pair in names if os.path.basename(place(pair[0])) in renamed]


def _find_twice(names: Mapping[Path, str]) -> list[Path]:
    count = Counter(names.values())
    return [path for path, name in names.items() if count[name] > 1]


def _number_twice(names: dict[Key, str], others: Iterable[str] = ()) -> dict[Key, str]:
    """Add _2, _3 and so on to names that are already in use."""
    taken = set(others)
    for key, name in names.items():
        number = 1
        while names[key] in taken:
            number += 1
            names[key] = f'{name}_{number}'
        taken.add(names[key])
    return names
