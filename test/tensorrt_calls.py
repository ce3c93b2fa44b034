# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find each use of TensorRT in our source, and compare it with the real Python bindings.

The analysis runs no code of the package. It reads the source with ast. It follows the values that
come from TensorRT through variables, attributes, arguments and results of our own functions. The
listing of the bindings (bindings_listing.py) says what TensorRT returns. So the analysis compares
each attribute and each call of a TensorRT object with the real class.

The analysis follows one version of TensorRT at a time. In that version, ``hasattr(trt, 'X')``,
``getattr(trt, 'X', None)`` and ``BACKEND == 'tensorrt_rtx'`` have known values, and a branch that
these values exclude is not followed. So a use of a name that this version does not have is a
mistake, unless a check excludes it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
import re
from typing import Any

from tensorrt_values import (
    Call,
    call_builtin,
    call_collection,
    Class,
    Constant,
    Function,
    is_from_tensorrt,
    item_of,
    Items,
    Library,
    names_of,
    NONE,
    Object,
    one,
    Ours,
    Row,
    SCALARS,
    show_signature,
    truth_of,
    UNKNOWN,
    Unknown,
    Values,
)

PACKAGE = Path(__file__).parents[1] / 'trt_segmentation'
_MOST_PASSES = 30


@dataclass
class Findings:
    """What the analysis found.

    :ivar uses: each name of TensorRT that is used, such as ``Builder.create_network``.
    :ivar problems: a text for each use that the bindings do not have.
    :ivar lost: a text for each attribute of an unknown value, if only TensorRT has such a name.
    :ivar read: file, line and column of each attribute of the module that was read.
    :ivar left_out: ``(function, parameter)`` for each argument that a call leaves to its default.
    """

    uses: set[str] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    read: set[tuple[str, int, int]] = field(default_factory=set)
    left_out: set[tuple[str, str]] = field(default_factory=set)


def sources() -> dict[str, str]:
    """Return the text of each file of the package."""
    return {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding='utf-8')
            for path in sorted(PACKAGE.rglob('*.py'))}


@cache
def imports_tensorrt(text: str) -> bool:
    """Whether a file imports TensorRT, itself or from another file of ours."""
    return bool(re.search(r'import(?s:.*)\b(trt|tensorrt|tensorrt_rtx)\b', text)) and any(
        alias.name in ('trt', 'tensorrt', 'tensorrt_rtx') for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names)


def reads_of_the_module(texts: Mapping[str, str]) -> set[tuple[str, int, int]]:
    """Return the place of each ``trt.NAME`` in the files that import TensorRT."""
    return {(path, node.lineno, node.col_offset) for path, text in texts.items()
            if imports_tensorrt(text) for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            and node.value.id == 'trt'}


