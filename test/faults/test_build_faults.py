# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that need the same engine at once, and processes that are killed during a build.

Expected: if several processes start on an empty cache, one process builds and all get its plan.
A process that is killed, at any time, leaves no file that is ever loaded. Its lock is free at
once. A later build deletes the file that it was writing.
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
import pytest

from trt_segmentation.builder.cache import EngineCache
from trt_segmentation.engines.plan import Plan

TEST = Path(__file__).parents[1]
PATIENCE = 100


@contextmanager
def starters(folder: Path, log: Path, count: int, hold: str = 'no',
             model: Path | str = '') -> Iterator[list[subprocess.Popen[str]]]:
    """Start processes that are ready to ask the cache. Kill them at the end of the block."""
    processes = [subprocess.Popen(
        [sys.executable, '-m', 'faults.engine_starter', str(folder), str(log), hold,
         *([str(model)] if model else [])], text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(TEST), str(TEST.parent)])})
        for _ in range(count)]
    try:
        for process in processes:
            assert read_line(process) == 'ready\n'
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def send_go(process: subprocess.Popen[str]) -> None:
    print('go', file=process.stdin, flush=True)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Write an ONNX file that TensorRT-RTX builds within one second."""
    pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    path = tmp_path_factory.mktemp('model') / 'net.onnx'
    path.write_bytes(network().SerializeToString())
    return path


def all_get_one_plan(tmp_path: Path, count: int, model: Path | str) -> None:
    with starters(tmp_path / 'cache', tmp_path / 'log', count, model=model) as processes:
        for process in processes:
            send_go(process)
        hashes = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    assert len(hashes[0].strip()) == 64 and set(hashes) == {hashes[0]}
    assert (tmp_path / 'log').read_text() == 'built\n'


def test_two_processes_that_start_together_build_one_engine(tmp_path, model):
    """TensorRT-RTX builds the engine."""
    all_get_one_plan(tmp_path, 2, model)


def test_eight_processes_that_start_together_build_one_engine(tmp_path):
    """A fake builds the engine. Each of its plans is different."""
    all_get_one_plan(tmp_path, 8, '')


def plan_of(folder: Path) -> tuple[bytes, list[str]]:
    """Return the plan that the cache gives the next process, and the lines of the log."""
    lines: list[str] = []
    cache = EngineCache(folder, log=lines.append)
    return cache.get(KEY, lambda: Plan(b'sound'), lambda plan: plan.data), lines


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_process_that_ends_within_the_build_leaves_nothing(tmp_path, model, number):
    """The process ends during TensorRT's build. The next process builds without waiting."""
    folder = tmp_path / 'cache'
    with starters(folder, tmp_path / 'log', 1, 'build', model) as (process,):
        send_go(process)
        assert read_line(process) == 'building\n'
        assert EngineCache(folder).entries() == []
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number
    data, lines = plan_of(folder)
    assert data == b'sound'
    assert len(lines) == 2 and 'there is none yet' in lines[0], lines


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_process_that_ends_while_it_writes_leaves_no_plan(tmp_path, number):
    """Half a plan remains under another file name. The first build after an hour deletes it."""
    folder = tmp_path / 'cache'
    with starters(folder, tmp_path / 'log', 1, 'write') as (process,):
        send_go(process)
        assert read_line(process) == 'writing\n'
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number
    cache = EngineCache(folder)
    (left,) = cache.folder.glob('*.part')
    assert left.stat().st_size == 50_000 and cache.entries() == []
    data, lines = plan_of(folder)
    assert data == b'sound' and 'there is none yet' in lines[0]
    # the cache keeps the file for an hour, because another process may still write it
    assert left.exists()
    os.utime(left, (time.time() - 3700,) * 2)
    (cache.folder / f'{KEY.digest}.plan').unlink()
    assert plan_of(folder)[0] == b'sound'
    assert not left.exists()


def test_waiting_process_takes_over_when_the_builder_is_killed(tmp_path, model):
    """The operating system frees the lock when the process that holds it ends."""
    folder, log = tmp_path / 'cache', tmp_path / 'log'
    with starters(folder, log, 1, 'build', model) as (builder,), \
            starters(folder, log, 1, model=model) as (waiter,):
        send_go(builder)
        assert read_line(builder) == 'building\n'
        send_go(waiter)
        assert waiter.poll() is None and log.read_text() == 'built\n'
        builder.kill()
        assert len(waiter.communicate(timeout=PATIENCE)[0].strip()) == 64
    assert log.read_text() == 'built\n' * 2


@pytest.mark.parametrize('number, code', [
    (signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_command_that_is_stopped_leaves_no_plan(tmp_path, model, number, code):
    """Ctrl-C or SIGTERM ends `trt_seg build --out`. The exit code says so, and no file remains."""
    card = tmp_path / 'net.yaml'
    card.write_text(f'model: {model}\nclasses: [a, b, c, d, e]\n')
    process = subprocess.Popen(
        [sys.executable, '-m', 'trt_segmentation.commands.cli', 'build', str(card), '--precision',
         'fp16', '--hold-out-frames', '100000', '--out', str(tmp_path / 'net.plan')],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(TEST.parent)})
    try:
        assert process.stderr
        assert any('measured on 100000 street scenes' in line for line in process.stderr)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, err
    assert 'Traceback' not in err
    assert not list(tmp_path.glob('net.plan*')) and not list(tmp_path.glob('*.part'))
