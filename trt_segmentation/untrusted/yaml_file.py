# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads untrusted YAML files, such as model cards. A large or deeply nested file is refused.

A model card describes a network and its classes.
"""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any

import yaml

from .regular_file import read_regular
from .terminal_text import one_line, short

MAX_BYTES = 1 << 20
"""Largest number of bytes of a file. Even a card with 65534 classes has fewer bytes."""
MAX_DEPTH = 6
"""Largest number of levels of nested lists and mappings. A card has three levels."""
MAX_SCALAR = 1000
"""Largest number of characters of one value."""
MAX_ITEMS = 65536
"""Largest number of items of one list or mapping: the number of labels that uint16 can hold."""
MAX_NODES = 150_000
"""Largest number of values, lists and mappings of a file. To read so many values takes seconds."""


class _PlainLoader(yaml.SafeLoader):
    """A YAML loader that limits the size of a file and reads unusual values as text.

    PyYAML follows YAML 1.1: ``no``, ``on`` and ``off`` are booleans, ``1:20`` is the number 80,
    ``010`` is the number 8, ``2026-01-01`` is a date, and ``<<`` merges mappings. This loader
    reads each of these values as text.
    """

    # PyYAML recognises numbers and other types by patterns. Its patterns are removed here. The
    # loop below this class adds other patterns.
    yaml_implicit_resolvers = {}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """Return the next value, list or mapping. If it is refused, raise an error at once."""
        event: Any = self.peek_event()      # type: ignore[no-untyped-call]
        if refused := self._find_refused(event, parent):
            raise ValueError(f'line {event.start_mark.line + 1}: {refused}')
        self._depth += 1
        self._nodes += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _find_refused(self, event: Any, parent: Any) -> str:
        """Return why the node that begins with an event is refused; empty if it is accepted."""
        if isinstance(event, yaml.AliasEvent):
            return f'*{event.anchor} is a reference. Write the value itself'
        if event.tag:
            return f'{short(event.tag)} is a tag. Remove the tag'
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
            return (f'a value has {len(event.value):,} characters, but at most {MAX_SCALAR} are '
                    f'allowed')
        if self._depth >= MAX_DEPTH and isinstance(event, yaml.CollectionStartEvent):
            return f'lists or mappings are nested more than {MAX_DEPTH} levels deep'
        if parent is not None and len(parent.value) >= MAX_ITEMS:
            return f'a list or mapping has more than {MAX_ITEMS:,} items'
        return f'the file has more than {MAX_NODES:,} values' if self._nodes >= MAX_NODES else ''

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping. Refuse a key that is there twice: PyYAML would use its last value."""
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

    References are refused, because a few lines with references can make billions of items. Tags
    are refused, because tags can make objects of any Python type.

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
        loader = _PlainLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ValueError(_one_line(error)) from error


def _one_line(error: yaml.YAMLError) -> str:
    """Return a PyYAML error's message as one line, without PyYAML's excerpt of the file."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        words = f'{error.context or ""} {error.problem or ""}'.strip()
        return one_line(f'line {mark.line + 1}, column {mark.column + 1}: {words}')
    return one_line(' '.join(str(error).split()))
