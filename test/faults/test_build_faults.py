# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that need the same engine at once, and processes that die while they build it.

If several processes start with an empty cache, one builds and all get its plan. A process that is
killed leaves no plan that is ever loaded. Its lock is free at once, and a later build removes the
file that it left half written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from faults.engine_starter import KEY
from faults.hostile_onnx import network
from faults.processes import start, TEST
import pytest

from trt_segmentation.builder.cache import EngineCache
from trt_segmentation.engines.plan import Plan

PATIENCE = 100
"""Seconds to wait for a process."""


@contextmanager
def starters(folder: Path, log: Path, count: int, hold: str = 'no',
             model: Path | str = '') -> Iterator[list[subprocess.Popen[str]]]:
    """Start processes that are ready to ask the cache, and kill them when the block ends."""
    processes = [start('engine_starter', folder, log, hold, *([model] if model else []))
                 for _ in range(count)]
    try:
        for process in processes:
            assert next_line(process) == 'ready\n'
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def let_ask(process: subprocess.Popen[str]) -> None:
    print('go', file=process.stdin, flush=True)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Write an ONNX file that TensorRT-RTX builds in a second."""
    pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    path = tmp_path_factory.mktemp('model') / 'net.onnx'
    path.write_bytes(network().SerializeToString())
    return path


def all_get_one_plan(tmp_path: Path, count: int, model: Path | str) -> None:
    with starters(tmp_path / 'cache', tmp_path / 'log', count, model=model) as processes:
        for process in processes:
            let_ask(process)
        answers = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    assert len(answers[0].strip()) == 64 and set(answers) == {answers[0]}
    assert (tmp_path / 'log').read_text() == 'built\n'


def test_two_processes_that_start_together_build_one_engine(tmp_path, model):
    """With TensorRT-RTX's own builder."""
    all_get_one_plan(tmp_path, 2, model)


def test_eight_processes_that_start_together_build_one_engine(tmp_path):
    """With random plans instead of a builder, so that two builds would give two plans."""
    all_get_one_plan(tmp_path, 8, '')


def plan_of(folder: Path) -> tuple[bytes, list[str]]:
    """Return the plan that the cache gives the next process, and the lines that it logged."""
    lines: list[str] = []
    cache = EngineCache(folder, log=lines.append)
    return cache.get(KEY, lambda: Plan(b'sound'), lambda plan: plan.data), lines


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_process_that_ends_within_the_build_leaves_nothing(tmp_path, model, number):
    """The process ends during TensorRT's build. The next process builds without waiting."""
    folder = tmp_path / 'cache'
    with starters(folder, tmp_path / 'log', 1, 'build', model) as (process,):
        let_ask(process)
        assert next_line(process) == 'building\n'
        assert EngineCache(folder).entries() == []
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number
    data, lines = plan_of(folder)
    assert data == b'sound'
    assert len(lines) == 2 and 'there is none yet' in lines[0], lines


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_process_that_ends_while_it_writes_leaves_no_plan(tmp_path, number):
    """The half-written plan has another name. The first build after an hour removes it."""
    folder = tmp_path / 'cache'
    with starters(folder, tmp_path / 'log', 1, 'write') as (process,):
        let_ask(process)
        assert next_line(process) == 'writing\n'
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number
    cache = EngineCache(folder)
    (left,) = cache.folder.glob('*.part')
    assert left.stat().st_size == 50_000 and cache.entries() == []
    data, lines = plan_of(folder)
    assert data == b'sound' and 'there is none yet' in lines[0]
    # the file stays for an hour, because another process could be writing it
    assert left.exists()
    os.utime(left, (time.time() - 3700,) * 2)
    (cache.folder / f'{KEY.digest}.plan').unlink()
    assert plan_of(folder)[0] == b'sound'
    assert not left.exists()


def test_waiting_process_takes_over_when_the_builder_is_killed(tmp_path, model):
    """The operating system releases the lock of a process that ends."""
    folder, log = tmp_path / 'cache', tmp_path / 'log'
    with starters(folder, log, 1, 'build', model) as (builder,), \
            starters(folder, log, 1, model=model) as (waiter,):
        let_ask(builder)
        assert next_line(builder) == 'building\n'
        let_ask(waiter)
        assert waiter.poll() is None and log.read_text() == 'built\n'
        builder.kill()
        assert len(waiter.communicate(timeout=PATIENCE)[0].strip()) == 64
    assert log.read_text() == 'built\n' * 2


@pytest.mark.parametrize('number, code', [
    (signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_command_that_is_stopped_leaves_no_plan(tmp_path, model, number, code):
    """Stop `trt_seg build --out` with Ctrl-C and with SIGTERM: the exit code tells which."""
    card = tmp_path / 'net.yaml'
    card.write_text(f'model: {model}\nclasses: [a, b, c, d, e]\n')
    process = subprocess.Popen(
        [sys.executable, '-m', 'trt_segmentation.commands.cli', 'build', str(card), '--precision',
         'fp16', '--hold-out-frames', '100000', '--out', str(tmp_path / 'net.plan')],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(TEST.parent)})
    assert process.stderr
    try:
        for line in process.stderr:
            if 'accuracy on 100000' in line:
                break
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, err
    assert 'Traceback' not in err
    assert not list(tmp_path.glob('net.plan*')) and not list(tmp_path.glob('*.part'))
