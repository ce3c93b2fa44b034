# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""./dev runs commands in the caller's folder. These tests install nothing."""

from __future__ import annotations

from pathlib import Path
import shutil
import subprocess

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment has fake programs that print their arguments and folder."""
    folder = tmp_path / 'check out'
    programs = folder / '.venv' / 'bin'
    programs.mkdir(parents=True)
    for name in ('dev', 'requirements.lock', 'setup.py'):
        shutil.copy(ROOT / name, folder)
    (folder / '.venv' / 'installed').write_bytes(
        (folder / 'requirements.lock').read_bytes() + (folder / 'setup.py').read_bytes())
    for name in ('trt_seg', 'python', 'ruff', 'mypy', 'codespell'):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" in "$PWD"\n')
        (programs / name).chmod(0o755)
    (folder / 'benchmarks').mkdir()
    return folder


def dev(checkout: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([checkout / 'dev', *arguments], cwd=cwd, text=True, check=False,
                          capture_output=True, timeout=30)


@pytest.mark.parametrize(('arguments', 'line'), [
    (('run', 'trt_seg', 'inspect', 'my model.onnx'), 'trt_seg inspect my model.onnx'),
    (('demo', '--out', 'here'), 'trt_seg demo --out here'),
    (('bench', 'accuracy', '--json', 'a.json'),
     'python {root}/benchmarks/accuracy.py --json a.json')])
def test_paths_are_those_of_the_caller(checkout: Path, tmp_path: Path, arguments: tuple[str, ...],
                                       line: str) -> None:
    caller = tmp_path / 'my work'
    caller.mkdir()
    done = dev(checkout, *arguments, cwd=caller)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == f'{line.format(root=checkout)} in {caller}\n'


def test_tests_run_in_the_checkout(checkout: Path, tmp_path: Path) -> None:
    done = dev(checkout, 'test', 'test/test_dev.py', cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.splitlines()[-1] == f'python -m pytest test/test_dev.py in {checkout}'


def test_run_without_a_command_says_what_is_missing(checkout: Path) -> None:
    done = dev(checkout, 'run', cwd=checkout)
    assert done.returncode == 1 and 'which command?' in done.stderr
