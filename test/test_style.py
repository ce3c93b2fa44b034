# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""What the design says of every file: who may import whom, headers, docstrings, names."""

import ast
from collections.abc import Iterator
from pathlib import Path
import sys

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / 'trt_segmentation'
FILES = sorted(PACKAGE.rglob('*.py'))
OURS = [*FILES, *(path for folder in ('launch', 'benchmarks', 'training', 'test')
                  for path in sorted((ROOT / folder).rglob('*.py'))), ROOT / 'setup.py']
KNOW_NOBODY = {'frame', 'stats', 'geometry', 'memory', 'share', 'model_card', 'plain_yaml',
                'printable', 'regular_file', 'git_lfs', 'outputs'}
MATERIAL = {'frame', 'stats', 'geometry', 'memory', 'share', 'model_card', 'signature',
            'printable', 'regular_file', 'git_lfs', 'outputs'}
MAY_IMPORT = {
    'host': MATERIAL | {'host', 'engines'},
    'engines': MATERIAL | {'engines'},
    # the host decodes encodings that the kernels do not read, and checks what can be asked for
    'gpu': MATERIAL | {'gpu', 'engines', 'host'},
    'builder': MATERIAL | {'builder', 'engines', 'host', 'metrics', 'street'},
    'signature': MATERIAL | {'engines'}, 'street': {'street'},
}
ONLY_IN = {
    'rclpy': ['ros'], 'cuda': ['gpu', 'engines'],
    'tensorrt': ['engines/tensorrt.py', 'builder/build.py'],
    'tensorrt_rtx': ['engines/tensorrt.py', 'builder/build.py'],
}
FORBIDDEN = {'utils', 'common', 'helpers', 'core', 'util', 'helper', 'misc'}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(top-level library, '') of foreign imports, ('', first part in the package) of ours."""
    here = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition('.')[0], '') for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or '').partition('.')[0], ''
        elif isinstance(node, ast.ImportFrom):
            base = here[:len(here) - node.level + 1]
            full = [*base, *(node.module or '').split('.')] if node.module else list(base)
            names = [full] if node.module else [[*full, alias.name] for alias in node.names]
            for parts in names:
                yield '', next(part for part in parts if part)


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix('.py')
    for library, ours in imports(path):
        if ours and own in MAY_IMPORT:
            # openers and allocation reach the GPU lazily from the engine that needs it
            lazy = path.name == 'tensorrt.py' and ours == 'gpu'
            assert ours in MAY_IMPORT[own] or lazy, f'{path} imports {ours}'
        if ours and own in KNOW_NOBODY:
            assert ours in KNOW_NOBODY, f'{path} imports {ours}'
        where = str(path.relative_to(PACKAGE))
        only = ONLY_IN.get(library, ['ros'] if library.endswith('_msgs') else [''])
        assert any(where.startswith(place) for place in only), f'{path} imports {library}'


def test_the_pipelines_do_not_import_the_builder():
    assert all(ours != 'builder' for path in (PACKAGE / 'gpu').rglob('*.py')
               for _, ours in imports(path))


@pytest.mark.parametrize('path', OURS, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_has_the_licence_header(path):
    head = path.read_text(encoding='utf-8').splitlines()[:3]
    assert head[0] == '# Copyright 2026 The trt_segmentation authors', path
    assert head[2].startswith('# Licensed under the Apache License, Version 2.0'), path


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_public_names_have_docstrings(path):
    tree = ast.parse(path.read_text(encoding='utf-8'))
    if tree.body:
        assert ast.get_docstring(tree), f'{path} has no docstring'
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith('_'):
            nested = any(node in ast.walk(outer) for outer in ast.walk(tree)
                         if isinstance(outer, ast.FunctionDef) and outer is not node)
            private = any(node in outer.body for outer in ast.walk(tree)
                          if isinstance(outer, ast.ClassDef) and outer.name.startswith('_'))
            overload = any('overload' in ast.dump(d) for d in node.decorator_list)
            assert ast.get_docstring(node) or nested or private or overload, \
                f'{path}:{node.lineno} {node.name}'


def test_no_file_is_named_after_nothing():
    assert not [path for path in OURS if path.stem in FORBIDDEN]


def test_the_package_imports_without_ros_or_gpu():
    import subprocess
    code = ('import sys\n'
            'for name in ("rclpy", "cuda", "tensorrt", "tensorrt_rtx", "rosbags"):\n'
            '    sys.modules[name] = None\n'
            'from trt_segmentation.pipeline import open_pipeline\n'
            'from trt_segmentation.model_card import load_card\n'
            'print(open_pipeline(load_card("street")).identity.engine)')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == 'onnxruntime-cpu', done.stderr
