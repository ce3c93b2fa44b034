# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The rules for every file: floors, sizes, names, headers and docstrings.

docs/architecture.md explains the rooms and their floors.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'trt_segmentation'
FILES = sorted(PACKAGE.rglob('*.py'))
OURS = [*FILES, *(path for folder in ('launch', 'benchmarks', 'training', 'test')
                  for path in sorted((ROOT / folder).rglob('*.py'))), ROOT / 'setup.py']

FLOORS = (
    ('the root', 'installed'), ('untrusted', 'street', 'threads', 'lens', 'tracing'),
    ('model', 'video'), ('engines', 'ground', 'trust'), ('host', 'fp16'),
    ('gpu/kernels', 'fusion', 'int8'), ('gpu', 'builder', 'bags'), ('tuning',),
    ('pipeline', 'sources'), ('serving', 'accuracy'), ('view', 'exchange'), ('segmented_image',),
    ('segmenter',), ('fleet',), ('fleet/jobs',), ('picking',),
    ('ros/process', 'ros/transport'), ('ros/parameters', 'ros/optics', 'ros/missing'), ('ros',),
    ('commands/arguments',), ('commands/fleet',),
    ('commands/demo', 'commands/bench', 'commands/label', 'commands/segment'),
    ('commands/doctor',), ('commands/issue_report',), ('commands',),
    ('start', 'the names'),
)
"""Rooms, the lowest floor first. A room imports only itself and the rooms on lower floors."""
SHARED = {'frame', 'stats', 'memory', 'errors', 'viewport'}
"""Files of the package root on the lowest floor, which every room may import."""
OTHER_ROOT_FILES = {'pipeline': 'pipeline', 'segmented_image': 'segmented_image',
                    'segmenter': 'segmenter', '__main__': 'start', '__init__': 'the names'}

ONLY_IN = {
    'rclpy': ['ros'], 'ray': ['fleet/ray_workers.py'], 'cuda': ['gpu', 'engines'],
    'tensorrt': ['engines/tensorrt.py', 'builder/build.py'],
    'tensorrt_rtx': ['engines/tensorrt.py', 'builder/build.py'],
}
FORBIDDEN = {'utils', 'common', 'helpers', 'core', 'util', 'helper', 'misc'}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_FOLDER_FILES = 300, 40, 15
SHORT = [path for path in OURS if ROOT / 'test' not in path.parents]
"""Files with a limit of lines. Tests have no limit, because a table of cases may be long."""
OTHER_TESTS = {'ros/test_transitions.py', 'ros/test_nav2.py', 'ros/test_security_policy.py',
               'engines/test_simulated_tensorrt.py'}
"""Tests without the name of a file of their room. They test several files, files in config/, or a
helper in test/."""


def room_of(path: Path) -> str:
    folder = path.relative_to(PACKAGE).parent.as_posix()
    if folder != '.':
        return folder
    return 'the root' if path.stem in SHARED else OTHER_ROOT_FILES[path.stem]


def file_of(parts: list[str]) -> Path | None:
    """Return the file of a module of the package, or None if there is none."""
    path = PACKAGE.joinpath(*parts)
    module, package = path.with_suffix('.py'), path / '__init__.py'
    return module if parts and module.is_file() else package if package.is_file() else None


def imported(path: Path) -> Iterator[tuple[str, Path | None]]:
    """Yield the imports of a file: (library, None), or ('', file) for a file of the package."""
    here = list(path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition('.')[0], None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or '').partition('.')[0], None
        elif isinstance(node, ast.ImportFrom):
            base = here[:len(here) - node.level + 1] + (node.module or '').split('.')
            base = [part for part in base if part]
            for alias in node.names:
                yield '', file_of([*base, alias.name]) or file_of(base)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize('path', FILES, ids=name_of)
def test_a_room_imports_only_rooms_on_lower_floors(path):
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    own = room_of(path)
    assert own in floor, f'{own} has no floor; add it to FLOORS and to docs/architecture.md'
    for library, file in imported(path):
        if library:
            default = ['ros'] if library.endswith('_msgs') else ['']
            places = ONLY_IN.get(library, default)
            inside = path.relative_to(PACKAGE).as_posix()
            assert any(inside.startswith(place) for place in places), f'imports {library}'
        else:
            assert file is not None, 'imports a module that does not exist'
            room = room_of(file)
            assert room == own or floor[room] < floor[own], f'{own} imports {room}: {file}'


@pytest.mark.parametrize('path', SHORT, ids=name_of)
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding='utf-8')
    assert text.count('\n') <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f'{node.name} has {length} lines'


def test_folders_are_small():
    files = Counter(path.parent for path in FILES if path.name != '__init__.py')
    assert not {str(folder): count for folder, count in files.items() if count > MAX_FOLDER_FILES}


