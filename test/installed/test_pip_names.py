# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Every package that a message or a page tells the user to install exists on PyPI."""

from __future__ import annotations

import ast
from pathlib import Path
import re
import shlex
import sys

import pytest

from trt_segmentation.commands.doctor.libraries import CUDA
from trt_segmentation.installed.pip_names import (
    advise_install,
    GPU_SETS,
    IN_ROS_WHEELS,
    LABEL_SET,
    pip_install,
    PIP_NAMES,
    ROS_WHEELS,
)

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'trt_segmentation'

ON_PYPI = {
    'Pillow', 'PyYAML', 'av', 'codespell', 'coverage', 'cyclonedx-bom', 'cuda-bindings',
    'cuda-core', 'filelock', 'fsspec', 'furo',
    'hypothesis', 'lz4', 'matplotlib', 'mypy', 'myst-nb', 'myst-parser', 'numpy',
    'nvidia-cuda-nvrtc', 'nvtx', 'onnx', 'onnxruntime', 'onnxruntime-gpu', 'onnxscript',
    'onnxslim', 'opencv-python-headless', 'plotly', 'pyarrow', 'pycocotools', 'pytest',
    'pytest-timeout', 'pytest-xdist', 'ray',
    'rerun-sdk', 'rich', 'ros-jazzy-diagnostic-msgs',
    'ros-jazzy-lifecycle-msgs', 'ros-jazzy-nav-msgs', 'ros-jazzy-rclpy',
    'ros-jazzy-rosgraph-msgs', 'ros-jazzy-sensor-msgs', 'rosbags', 'rosbags-image', 'ruff',
    's3fs', 'setuptools', 'simplejpeg', 'sphinx',
    'sphinx-copybutton', 'tensorrt-cu13', 'tensorrt-rtx-cu13', 'tensorrt-stubs', 'torch',
    'torchvision', 'types-PyYAML', 'uv', 'zlib-ng'}
"""Looked up by hand, because anybody could register a name that nobody has registered yet. PyPI
has neither this package nor message packages under their ROS names (diagnostic_msgs)."""

ROS_INSTALL_ONLY = {'ament_index_python', 'cv_bridge', 'launch', 'launch_ros', 'tf2_ros',
                    'vision_msgs'}
"""The package imports these modules only if a ROS install has them."""

PAGES = [ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'RELEASING.md', 'SECURITY.md',
                                  'dev', 'package.xml')] + sorted(ROOT.glob('docs/**/*.md'))
CODE = sorted([*PACKAGE.rglob('*.py'), *ROOT.glob('launch/*.py'), *ROOT.glob('docs/**/*.py'),
               *ROOT.glob('benchmarks/**/*.py'), *ROOT.glob('training/*.py'),
               *ROOT.glob('test/**/*.py')])


GPU_EXTRAS = {'cuda12': 'gpu-cuda12', 'cuda13': 'gpu', 'tensorrt-rtx': 'tensorrt-rtx'}
"""For each set in GPU_SETS, the extra in setup.py."""


def requirements(path: Path) -> list[str]:
    """Return the lines of a requirements file that name a distribution."""
    return [line for line in path.read_text(encoding='utf-8').splitlines()
            if line and not line.startswith(('#', '-r '))]


def base(requirement: str) -> str:
    """Return the distribution of a requirement, without extras, versions and markers."""
    return re.split(r'[\[<>=!~; ]', requirement)[0]


def installed_by(text: str) -> list[str]:
    """Return the packages that each ``pip install`` in a text names, without paths and options."""
    found = []
    for match in re.finditer(r'pip install ([^\n`)#]*)', text):
        for word in re.findall(r"'[^']+'|\S+", match[1]):
            name = word.rstrip(',.;:\\').strip("'")
            if name and not name.startswith(('-', '.')) and '.txt' not in name \
                    and not re.search(r'^trt_segmentation\[[\w,]+\] @ git\+https://|\.lock$',
                                      name):
                found.append(name)
            if word[-1] in ',.;:':
                break  # the command ends here, and the sentence continues
    return found


