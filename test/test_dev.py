# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""./dev runs commands in the folder of the caller. These tests install nothing."""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import subprocess
import time

import pytest

ROOT = Path(__file__).parents[1]


PYTHON = """#!/bin/bash
# A Python that installs nothing. It prints its arguments, or does what a test said.
here=$(dirname "$0")
case "$*" in
  *package_set) cat "$here/../../package_set" 2>/dev/null || true ;;
  '-m venv '*) mkdir -p "$3/bin" && cp "$here/python" "$3/bin" && touch "$3/pyvenv.cfg" ;;
  '-m pip '*)
    echo "$*" >>"$here/../../installed"
    while [[ -e $here/../../slow ]]; do sleep 0.1; done
    [[ ! -e $here/../../offline ]] || { echo no route to host; exit 1; }
    if [[ $* == *--editable* ]]; then
      printf '#!/bin/sh\\necho %s trt_seg "$@" in "$PWD"\\n' "$here" >"$here/trt_seg"
      chmod +x "$here/trt_seg"
    fi ;;
  '- '* | -c*) cat >/dev/null ;;
  --version) echo Python 3.11 ;;
  *) echo python "$@" in "$PWD" ;;
esac
"""


def add_python(folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / 'python'
    path.write_text(PYTHON)
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Make a checkout without an environment."""
    folder = tmp_path / 'check out'
    folder.mkdir()
    for name in ('dev', 'requirements.lock', 'setup.py'):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / 'requirements', folder / 'requirements')
    shutil.copytree(ROOT / '.ci', folder / '.ci')
    (folder / 'benchmarks').mkdir()
    return folder


@pytest.fixture
def checkout(bare: Path) -> Path:
    """Make a checkout with fake programs. They print their arguments and their folder."""
    programs = bare / '.venv' / 'bin'
    add_python(programs)
    for name in ('trt_seg', 'ruff', 'mypy', 'codespell'):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" in "$PWD"\n')
        (programs / name).chmod(0o755)
    (bare / '.venv' / 'stubs').mkdir()
    (bare / '.venv' / 'bindings').mkdir()
    (bare / '.venv' / 'bindings' / 'installed').write_text(''.join(
        path.read_text() for path in sorted((ROOT / '.ci' / 'tensorrt_bindings').iterdir())))
    (bare / '.venv' / 'pyvenv.cfg').touch()
    (bare / '.venv' / 'installed').write_bytes(
        (bare / 'requirements.lock').read_bytes() + (bare / 'setup.py').read_bytes())
    return bare


def installed(checkout: Path) -> list[str]:
    """Return the packages of each call of the fake pip, without the common options."""
    path = checkout / 'installed'
    return [line.partition('--disable-pip-version-check ')[2]
            for line in path.read_text().splitlines()] if path.exists() else []


def dev(checkout: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([checkout / 'dev', *arguments], cwd=cwd, text=True, check=False,
                          capture_output=True, timeout=100, env=environment(checkout))


def environment(checkout: Path) -> dict[str, str]:
    return {**os.environ, 'PYTHON': str(checkout.parent / 'base' / 'python')}


def start_dev(checkout: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([checkout / 'dev', *arguments], cwd=checkout, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(checkout))


@pytest.mark.parametrize(('arguments', 'line'), [
    (('run', 'trt_seg', 'inspect', 'my model.onnx'), 'trt_seg inspect my model.onnx'),
    (('demo', '--out', 'here'), 'trt_seg demo --out here'),
    (('bench', 'accuracy', '--json', 'a.json'),
     'python {root}/benchmarks/accuracy.py --json a.json')])
def test_paths_belong_to_the_callers_folder(
        checkout: Path, tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    caller = tmp_path / 'my work'
    caller.mkdir()
    done = dev(checkout, *arguments, cwd=caller)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == f'{line.format(root=checkout)} in {caller}\n'


def test_tests_run_in_the_checkout(checkout: Path, tmp_path: Path) -> None:
    done = dev(checkout, 'test', 'test/test_dev.py', cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.splitlines() == [f'{line} in {checkout}' for line in (
        'ruff check', 'codespell', 'python -m pytest test/test_dev.py', 'mypy', 'mypy training',
        'mypy --config-file test/mypy.ini test')]


@pytest.mark.parametrize(('program', 'said'), [
    ('ruff', ['ruff check']),
    ('python', ['ruff', 'codespell', 'python', 'mypy', 'mypy', 'mypy']),
    ('mypy', ['ruff', 'codespell', 'python', 'mypy'])])
def test_a_check_that_fails_fails_the_tests(
        checkout: Path, program: str, said: list[str]) -> None:
    """The tests and mypy run at the same time, so the failure of one does not stop the other."""
    path = checkout / '.venv' / 'bin' / program
    path.write_text(f'#!/bin/sh\necho {program} "$@"\nexit 3\n')
    done = dev(checkout, 'test', cwd=checkout)
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert len(lines) == len(said) and all(map(str.startswith, lines, said))


@pytest.mark.parametrize('command, said', [
    ('run', './dev: which command? For example: ./dev run trt_seg --help\n'),
    ('bench', './dev: which benchmark? ./dev help lists them\n')])
def test_a_missing_word_is_asked_for(checkout: Path, command: str, said: str) -> None:
    done = dev(checkout, command, cwd=checkout)
    assert (done.returncode, done.stdout, done.stderr) == (2, '', said)


@pytest.mark.parametrize('program', ['seg_nod', './tool'])
def test_a_program_that_does_not_exist_is_named(checkout: Path, program: str) -> None:
    done = dev(checkout, 'run', program, cwd=checkout)
    assert (done.returncode, done.stdout) == (127, '')
    assert done.stderr == (f"./dev: there is no program '{program}' in .venv/bin or on the PATH; "
                           'this package has seg_node, street_camera and trt_seg\n')


DEMO = ['--require-hashes -r requirements/demo.lock',
        '--no-deps --no-build-isolation --editable .']
REST = ['--require-hashes -r requirements.lock', *DEMO[1:],
        '--no-deps --require-hashes -r .ci/tensorrt_stubs.lock',
        *(f'--no-deps --target .venv/bindings/{version} --require-hashes -r '
          f'.ci/tensorrt_bindings/{version}.lock'
          for version in ('10.13', '10.3', '11.4', 'lean'))]
GPU = ['--no-deps --require-hashes -r requirements/cuda13.lock', *DEMO[1:]]


def test_the_demo_installs_a_part_and_the_tests_add_the_rest(bare: Path, tmp_path: Path) -> None:
    add_python(tmp_path / 'base')
    (bare / '.ci' / 'tensorrt_stubs').write_text('#!/bin/sh\nmkdir "$2"\n')
    first = dev(bare, 'demo', '--cpu', cwd=bare)
    assert first.returncode == 0, first.stderr
    assert first.stderr == ('./dev: setting up .venv with Python 3.11 from '
                            'requirements/demo.lock\n')
    assert installed(bare) == DEMO
    assert dev(bare, 'demo', cwd=bare).returncode == 0 and installed(bare) == DEMO
    assert dev(bare, 'run', 'true', cwd=bare).returncode == 0 and installed(bare) == DEMO + REST
    for command in (('demo',), ('demo', '--view'), ('run', 'true')):
        assert dev(bare, *command, cwd=bare).returncode == 0 and installed(bare) == DEMO + REST


def test_a_second_dev_waits_until_the_first_has_installed(bare: Path, tmp_path: Path) -> None:
    add_python(tmp_path / 'base')
    (bare / '.ci' / 'tensorrt_stubs').write_text('#!/bin/sh\nmkdir "$2"\n')
    (bare / 'slow').touch()
    first = start_dev(bare, 'run', 'echo', 'camera')
    while not installed(bare):
        time.sleep(0.05)
    second = start_dev(bare, 'run', 'echo', 'node')
    assert second.stderr
    said = second.stderr.readline()
    assert said == (f'./dev: another ./dev installs packages in {bare}; waiting until it has '
                    'finished\n')
    assert installed(bare) == REST[:1]
    (bare / 'slow').unlink()
    for process, output in ((first, 'camera\n'), (second, 'node\n')):
        out, _ = process.communicate(timeout=100)
        assert (process.returncode, out) == (0, output)
    assert installed(bare) == REST  # only the first ./dev has installed packages


def test_a_file_system_without_locks_is_named(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / 'flock').write_text('#!/bin/sh\nexit 71\n')
    (tmp_path / 'flock').chmod(0o755)
    done = subprocess.run(
        [checkout / 'dev', 'run', 'echo', 'node'], cwd=checkout, text=True, check=False,
        capture_output=True, timeout=100,
        env={**environment(checkout), 'PATH': f'{tmp_path}:{os.environ["PATH"]}'})
    assert (done.returncode, done.stdout) == (0, 'node\n')
    assert done.stderr == ('./dev: this file system has no locks, so do not start a second ./dev '
                           'now\n')


def test_a_command_that_runs_does_not_stop_another_from_installing(
        checkout: Path, tmp_path: Path) -> None:
    running = start_dev(checkout, 'run', 'sh', '-c', 'echo started; exec sleep 60')
    assert running.stdout and running.stdout.readline() == 'started\n'
    assert dev(checkout, 'run', 'echo', 'node', cwd=checkout).stdout == 'node\n'
    running.kill()
    running.communicate()


def test_a_file_that_disappears_does_not_stop_the_progress(bare: Path, tmp_path: Path) -> None:
    """If pip removes a file while `du` reads the folder, `du` fails."""
    add_python(tmp_path / 'base')
    (tmp_path / 'du').write_text('#!/bin/sh\necho 42 .venv\nexit 1\n')
    (tmp_path / 'sleep').write_text('#!/bin/sh\nexec /bin/sleep 0.1\n')
    for name in ('du', 'sleep'):
        (tmp_path / name).chmod(0o755)
    python = tmp_path / 'base' / 'python'
    python.write_text(PYTHON.replace("'-m pip '*)", "'-m pip '*) echo Installing; sleep; sleep;"
                                     ' sleep; sleep; sleep'))
    done = subprocess.run(
        [bare / 'dev', 'demo', '--cpu'], cwd=bare, text=True, check=False, capture_output=True,
        timeout=100, env={**environment(bare), 'PATH': f'{tmp_path}:{os.environ["PATH"]}'})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count('unpacking; .venv has 42') > 1, done.stderr
    assert 'unbound' not in done.stderr


def test_bindings_of_a_new_version_are_installed(bare: Path, tmp_path: Path) -> None:
    add_python(tmp_path / 'base')
    (bare / '.ci' / 'tensorrt_stubs').write_text('#!/bin/sh\nmkdir "$2"\n')
    assert dev(bare, 'run', 'true', cwd=bare).returncode == 0 and installed(bare) == REST
    (bare / '.ci' / 'tensorrt_bindings' / '11.4.lock').write_text('another release')
    assert dev(bare, 'run', 'true', cwd=bare).returncode == 0
    assert installed(bare) == REST + REST[3:]


def test_a_view_needs_the_rest_too(bare: Path, tmp_path: Path) -> None:
    add_python(tmp_path / 'base')
    (bare / '.ci' / 'tensorrt_stubs').write_text('#!/bin/sh\nmkdir "$2"\n')
    assert dev(bare, 'demo', '--save-view', 'a.rrd', cwd=bare).returncode == 0
    assert installed(bare) == REST


def test_a_pip_that_fails_shows_its_last_lines(bare: Path, tmp_path: Path) -> None:
    add_python(tmp_path / 'base')
    (bare / 'offline').touch()
    done = dev(bare, 'demo', cwd=bare)
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr.splitlines()[1:] == [
        'no route to host', f'./dev: pip failed; {bare}/.venv/pip.log has all its output']
    (bare / 'offline').unlink()
    assert dev(bare, 'demo', cwd=bare).returncode == 0


def test_the_demo_installs_what_the_gpu_needs_and_runs_with_it(checkout: Path) -> None:
    (checkout / 'package_set').write_text('cuda13\n')
    for _ in range(2):      # the second run has nothing to install
        done = dev(checkout, 'demo', '--out', 'here', cwd=checkout)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f'.venv-gpu/bin trt_seg demo --out here in {checkout}\n'
        assert installed(checkout) == GPU
    assert dev(checkout, 'run', 'trt_seg', cwd=checkout).stdout.startswith('.venv-gpu/bin trt_seg')


def test_a_gpu_without_its_packages_leaves_the_cpu(checkout: Path) -> None:
    (checkout / 'package_set').write_text('cuda13\n')
    (checkout / 'offline').touch()
    done = dev(checkout, 'demo', cwd=checkout)
    assert (done.returncode, done.stdout) == (0, f'trt_seg demo in {checkout}\n')
    assert done.stderr.splitlines()[-3:] == [
        'no route to host', f'./dev: pip failed; {checkout}/.venv-gpu/pip.log has all its output',
        './dev: the packages for the GPU cannot be installed, so the demo runs on the CPU']


def test_cpu_keeps_the_gpu_off(checkout: Path) -> None:
    (checkout / 'package_set').write_text('cuda13\n')
    done = dev(checkout, 'demo', '--cpu', cwd=checkout)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == f'trt_seg demo --cpu in {checkout}\n' and installed(checkout) == []


def test_dev_keeps_a_folder_that_it_did_not_make(checkout: Path) -> None:
    (checkout / 'package_set').write_text('cuda13\n')
    (checkout / '.venv-gpu').mkdir()
    (checkout / '.venv-gpu' / 'thesis.txt').write_text('years of work')
    done = dev(checkout, 'demo', cwd=checkout)
    assert '.venv-gpu was not made by ./dev; remove it or move it away' in done.stderr
    assert done.stdout == f'trt_seg demo in {checkout}\n' and installed(checkout) == []
    assert (checkout / '.venv-gpu' / 'thesis.txt').read_text() == 'years of work'