def test_a_class_name_exists_once():
    """Preprocess and Postprocess exist for the GPU and for the host. Tests compare them."""
    names = Counter(node.name for path in FILES
                    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
                    if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1} == {'Preprocess', 'Postprocess'}


def test_every_error_is_in_errors_py():
    """If all errors are in errors.py, `except SegmentationError` catches all of them."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ClassDef) and path != PACKAGE / 'errors.py':
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                assert not [b for b in bases if b.endswith(('Error', 'Exception'))], node.name


@pytest.mark.parametrize('path', OURS, ids=name_of)
def test_a_file_begins_with_two_lines_about_its_licence(path):
    head = path.read_text(encoding='utf-8').splitlines()[:2]
    assert head == ['# SPDX-FileCopyrightText: 2026 The trt_segmentation authors',
                    '# SPDX-License-Identifier: Apache-2.0']


@pytest.mark.parametrize('path', FILES, ids=name_of)
def test_public_names_have_docstrings(path):
    """A method may leave its docstring to a base class."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    if tree.body:
        assert ast.get_docstring(tree), 'no docstring'
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith('_'):
            nested = any(node in ast.walk(outer) for outer in ast.walk(tree)
                         if isinstance(outer, ast.FunctionDef) and outer is not node)
            private = any(node in outer.body for outer in ast.walk(tree)
                          if isinstance(outer, ast.ClassDef) and outer.name.startswith('_'))
            overload = any('overload' in ast.dump(d) for d in node.decorator_list)
            inherited = any(node in outer.body for outer in ast.walk(tree)
                            if isinstance(outer, ast.ClassDef)
                            and node.name in find_documented_methods(outer))
            assert ast.get_docstring(node) or nested or private or overload or inherited, \
                f'line {node.lineno}: {node.name}'


@cache
def read_classes():
    return {node.name: node for path in FILES for node in ast.walk(
        ast.parse(path.read_text(encoding='utf-8'))) if isinstance(node, ast.ClassDef)}


def find_documented_methods(node):
    """Return the names of the methods that the base classes of a class document."""
    bases = [read_classes()[base.id] for base in node.bases
             if isinstance(base, ast.Name) and base.id in read_classes()]
    return {method.name for base in bases for method in base.body
            if isinstance(method, ast.FunctionDef) and ast.get_docstring(method)}


def test_no_file_has_a_forbidden_name():
    assert not [path for path in OURS if path.stem in FORBIDDEN]


def test_tests_mirror_the_package():
    """A test is in the folder of its room. It has the name of a file or of the room."""
    rooms = {room_of(path) for path in FILES}
    for path in (ROOT / 'test').rglob('test_*.py'):
        inside = path.relative_to(ROOT / 'test')
        room, name = inside.parent.as_posix(), path.stem.removeprefix('test_')
        if room in ('.', 'faults') or inside.as_posix() in OTHER_TESTS:
            continue
        assert room in rooms, f'{inside}: there is no room {room}'
        files = {file.stem for file in (PACKAGE / room).glob('*.py')} | {inside.parent.name}
        assert any(f'{name}_'.startswith(f'{file}_') for file in files), \
            f'{inside} has not the name of a file in {room}'


@pytest.mark.parametrize('path', OURS, ids=name_of)
def test_imports_of_the_package_exist(path):
    """No linter reads the programs in strings of tests, so this test reads them too."""
    lines = re.findall(r'^\s*from trt_segmentation\.?([\w.]*) import ([\w, ]+?)(?: as \w+)?$',
                       path.read_text(encoding='utf-8'), re.M)
    for module, names in lines:
        parts = [part for part in module.split('.') if part]
        file = file_of(parts)
        assert file, f'there is no trt_segmentation.{module}'
        for name in (name.partition(' as ')[0] for name in names.split(', ')):
            assert file_of([*parts, name]) or re.search(rf'\b{name}\b', file.read_text('utf-8')), \
                f'there is no {name} in trt_segmentation.{module}'


def test_there_is_no_stray_white_space():
    for path in OURS:
        assert not re.search(r'[ \t]+$|\r|\t', path.read_text(encoding='utf-8'), re.M), path


def test_the_package_imports_without_ros_or_gpu():
    code = ('import sys\n'
            'for name in ("rclpy", "cuda", "tensorrt", "tensorrt_rtx", "rosbags"):\n'
            '    sys.modules[name] = None\n'
            'from trt_segmentation.pipeline import open_pipeline\n'
            'from trt_segmentation.model.card import load_card\n'
            'print(open_pipeline(load_card("street")).identity.engine)')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == 'onnxruntime-cpu', done.stderr
