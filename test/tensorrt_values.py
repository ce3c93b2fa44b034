# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Values that tensorrt_calls.py follows, and what Python's own functions make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCALARS = ('int', 'float', 'str', 'bool', 'bytes', 'buffer', 'capsule', 'object', 'memoryview')
"""Types of numbers, texts and bytes in the listing of the bindings."""


@dataclass(frozen=True)
class Unknown:
    """A value that the analysis does not follow, for example one that another library made."""


@dataclass(frozen=True)
class Constant:
    """A value that is known, such as None, True or a text."""

    value: Any


@dataclass(frozen=True)
class Library:
    """The module ``tensorrt`` or ``tensorrt_rtx``."""


@dataclass(frozen=True)
class Class:
    """A class of TensorRT."""

    name: str


@dataclass(frozen=True)
class Object:
    """An object of a class of TensorRT, or a number or text of unknown value."""

    type: str


@dataclass(frozen=True)
class Function:
    """A function of TensorRT; ``owner`` is its class, and empty for a function of the module."""

    owner: str
    name: str
    is_bound: bool


@dataclass(frozen=True)
class Items:
    """A list, a dictionary or another collection; ``of`` has the values of its items."""

    of: frozenset[Any]


@dataclass(frozen=True)
class Row:
    """A tuple of known length."""

    of: tuple[frozenset[Any], ...]


@dataclass(frozen=True)
class Ours:
    """A module, class, object or function of the package.

    :param kind: 'module', 'class', 'object' or 'function'.
    :param path: file inside the package.
    :param name: name inside the file; a method has the name of its class before its own.
    :param is_bound: whether the function gets an object as its first argument.
    """

    kind: str
    path: str
    name: str = ''
    is_bound: bool = False


Values = frozenset[Any]
"""All values that an expression can have."""
UNKNOWN: Values = frozenset({Unknown()})
NONE: Values = frozenset({Constant(None)})


def one(value: Any) -> Values:
    return frozenset({value})


@dataclass(frozen=True)
class Call:
    """The arguments of a call; ``is_open`` means that their number is not known."""

    arguments: list[Values]
    keywords: dict[str, Values]
    is_open: bool

    def all(self) -> list[Values]:
        return [*self.arguments, *self.keywords.values()]

    def __str__(self) -> str:
        parts = [names_of(values) for values in self.arguments]
        parts += [f'{name}={names_of(values)}' for name, values in self.keywords.items()]
        return f'({", ".join(parts)}{", ..." if self.is_open else ""})'


def is_from_tensorrt(value: Any) -> bool:
    if isinstance(value, Items):
        return any(map(is_from_tensorrt, value.of))
    if isinstance(value, Row):
        return any(is_from_tensorrt(v) for values in value.of for v in values)
    return isinstance(value, Function | Class) or (
        isinstance(value, Object) and value.type not in SCALARS)


def truth_of(values: Values) -> bool | None:
    """Return whether all values are true, or all are false; None if it is not known."""
    answers = {bool(value.value) if isinstance(value, Constant)
               else True if isinstance(value, Class | Function | Library) else None
               for value in values}
    return answers.pop() if len(answers) == 1 else None


def item_of(values: Values, index: Any = None) -> Values:
    """Return the values of one item of collections."""
    found: Values = frozenset()
    for value in values:
        if isinstance(value, Items):
            found |= value.of
        elif isinstance(value, Row):
            is_known = isinstance(index, int) and -len(value.of) <= index < len(value.of)
            found |= value.of[index] if is_known else frozenset().union(*value.of)
        elif isinstance(value, Constant) and isinstance(value.value, tuple) and isinstance(
                index, int):
            found |= one(Constant(value.value[index]))
        else:
            found |= UNKNOWN
    return found or UNKNOWN


def call_builtin(name: str, call: Call) -> Values:
    """Return the result of a function of Python."""
    items = [item_of(values) for values in call.arguments]
    if name in ('list', 'tuple', 'set', 'sorted', 'reversed', 'iter', 'deque', 'frozenset'):
        return one(Items(items[0] if items else frozenset()))
    if name == 'next' and items:
        return frozenset().union(items[0], *call.arguments[1:])
    if name == 'zip':
        return one(Items(one(Row(tuple(items)))))
    if name == 'enumerate':
        return one(Items(one(Row((one(Object('int')), items[0])))))
    if name in ('int', 'len', 'range'):
        number = one(Object('int'))
        return one(Items(number)) if name == 'range' else number
    if name in ('str', 'bool', 'bytes', 'float', 'memoryview'):
        return one(Object(name))
    return UNKNOWN


def call_collection(name: str, items: Values) -> Values:
    """Return the result of a method of a collection."""
    if name in ('get', 'pop', 'popleft', 'setdefault'):
        return items | (NONE if name == 'get' else frozenset())
    if name == 'items':
        return one(Items(one(Row((UNKNOWN, items)))))
    return one(Items(items)) if name in ('values', 'copy') else UNKNOWN


def names_of(values: Values) -> str:
    return ' or '.join(sorted(str(getattr(v, 'type', None) or getattr(v, 'name', None)
                                  or (repr(v.value) if isinstance(v, Constant)
                                      else type(v).__name__.lower())) for v in values))


def show_signature(signature: Mapping[str, Any]) -> str:
    return '(' + ', '.join(
        f'{p["name"]}: {p["type"]}' + (f' = {p["default"]}' if 'default' in p else '')
        for p in signature['parameters']) + ')'