class Analysis:
    """Follows the values of one version of TensorRT through the package.

    :param texts: the text of each file of the package.
    :param listing: a listing of the bindings.
    :param backend: the name of the module: ``tensorrt`` or ``tensorrt_rtx``.
    """

    def __init__(self, texts: Mapping[str, str], listing: Mapping[str, Any], backend: str) -> None:
        self.listing, self.backend = listing, backend
        self.classes: Mapping[str, Any] = listing['classes']
        self._texts = texts
        self._trees: dict[str, ast.Module] = {}
        self._definitions: dict[tuple[str, str], ast.AST] = {}
        self._before: dict[tuple[str, ...], Values] = {}
        self._now: dict[tuple[str, ...], Values] = {}
        self._wanted = {path for path, text in texts.items() if imports_tensorrt(text)}
        self.findings = Findings()
        self._path = self._function = ''
        self._statements: set[ast.AST] = set()
        self._globals: set[tuple[str, str, str]] = set()

    def run(self) -> Findings:
        """Follow all values until a pass through all files finds nothing new."""
        for _ in range(_MOST_PASSES):
            for path in sorted(self._wanted - set(self._trees)):
                self._load(path)
            self.findings, self._now = Findings(), {}
            for path in sorted(self._trees):
                self._module(path)
            if self._now == self._before and self._wanted == set(self._trees):
                self.findings.lost = self._only_tensorrt()
                return self.findings
            self._before = self._now
        raise AssertionError(f'the analysis does not end after {_MOST_PASSES} passes')

    # --- files, functions and facts -----------------------------------------------------------

    def _load(self, path: str) -> None:
        tree = ast.parse(self._texts[path])
        self._trees[path] = tree
        self._statements |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self._definitions[path, node.name] = node
            if isinstance(node, ast.ClassDef):
                for inside in node.body:
                    if isinstance(inside, ast.FunctionDef):
                        self._definitions[path, f'{node.name}.{inside.name}'] = inside

    def _learn(self, values: Values, *key: str) -> None:
        self._now[key] = self._now.get(key, frozenset()) | values

    def _known(self, *key: str) -> Values:
        return self._before.get(key, frozenset())

    def _module(self, path: str) -> None:
        self._path, self._function = path, ''
        env: dict[str, Values] = {}
        self._block(self._trees[path].body, env)
        for name, values in env.items():
            self._learn(values, 'global', path, name)
        for (where, name), node in list(self._definitions.items()):
            if where != path or not isinstance(node, ast.FunctionDef):
                continue
            self._path, self._function = path, name
            self._body(node, self._parameters(node, path, name))

    def _body(self, node: ast.FunctionDef, env: dict[str, Values]) -> None:
        if not self._block(node.body, env):
            self._learn(NONE, 'return', self._path, self._function)

    def _parameters(self, node: ast.FunctionDef, path: str, name: str) -> dict[str, Values]:
        arguments = node.args
        env = {}
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            declared = self._annotation(argument.annotation)
            called = self._known('parameter', path, name, argument.arg)
            env[argument.arg] = called if declared <= UNKNOWN and called else declared
        owner, _, method = name.rpartition('.')
        if owner and not is_decorated(node, 'staticmethod'):
            first = next(iter(env), None)
            if first is not None:
                env[first] = one(Ours('object', path, owner))
        for extra in (arguments.vararg, arguments.kwarg):
            if extra is not None:
                env[extra.arg] = UNKNOWN
        self._check_override(node, path, owner, method)
        return env

    def _check_override(self, node: ast.FunctionDef, path: str, owner: str, method: str) -> None:
        """A method that TensorRT calls must take the arguments that TensorRT gives."""
        base = self._base(path, owner) if owner and not method.startswith('_') else None
        member = self.classes[base]['members'].get(method) if base else None
        if member is None:
            return
        self.findings.uses.add(f'{base}.{method}')
        ours = [argument.arg for argument in node.args.args]
        theirs = [[p['name'] for p in s['parameters']] for s in member['signatures']]
        if ours not in theirs:
            self._problem(node, f'{base}.{method} is called with {theirs}, but takes {ours}')

    def _base(self, path: str, name: str) -> str | None:
        """Return the class of TensorRT that a class of ours has as its base."""
        for value in self._known('base', path, name):
            if isinstance(value, Class):
                return value.name
            if isinstance(value, Ours) and value.kind == 'class' and (
                    base := self._base(value.path, value.name)):
                return base
        return None

    # --- statements ----------------------------------------------------------------------------

    def _block(self, statements: Sequence[ast.stmt], env: dict[str, Values]) -> bool:
        """Follow statements; return whether no statement after them can run."""
        return any(self._statement(node, env) for node in statements)

    def _statement(self, node: ast.stmt, env: dict[str, Values]) -> bool:
        known = getattr(self, f'_on_{type(node).__name__.lower()}', None)
        if known is not None:
            return bool(known(node, env))
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._value(child, env)
        return isinstance(node, ast.Raise | ast.Continue | ast.Break)

    def _on_global(self, node: ast.Global, env: dict[str, Values]) -> None:
        self._globals |= {(self._path, self._function, name) for name in node.names}

    def _on_match(self, node: ast.Match, env: dict[str, Values]) -> bool:
        self._value(node.subject, env)
        return self._branches([*(case.body for case in node.cases), []], env)

    def _on_return(self, node: ast.Return, env: dict[str, Values]) -> bool:
        values = self._value(node.value, env) if node.value else NONE
        self._learn(values, 'return', self._path, self._function)
        return True

    def _on_assign(self, node: ast.Assign, env: dict[str, Values]) -> None:
        values = self._value(node.value, env)
        for target in node.targets:
            self._assign(target, values, env)

    def _on_annassign(self, node: ast.AnnAssign, env: dict[str, Values]) -> None:
        declared = self._annotation(node.annotation)
        values = self._value(node.value, env) if node.value else frozenset()
        if not values - UNKNOWN or values == one(Items(frozenset())):
            values = values | declared
        self._assign(node.target, values, env)

    def _on_augassign(self, node: ast.AugAssign, env: dict[str, Values]) -> None:
        self._value(node.value, env)
        self._assign(node.target, UNKNOWN, env)

    def _assign(self, target: ast.expr, values: Values, env: dict[str, Values]) -> None:
        if isinstance(target, ast.Name):
            env[target.id] = values
            if (self._path, self._function, target.id) in self._globals:
                self._learn(values, 'global', self._path, target.id)
        elif isinstance(target, ast.Attribute):
            self._set_attribute(target, values, env)
        elif isinstance(target, ast.Subscript):
            self._value(target.slice, env)
            self._value(target.value, env)
            if isinstance(target.value, ast.Attribute | ast.Name):
                before = self._value(target.value, env)
                self._assign(target.value, before | one(Items(values)), env)
        elif isinstance(target, ast.Starred):
            self._assign(target.value, one(Items(values)), env)
        elif isinstance(target, ast.Tuple | ast.List):
            for index, part in enumerate(target.elts):
                self._assign(part, item_of(values, index), env)

    def _set_attribute(self, target: ast.Attribute, values: Values,
                       env: dict[str, Values]) -> None:
        for owner in self._value(target.value, env):
            if isinstance(owner, Ours):
                self._learn(values, 'attribute', owner.path, owner.name, target.attr)
            elif isinstance(owner, Object) and owner.type in self.classes:
                member = self._member(owner.type, target.attr, target)
                if member is None:
                    continue
                if not member.get('can_be_set'):
                    self._problem(target, f'{owner.type}.{target.attr} cannot be set')
                elif not self._accepts(member['type'], values):
                    self._problem(target, f'{owner.type}.{target.attr} is of type '
                                  f'{member["type"]}, and not {names_of(values)}')

    def _on_if(self, node: ast.If, env: dict[str, Values]) -> bool:
        answer = truth_of(self._value(node.test, env))
        branches = [statements for choice, statements in ((True, node.body), (False, node.orelse))
                    if answer is None or answer is choice]
        return self._branches(branches, env)

    def _branches(self, branches: Iterable[Sequence[ast.stmt]], env: dict[str, Values]) -> bool:
        ends = []
        for statements in branches:
            copy = dict(env)
            if not self._block(statements, copy):
                ends.append(copy)
        if ends:
            merged = {name: frozenset().union(*(end.get(name, frozenset()) for end in ends))
                      for name in {name for end in ends for name in end}}
            env.clear()
            env.update(merged)
        return not ends

    def _on_for(self, node: ast.For, env: dict[str, Values]) -> None:
        self._assign(node.target, item_of(self._value(node.iter, env)), env)
        self._branches([node.body, []], env)
        self._branches([node.orelse, []], env)

    def _on_while(self, node: ast.While, env: dict[str, Values]) -> None:
        self._value(node.test, env)
        self._branches([node.body, []], env)

    def _on_with(self, node: ast.With, env: dict[str, Values]) -> bool:
        for item in node.items:
            values = self._value(item.context_expr, env)
            if item.optional_vars is not None:
                self._assign(item.optional_vars, values, env)
        return self._block(node.body, env)

    def _on_try(self, node: ast.Try, env: dict[str, Values]) -> bool:
        for handler in node.handlers:
            if handler.name:
                env[handler.name] = UNKNOWN
        has_ended = self._branches([[*node.body, *node.orelse],
                                    *(handler.body for handler in node.handlers)], env)
        return self._block(node.finalbody, env) or has_ended

    def _on_functiondef(self, node: ast.FunctionDef, env: dict[str, Values]) -> None:
        for default in (*node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self._value(default, env)
        if not self._function:
            env[node.name] = one(Ours('function', self._path, node.name))
            return
        # A function inside a function sees the variables around it.
        inner = {**env, **{argument.arg: self._annotation(argument.annotation)
                           for argument in (*node.args.args, *node.args.kwonlyargs)}}
        outer = self._function
        self._function = f'{outer}.<{node.name}>'
        self._body(node, inner)
        self._function = outer
        env[node.name] = UNKNOWN

    def _on_classdef(self, node: ast.ClassDef, env: dict[str, Values]) -> None:
        for base in node.bases:
            self._learn(self._value(base, env), 'base', self._path, node.name)
        for inside in node.body:
            if isinstance(inside, ast.AnnAssign) and isinstance(inside.target, ast.Name):
                values = self._annotation(inside.annotation)
                self._learn(values, 'attribute', self._path, node.name, inside.target.id)
            elif isinstance(inside, ast.Assign):
                values = self._value(inside.value, dict(env))
                for name in (t for t in inside.targets if isinstance(t, ast.Name)):
                    self._learn(values, 'attribute', self._path, node.name, name.id)
        env[node.name] = one(Ours('class', self._path, node.name))
        parent = self._base(self._path, node.name)
        for method, member in (self.classes[parent]['members'] if parent else {}).items():
            if member['kind'] == 'method' and method != '__init__' and (
                    self._path, f'{node.name}.{method}') not in self._definitions:
                self._problem(node, f'{node.name} has no method {method} of {parent}')

    def _on_import(self, node: ast.Import, env: dict[str, Values]) -> None:
        for alias in node.names:
            is_tensorrt = alias.name in ('tensorrt', 'tensorrt_rtx')
            env[alias.asname or alias.name.partition('.')[0]] = (
                one(Library()) if is_tensorrt else UNKNOWN)

    def _on_importfrom(self, node: ast.ImportFrom, env: dict[str, Values]) -> None:
        for alias in node.names:
            env[alias.asname or alias.name] = self._imported(node, alias.name)

    def _imported(self, node: ast.ImportFrom, name: str) -> Values:
        if node.level == 0:
            return UNKNOWN
        folder = self._path.split('/')[:-1]
        parts = folder[:len(folder) - node.level + 1] + [
            part for part in (node.module or '').split('.') if part]
        for path in ('/'.join([*parts, name]) + '.py', '/'.join([*parts, name, '__init__.py'])):
            if path in self._texts:
                return one(Ours('module', path))
        for path in ('/'.join(parts) + '.py', '/'.join([*parts, '__init__.py'])):
            if path in self._texts:
                return self._global(path, name)
        return UNKNOWN

    def _global(self, path: str, name: str) -> Values:
        """Return what a name means in a file, without reading the file if nothing asks for it."""
        if path in self._trees:
            return self._known('global', path, name) or UNKNOWN
        # A class or function of a file that is not loaded is known by its name.
        found = re.search(rf'^(class|def) {name}\b', self._texts[path], re.MULTILINE)
        if found is None:
            return UNKNOWN
        return one(Ours('class' if found[1] == 'class' else 'function', path, name))

    # --- expressions ---------------------------------------------------------------------------

    def _value(self, node: ast.expr, env: dict[str, Values]) -> Values:
        known = getattr(self, f'_of_{type(node).__name__.lower()}', None)
        if known is not None:
            found: Values = known(node, env)
            return found
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._value(child, env)
        return UNKNOWN

    def _of_formattedvalue(self, node: ast.FormattedValue, env: dict[str, Values]) -> Values:
        for value in self._value(node.value, env):
            if isinstance(value, Function):
                self._problem(node, f'{value.owner}.{value.name} is a method and is not called')
        return UNKNOWN

    def _of_constant(self, node: ast.Constant, env: dict[str, Values]) -> Values:
        return one(Constant(node.value))

    def _of_name(self, node: ast.Name, env: dict[str, Values]) -> Values:
        if node.id in env:
            return env[node.id]
        return self._known('global', self._path, node.id) or UNKNOWN

    def _of_namedexpr(self, node: ast.NamedExpr, env: dict[str, Values]) -> Values:
        values = self._value(node.value, env)
        self._assign(node.target, values, env)
        return values

    def _of_attribute(self, node: ast.Attribute, env: dict[str, Values]) -> Values:
        owners = self._value(node.value, env)
        if owners & one(Library()):
            self.findings.read.add((self._path, node.lineno, node.col_offset))
        if owners <= UNKNOWN:
            self.findings.lost.add(f'{node.attr} at {self._path}:{node.lineno}')
        return frozenset().union(*(self._attribute(owner, node.attr, node) for owner in owners))

    def _attribute(self, owner: Any, name: str, node: ast.AST) -> Values:
        if isinstance(owner, Library):
            return self._module_attribute(name, node)
        if isinstance(owner, Class | Object):
            cls = owner.name if isinstance(owner, Class) else owner.type
            return self._class_attribute(cls, name, isinstance(owner, Object), node)
        if isinstance(owner, Ours):
            return self._own_attribute(owner, name, node)
        if isinstance(owner, Constant) and hasattr(owner.value, name):
            return one(Constant(getattr(owner.value, name)))
        return UNKNOWN if isinstance(owner, Unknown) else frozenset()

    def _module_attribute(self, name: str, node: ast.AST) -> Values:
        if name == '__name__':
            return one(Constant(self.backend))
        if name == '__version__':
            return one(Constant(self.listing['version']))
        if name in self.classes:
            found: Any = Class(name)
        elif name in self.listing['functions']:
            found = Function('', name, True)
        elif name in self.listing['values']:
            found = Object(self.listing['values'][name])
        else:
            self._problem(node, f'the module has no {name}')
            return UNKNOWN
        self.findings.uses.add(name)
        return one(found)

    def _class_attribute(self, cls: str, name: str, is_bound: bool, node: ast.AST) -> Values:
        if cls not in self.classes or (name.startswith('__') and name != '__init__'):
            return frozenset()
        if f'{cls}.{name}' in self.classes:
            self.findings.uses.add(f'{cls}.{name}')
            return one(Class(f'{cls}.{name}'))
        if name in self.classes[cls]['enum']:
            self.findings.uses.add(f'{cls}.{name}')
            return one(Object(cls))
        member = self._member(cls, name, node)
        if member is None:
            return UNKNOWN
        if member['kind'] == 'method':
            return one(Function(cls, name, is_bound))
        return self._typed(member['type']) if is_bound or member['kind'] == 'value' else UNKNOWN

    def _member(self, cls: str, name: str, node: ast.AST) -> dict[str, Any] | None:
        member: dict[str, Any] | None = self.classes[cls]['members'].get(name)
        if member is None:
            self._problem(node, f'{cls} has no {name}')
        else:
            self.findings.uses.add(f'{cls}.{name}')
        return member

    def _own_attribute(self, owner: Ours, name: str, node: ast.AST) -> Values:
        if owner.kind == 'module':
            return self._global(owner.path, name)
        if owner.kind == 'function':
            return UNKNOWN
        found = self._known('attribute', owner.path, owner.name, name)
        method = self._definitions.get((owner.path, f'{owner.name}.{name}'))
        if isinstance(method, ast.FunctionDef):
            if is_decorated(method, 'property') or is_decorated(method, 'cached_property'):
                return found | (self._known('return', owner.path, f'{owner.name}.{name}')
                                or self._annotation(method.returns))
            is_static = is_decorated(method, 'staticmethod')
            is_class_method = is_decorated(method, 'classmethod')
            return found | one(Ours('function', owner.path, f'{owner.name}.{name}', not is_static
                                    and (owner.kind == 'object' or is_class_method)))
        if owner.path not in self._trees and re.search(
                rf'^ +def {name}\b', self._texts[owner.path], re.MULTILINE):
            return one(Ours('function', owner.path, f'{owner.name}.{name}', True))
        if not found:
            for base in self._known('base', owner.path, owner.name):
                if not isinstance(base, Unknown):
                    return self._attribute(
                        Object(base.name) if isinstance(base, Class) and owner.kind == 'object'
                        else base, name, node)
        return found or UNKNOWN

    def _of_call(self, node: ast.Call, env: dict[str, Values]) -> Values:
        function = self._value(node.func, env)
        if isinstance(node.func, ast.Name) and node.func.id in ('getattr', 'hasattr') \
                and node.func.id not in env:
            return self._of_getattr(node, env)
        arguments = [self._value(argument, env) for argument in node.args]
        keywords = {keyword.arg or '**': self._value(keyword.value, env)
                    for keyword in node.keywords}
        is_open = '**' in keywords or any(isinstance(a, ast.Starred) for a in node.args)
        call = Call(arguments, keywords, is_open)
        if function <= UNKNOWN and isinstance(node.func, ast.Name):
            return call_builtin(node.func.id, call)
        if isinstance(node.func, ast.Attribute):
            on = self._value(node.func.value, env)
            self._change(node.func, call, on, env)
            items = frozenset().union(*(value.of for value in on if isinstance(value, Items)))
            if items:
                return call_collection(node.func.attr, items)
        return frozenset().union(*(self._result(one_, call, node) for one_ in function)) or UNKNOWN

    def _change(self, function: ast.Attribute, call: Call, on: Values,
                env: dict[str, Values]) -> None:
        """A value that is put into a collection becomes one of its items."""
        if function.attr in ('append', 'add', 'setdefault') and call.arguments and any(
                isinstance(value, Items) for value in on):
            self._assign(function.value, on | one(Items(call.arguments[-1])), env)

    def _of_getattr(self, node: ast.Call, env: dict[str, Values]) -> Values:
        """Return the value of getattr() or hasattr(). A missing name is no mistake here."""
        assert isinstance(node.func, ast.Name)
        owners, names, *default = [self._value(argument, env) for argument in node.args]
        if node.func.id == 'getattr' and not default and all(
                isinstance(n, Constant) for n in names):
            return frozenset().union(*(self._attribute(owner, name.value, node)
                                       for owner in owners for name in names))
        found: Values = frozenset()
        for owner in owners:
            for name in names:
                found |= self._attribute_or(owner, name, default, node)
        if node.func.id == 'getattr':
            return found
        answers = {None if isinstance(value, Unknown) else value != Constant(None)
                   for value in found}
        return one(Constant(*answers)) if len(answers) == 1 and None not in answers else UNKNOWN

    def _attribute_or(self, owner: Any, name: Any, default: list[Values],
                      node: ast.AST) -> Values:
        if not isinstance(owner, Library | Class | Object):
            return UNKNOWN
        if not isinstance(name, Constant):      # a name from a user can be any member of an enum
            return one(Object(owner.name)) if isinstance(owner, Class) else UNKNOWN
        problems = set(self.findings.problems)
        found = self._attribute(owner, name.value, node)
        if self.findings.problems == problems:
            return found
        self.findings.problems = problems
        return default[0] if default else NONE

    def _of_compare(self, node: ast.Compare, env: dict[str, Values]) -> Values:
        left, *others = [self._value(part, env) for part in (node.left, *node.comparators)]
        if len(others) != 1:
            return UNKNOWN
        (right,), operation = others, node.ops[0]
        if isinstance(operation, ast.Is | ast.IsNot) and right == NONE:
            answers = {None if isinstance(value, Unknown | Object)
                       or (isinstance(value, Ours) and value.kind == 'object')
                       else value == Constant(None) for value in left}
        elif isinstance(operation, ast.Eq | ast.NotEq) and len(left) == len(right) == 1:
            (a,), (b,) = left, right
            answers = {a.value == b.value if isinstance(a, Constant) and isinstance(b, Constant)
                       else None}
        else:
            answers = {None}
        if len(answers) != 1 or None in answers:
            return UNKNOWN
        (answer,) = answers
        return one(Constant(bool(answer) is isinstance(operation, ast.Is | ast.Eq)))

    def _of_boolop(self, node: ast.BoolOp, env: dict[str, Values]) -> Values:
        found: Values = frozenset()
        stops_at = isinstance(node.op, ast.Or)
        for part in node.values:
            values = self._value(part, env)
            answer = truth_of(values)
            if answer is stops_at:
                return found | values if found else values
            found = found | values if answer is None else found
        return found or values

    def _of_unaryop(self, node: ast.UnaryOp, env: dict[str, Values]) -> Values:
        answer = truth_of(self._value(node.operand, env))
        return one(Constant(not answer)) if isinstance(node.op, ast.Not) and answer is not None \
            else UNKNOWN

    def _of_ifexp(self, node: ast.IfExp, env: dict[str, Values]) -> Values:
        answer = truth_of(self._value(node.test, env))
        return frozenset().union(*(self._value(part, env) for choice, part in (
            (True, node.body), (False, node.orelse)) if answer is None or answer is choice))

    def _of_subscript(self, node: ast.Subscript, env: dict[str, Values]) -> Values:
        values, index = self._value(node.value, env), self._value(node.slice, env)
        number = next(iter(index)) if len(index) == 1 else None
        return item_of(values, number.value if isinstance(number, Constant) else None)

    def _of_tuple(self, node: ast.Tuple, env: dict[str, Values]) -> Values:
        if any(isinstance(part, ast.Starred) for part in node.elts):
            return self._of_list(node, env)
        return one(Row(tuple(self._value(part, env) for part in node.elts)))

    def _of_list(self, node: ast.List | ast.Tuple | ast.Set, env: dict[str, Values]) -> Values:
        return one(Items(frozenset().union(*(self._value(part, env) for part in node.elts))))

    _of_set = _of_list

    def _of_dict(self, node: ast.Dict, env: dict[str, Values]) -> Values:
        for key in node.keys:
            if key is not None:
                self._value(key, env)
        return one(Items(frozenset().union(*(self._value(part, env) for part in node.values))))

    def _of_starred(self, node: ast.Starred, env: dict[str, Values]) -> Values:
        return item_of(self._value(node.value, env))

    def _of_listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp,
                     env: dict[str, Values]) -> Values:
        return one(Items(self._value(node.elt, self._inside(node.generators, env))))

    _of_setcomp = _of_generatorexp = _of_listcomp

    def _of_dictcomp(self, node: ast.DictComp, env: dict[str, Values]) -> Values:
        inner = self._inside(node.generators, env)
        self._value(node.key, inner)
        return one(Items(self._value(node.value, inner)))

    def _inside(self, generators: Iterable[ast.comprehension],
                env: dict[str, Values]) -> dict[str, Values]:
        inner = dict(env)
        for generator in generators:
            self._assign(generator.target, item_of(self._value(generator.iter, inner)), inner)
            for condition in generator.ifs:
                self._value(condition, inner)
        return inner

    def _of_lambda(self, node: ast.Lambda, env: dict[str, Values]) -> Values:
        arguments = {argument.arg: UNKNOWN for argument in node.args.args}
        self._value(node.body, {**env, **arguments})
        return UNKNOWN

    # --- calls ---------------------------------------------------------------------------------

    def _result(self, function: Any, call: Call, node: ast.Call) -> Values:
        if isinstance(function, Class):
            self.findings.uses.add(f'{function.name}.__init__')
            self._check_call(function.name, '__init__', True, call, node)
            return one(Object(function.name))
        if isinstance(function, Function):
            return self._check_call(function.owner, function.name, function.is_bound, call, node)
        if isinstance(function, Ours) and function.kind in ('class', 'function'):
            return self._call_ours(function, call, node)
        if isinstance(function, Constant) and callable(function.value):
            try:
                return one(Constant(function.value(*(v.value for (v,) in call.arguments))))
            except Exception:
                return UNKNOWN
        return UNKNOWN if not isinstance(function, Constant) else frozenset()

    def _check_call(self, owner: str, name: str, is_bound: bool, call: Call,
                    node: ast.Call) -> Values:
        """Compare a call with all signatures of a function; return what it can return."""
        full = f'{owner}.{name}' if owner else name
        overloads = (self.classes[owner]['members'][name]['signatures'] if owner
                     else self.listing['functions'][name])
        fitting = [s for s in overloads if self._fits(s, is_bound and bool(owner), call, full)]
        if not fitting:
            shown = ' or '.join(map(show_signature, overloads)) or 'no signature'
            self._problem(node, f'{full} takes {shown}, and not {call}')
            return UNKNOWN
        returned = frozenset().union(*(self._typed(s['returns']) for s in fitting))
        if returned == NONE and name != '__init__' and node not in self._statements:
            self._problem(node, f'{full} returns nothing, but its result is used')
        return returned

    def _fits(self, signature: Mapping[str, Any], skips_self: bool, call: Call,
              full: str) -> bool:
        parameters = list(signature['parameters'])
        if skips_self and parameters and parameters[0]['name'] == 'self':
            del parameters[0]
        positional, given = list(call.arguments), {}
        if call.is_open and positional:     # a starred argument fills the rest
            wanted = sum('default' not in p and p['name'] not in call.keywords
                         for p in parameters)
            positional += [positional[-1]] * (wanted - len(positional))
        if len(positional) > len(parameters):
            return False
        for parameter, values in zip(parameters, positional):
            given[parameter['name']] = values
        for keyword, values in call.keywords.items():
            if keyword != '**' and (keyword in given
                                    or keyword not in [p['name'] for p in parameters]):
                return False
            given[keyword] = values
        missing = [p for p in parameters if p['name'] not in given]
        if any('default' not in p for p in missing) and '**' not in call.keywords:
            return False
        if not all(self._accepts(p['type'], given[p['name']], p.get('default'))
                   for p in parameters if p['name'] in given):
            return False
        self.findings.left_out |= {(full, p['name']) for p in missing}
        return True

    def _accepts(self, wanted: str, values: Values, default: str | None = None) -> bool:
        """Whether TensorRT takes one of these values. None may be left from another branch."""
        return not values or any(self._accepts_one(wanted, value, default) for value in values)

    def _accepts_one(self, wanted: str, value: Any, default: str | None) -> bool:
        wanted, _, rest = wanted.partition(' | None')
        if isinstance(value, Unknown) or wanted == 'object':
            return True
        if value == Constant(None):
            return default == 'None' or bool(rest)
        if isinstance(value, Ours):
            base = self._base(value.path, value.name) if value.kind == 'object' else None
            value = Object(base) if base else value
        if isinstance(value, Constant):
            value = Object(type(value.value).__name__)
        if isinstance(value, Items | Row):
            return wanted.startswith(('list', 'tuple')) or wanted == 'Dims'
        if not isinstance(value, Object):
            return False
        return (wanted == value.type or wanted in self.classes.get(value.type, {}).get('bases', ())
                or (wanted, value.type) in {
                    ('float', 'int'), ('int', 'bool'), ('buffer', 'bytes'), ('Dims', 'tuple'),
                    ('buffer', 'IHostMemory'), ('buffer', 'memoryview')}
                or (wanted == 'capsule' and value.type in self.classes))

    def _call_ours(self, function: Ours, call: Call, where: ast.AST) -> Values:
        name, is_bound = function.name, function.is_bound
        if function.kind == 'class':
            name, is_bound = f'{function.name}.__init__', True
        if function.path not in self._trees:
            # A file is of interest only if it gets objects of TensorRT.
            if any(is_from_tensorrt(v) for values in call.all() for v in values):
                self._wanted.add(function.path)
            return self._unloaded(function)
        node = self._definitions.get((function.path, name))
        if isinstance(node, ast.FunctionDef):
            positional = [*node.args.posonlyargs, *node.args.args][is_bound:]
            named = {a.arg: a for a in (*positional, *node.args.kwonlyargs)}
            for parameter, values in [*zip(named, call.arguments), *call.keywords.items()]:
                self._learn(values, 'parameter', function.path, name, parameter)
                if parameter in named:
                    self._check_ours(named[parameter], name, values, where)
        elif function.kind == 'class':      # a dataclass
            owner = self._definitions.get((function.path, function.name))
            fields = [item.target.id for item in getattr(owner, 'body', ())
                      if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
            for parameter, values in [*zip(fields, call.arguments), *call.keywords.items()]:
                self._learn(values, 'attribute', function.path, function.name, parameter)
        if function.kind == 'class':
            return one(Ours('object', function.path, function.name))
        if made := self._made(node, call):
            return made
        returned = self._known('return', function.path, name) - UNKNOWN
        declared = self._annotation(node.returns) if isinstance(node, ast.FunctionDef) else UNKNOWN
        return returned or declared

    def _made(self, node: ast.AST | None, call: Call) -> Values:
        """Return the result of ``f(make: Callable[..., T]) -> T``, which makes an object."""
        if not isinstance(node, ast.FunctionDef) or not isinstance(node.returns, ast.Name):
            return frozenset()
        return frozenset(
            Object(value.name) for parameter, values in zip(node.args.args, call.arguments)
            if re.fullmatch(rf'Callable\[.*, {node.returns.id}\]', ast.unparse(
                parameter.annotation or ast.Constant(None)))
            for value in values if isinstance(value, Class))

    def _check_ours(self, parameter: ast.arg, function: str, values: Values,
                    where: ast.AST) -> None:
        """An argument of ours that TensorRT returned must be of the annotated type."""
        declared = self._annotation(parameter.annotation)
        types = [value.type for value in declared if isinstance(value, Object)]
        if types and len(types) == len(declared - NONE) and not values <= declared and not any(
                self._accepts(wanted, values) for wanted in types):
            self._problem(where, f'{function} takes {" or ".join(types)} as '
                          f'{parameter.arg}, and not {names_of(values)}')

    def _unloaded(self, function: Ours) -> Values:
        return one(Ours('object', function.path, function.name)) \
            if function.kind == 'class' else UNKNOWN

    # --- types ---------------------------------------------------------------------------------

    def _typed(self, text: str) -> Values:
        """Return a value of a type as the bindings write it."""
        text = text.removesuffix(' | None')
        if text == 'None':
            return NONE
        if text in self.classes or (text in SCALARS and text != 'object'):
            return one(Object(text))
        if found := re.fullmatch(r'(?:list|Iterable)\[(.*)\]', text):
            return one(Items(self._typed(found[1])))
        return UNKNOWN

    def _annotation(self, node: ast.expr | None) -> Values:
        """Return a value of an annotated type. Annotations are not evaluated when code runs."""
        problems = set(self.findings.problems)
        found = self._declared(node) if node is not None else UNKNOWN
        self.findings.problems = problems
        return found or UNKNOWN

    def _declared(self, node: ast.expr) -> Values:
        if isinstance(node, ast.BinOp):
            return self._declared(node.left) | self._declared(node.right)
        if isinstance(node, ast.Constant):
            return NONE if node.value is None else self._declared(
                ast.parse(node.value, mode='eval').body) if isinstance(node.value, str) \
                else UNKNOWN
        if isinstance(node, ast.Subscript):
            name = getattr(node.value, 'id', getattr(node.value, 'attr', ''))
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if name in ('Callable', 'Literal'):
                return UNKNOWN
            return one(Items(self._declared(parts[-1])))
        if isinstance(node, ast.Name) and node.id in SCALARS:
            return one(Object(node.id)) if node.id != 'object' else UNKNOWN
        found = self._value(node, {})
        return frozenset(Object(v.name) if isinstance(v, Class)
                         else Ours('object', v.path, v.name) if isinstance(v, Ours)
                         and v.kind == 'class' and not self._is_protocol(v) else Unknown()
                         for v in found)

    def _is_protocol(self, cls: Ours) -> bool:
        """Whether objects of other classes can be meant, as for a class with base Protocol."""
        return bool(re.search(rf'^class {cls.name}\((.*, )?Protocol\b', self._texts[cls.path],
                              re.MULTILINE))

    # --- results -------------------------------------------------------------------------------

    def _problem(self, node: ast.AST, text: str) -> None:
        line = getattr(node, 'lineno', 0)
        self.findings.problems.add(f'{self._path}:{line}: {text}')

    def _only_tensorrt(self) -> set[str]:
        """Return the attributes of unknown values whose name only TensorRT has."""
        names = {name for cls in self.classes.values() for name in cls['members']
                 if '_' in name.strip('_') and not name.startswith('_')}
        ours = {inside.name for tree in self._trees.values() for inside in ast.walk(tree)
                if isinstance(inside, ast.FunctionDef | ast.ClassDef)}
        return {text for text in self.findings.lost if text.partition(' ')[0] in names - ours}


def is_decorated(node: ast.FunctionDef, name: str) -> bool:
    return any(name == getattr(d, 'id', getattr(d, 'attr', '')) for d in node.decorator_list)