def texts(path: Path) -> list[str]:
    """Return every string in a Python file, and each constant part of an f-string."""
    return [node.value for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.mark.parametrize('path', PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_name_packages_that_pip_has(path: Path) -> None:
    assert not [name for name in installed_by(path.read_text(encoding='utf-8'))
                if base(name) not in ON_PYPI]


def test_messages_name_packages_that_pip_has() -> None:
    seen = 0
    for path in CODE:
        # these files contain patterns of names
        if path in (Path(__file__), ROOT / 'test' / 'test_locks.py'):
            continue
        for text in texts(path):
            wrong = [name for name in installed_by(text) if base(name) not in ON_PYPI]
            assert not wrong, f'{path.relative_to(ROOT)}: pip install {wrong}'
            seen += len(installed_by(text))
            # a name that the code inserts at run time cannot be checked here
            assert not text.endswith('pip install ') or PACKAGE not in path.parents \
                or path.name == 'pip_names.py', f'{path.relative_to(ROOT)}: use pip_install()'
    assert seen > 10


def test_tables_name_packages_that_pip_has() -> None:
    names = [*PIP_NAMES.values(), *ROS_WHEELS, *CUDA.values(), *sum(GPU_SETS.values(), ())]
    assert {base(name) for name in names} <= ON_PYPI


def test_requirements_and_extras_name_packages_that_pip_has() -> None:
    tree = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))
    given = {node.arg: node.value for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    extras = ast.literal_eval(given['extras_require'])
    listed = [*ast.literal_eval(given['install_requires']),
              *(name for names in extras.values() for name in names)]
    for path in (ROOT / 'requirements.in', *ROOT.glob('requirements/*.in')):
        listed += requirements(path)
    known = {name.lower() for name in ON_PYPI}
    assert len(listed) > 60 and not [name for name in listed if base(name).lower() not in known]
    assert set(extras['ros']) == set(ROS_WHEELS)
    assert set(extras['label']) == set(LABEL_SET)
    for name, extra in GPU_EXTRAS.items():
        assert set(extras[extra]) == set(GPU_SETS[name])
        assert set(requirements(ROOT / 'requirements' / f'{name}.in')) == set(GPU_SETS[name])
    assert set(GPU_EXTRAS) == set(GPU_SETS)


def test_every_import_has_advice() -> None:
    imported = set()
    for path in PACKAGE.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or '').partition('.')[0])
    ours = imported - sys.stdlib_module_names - ROS_INSTALL_ONLY - {'trt_segmentation'}
    assert ours <= set(PIP_NAMES) | IN_ROS_WHEELS


@pytest.mark.parametrize(('module', 'text'), [
    ('cv2', 'install it with: PYTHON -m pip install opencv-python-headless'),
    ('rosbags.rosbag2', "install it with: PYTHON -m pip install 'rosbags>=0.11,<0.12'"),
    ('cuda.core', "install it with: PYTHON -m pip install 'cuda-core[cu13]'"),
    ('pyarrow.parquet', "install the extra `label` with: PYTHON -m pip install 'fsspec>=2026.1' "
     "matplotlib 'pyarrow>=20' 'pycocotools>=2.0.8' rich 'rosbags>=0.11,<0.12'"),
    ('diagnostic_msgs', "source the setup.bash of a ROS 2 installation, or PYTHON -m pip install "
     "'ros-jazzy-rclpy[fastrtps]' ros-jazzy-sensor-msgs ros-jazzy-diagnostic-msgs "
     'ros-jazzy-lifecycle-msgs ros-jazzy-nav-msgs'),
    ('nobody_knows', 'reinstall the package that contains nobody_knows, or ask the '
                     'maintainers of trt_segmentation')])
def test_advice(module: str, text: str) -> None:
    assert advise_install(module) == text.replace('PYTHON', shlex.quote(sys.executable))


@pytest.mark.parametrize(('python', 'start'), [
    ('/a/.venv/bin/python', '/a/.venv/bin/python'), ('/my robot/bin/python3',
                                                     "'/my robot/bin/python3'"), ('', 'python3')])
def test_the_command_names_this_python_and_quotes_each_word(
        monkeypatch: pytest.MonkeyPatch, python: str, start: str) -> None:
    monkeypatch.setattr(sys, 'executable', python)
    assert pip_install('cuda-core[cu13]', 'cuda-bindings') == (
        f"{start} -m pip install 'cuda-core[cu13]' cuda-bindings")
