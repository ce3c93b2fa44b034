# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Print the classes, functions and enums of NVIDIA's Python bindings as JSON.

    bindings_listing.py MODULE

test_tensorrt_bindings.py runs this program once for each version of the bindings, because a
process can import only one of them. pybind11 writes the signature of each function into its
docstring, and this program reads the signatures there.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from typing import Any

_SAME_TYPE = {
    # Two versions of pybind11 have different names for these types.
    'List': 'list', 'Tuple': 'tuple', 'Dict': 'dict', 'collections.abc.Sequence': 'list',
    'typing.SupportsInt': 'int', 'typing.SupportsFloat': 'float', 'typing.SupportsIndex': 'int',
    'typing_extensions.Buffer': 'buffer', 'collections.abc.Buffer': 'buffer',
    'typing_extensions.CapsuleType': 'capsule', 'types.CapsuleType': 'capsule',
    'handle': 'object', 'IBuilder': 'Builder', 'IParserError': 'ParserError',
}


def split(text: str, separator: str) -> list[str]:
    """Split a text at a separator that is not inside brackets."""
    parts, depth = [''], 0
    for index, letter in enumerate(text):
        depth += (letter in '([{<') - (letter in ')]}>' and text[index - 1:index + 1] != '->')
        if letter == separator and not depth:
            parts.append('')
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def short_type(text: str) -> str:
    """Return a type with one name in all versions, such as ``list[Dims]``."""
    text = re.sub(r'(\w*tensorrt\w*\.)+', '', text.strip())
    # In some docstrings a class has its name in C++.
    text = re.sub(r'\b(nvinfer1|nvonnxparser)::(v_\d+_\d+::)?', '', text)
    for name in sorted(_SAME_TYPE, key=len, reverse=True):
        text = re.sub(rf'(?<![\w.]){re.escape(name)}(?![\w.])', _SAME_TYPE[name], text)
    optional = re.fullmatch(r'(?:typing\.)?Optional\[(.*)\]', text)
    return f'{optional[1]} | None' if optional else text


def signatures(documentation: str, name: str) -> list[dict[str, Any]]:
    """Read the signature of each overload: name, type and default of each parameter."""
    found = []
    for line in re.findall(rf'^(?:\d+\. )?{name}(\(.*\) -> .*)$', documentation, re.MULTILINE):
        inside, _, returns = line[1:].rpartition(') -> ')
        parameters = []
        for part in split(inside, ',') if inside else []:
            if part in ('/', '*', '*args', '**kwargs'):
                continue
            declared, *default = split(part, '=')
            label, _, kind = declared.partition(': ')
            parameters.append({'name': label, 'type': short_type(kind or 'object'),
                               **({'default': short_type(default[0])} if default else {})})
        # In TensorRT 11 the docstring has a type of pybind11 here. The lean runtime shows that the
        # function returns a registry.
        returns = re.sub(r'^detail::accessor<.*>$', 'IPluginRegistry', returns)
        if '*args, **kwargs' not in inside:
            found.append({'parameters': parameters, 'returns': short_type(returns)})
    return found


def member(owner: type, name: str) -> dict[str, Any] | None:
    """Describe one member of a class; None for a nested class."""
    here, value = inspect.getattr_static(owner, name), getattr(owner, name)
    if inspect.isclass(value):
        return None
    if isinstance(here, property) or inspect.isdatadescriptor(here):
        read = (getattr(here, 'fget', None) or value).__doc__ or ''
        returns = re.findall(r'\) -> (.*)$', read, re.MULTILINE)
        return {'kind': 'property', 'type': short_type((returns or ['object'])[0]),
                'can_be_set': getattr(here, 'fset', None) is not None}
    if callable(value):
        found = signatures(value.__doc__ or '', name)
        if name == '__init__' and not found:
            return None     # Python cannot make an object of this class
        return {'kind': 'method', 'signatures': found}
    return {'kind': 'value', 'type': type_name(type(value))}


def type_name(cls: type) -> str:
    """Return the name of a class. A nested class has the name of its owner before its own."""
    return cls.__qualname__


def describe(cls: type) -> dict[str, Any]:
    """Describe a class with all members that it has or inherits."""
    names = [n for n in dir(cls) if n == '__init__' or not n.startswith('_')]
    members = {name: member(cls, name) for name in names}
    enum = getattr(cls, '__members__', {})
    return {'bases': [type_name(base) for base in cls.__mro__[1:]],
            'enum': {name: int(value) for name, value in enum.items()},
            'members': {name: found for name, found in members.items() if found}}


def listing(module: str) -> dict[str, Any]:
    """Describe a module of bindings."""
    bindings = importlib.import_module(module)
    classes: dict[str, Any] = {}
    functions, values = {}, {}

    def add(cls: type) -> None:
        if type_name(cls) in classes or not cls.__module__.startswith(module):
            return
        classes[type_name(cls)] = describe(cls)
        for _, nested in inspect.getmembers(cls, inspect.isclass):
            if nested.__qualname__.startswith(cls.__qualname__ + '.'):
                add(nested)

    for name, value in vars(bindings).items():
        if inspect.isclass(value):
            add(value)
        elif callable(value):
            functions[name] = signatures(value.__doc__ or '', name)
        elif not inspect.ismodule(value):
            values[name] = type_name(type(value))
    return {'version': bindings.__version__, 'classes': classes, 'functions': functions,
            'values': values}


if __name__ == '__main__':
    json.dump(listing(sys.argv[1]), sys.stdout)
