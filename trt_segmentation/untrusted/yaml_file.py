# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads untrusted YAML files, such as model cards. A large or deeply nested file is refused."""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any

import yaml

from .regular_file import read_regular
from .terminal_text import one_line, short

MAX_BYTES = 1 << 20
"""Largest number of bytes of a file. A card with 65534 classes has fewer."""
MAX_DEPTH = 6
"""Largest number of levels of nested lists and mappings. A card has three levels."""
MAX_SCALAR = 1000
"""Largest number of characters of one value."""


class _PlainLoader(yaml.SafeLoader):
    """Reads words as YAML 1.2 does.

    PyYAML follows YAML 1.1: no, on and off are booleans, 1:20 is the number 80, 010 is 8,
    2026-01-01 is a date, and << merges mappings. This loader reads each of these words as text.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012    # the types below replace those of PyYAML

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping, and refuse two equal keys. PyYAML would use the last of them.

        :raises ValueError: if a mapping has a key twice.
        """
        seen = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and (key.tag, key.value) in seen:
                raise ValueError(f'line {key.start_mark.line + 1}: the key {short(key.value)} is '
                                 f'there twice')
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
        ('null', r'~|null|Null|NULL|', ['~', 'n', 'N', '']),
        ('bool', r'true|True|TRUE|false|False|FALSE', list('tTfF')),
        ('int', r'[-+]?(0|[1-9][0-9]*)', list('-+0123456789')),
        ('float', r'[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+'
                  r'|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)', list('-+.0123456789'))):
    _PlainLoader.add_implicit_resolver(
        f'tag:yaml.org,2002:{_tag}', re.compile(rf'^(?:{_pattern})$'), _first)


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values, encoded in UTF-8.

    References and tags are refused. A few lines of references can make billions of items, and tags
    can make other objects.

    :raises OSError: if the file cannot be read, or if it is not a regular file.
    :raises ValueError: if the file is not YAML in UTF-8, exceeds a limit of this module, or has a
        key twice. The message is one printable line.
    """
    data = read_regular(path, MAX_BYTES)
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'byte {error.start} is not UTF-8 text; save the file as UTF-8'
                         ) from error
    try:
        _refuse_odd(text)
        loader = _PlainLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ValueError(_one_line(error)) from error


def _one_line(error: yaml.YAMLError) -> str:
    """Return the message of a PyYAML error. The lines of the file in this message are removed."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        words = f'{error.context or ""} {error.problem or ""}'.strip()
        return one_line(f'line {mark.line + 1}, column {mark.column + 1}: {words}')
    return one_line(' '.join(str(error).split()))


def _refuse_odd(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        where = f'line {event.start_mark.line + 1 if event.start_mark else 0}: '
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f'{where}*{event.anchor} is a reference. Write the value itself')
        if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag:
            raise ValueError(f'{where}{short(event.tag)} is a tag. Remove the tag')
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
            raise ValueError(f'{where}a value has {len(event.value):,} characters; at most '
                             f'{MAX_SCALAR} are read')
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f'{where}lists or mappings are nested more than {MAX_DEPTH} deep')
