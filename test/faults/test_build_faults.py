# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that want the same engine at once, and processes that die while they build it.

What must happen: of any number that start on an empty cache one builds and all get its plan. One
that is killed, whenever, leaves nothing that is ever loaded; the lock is free at once; and what it
left half written is removed by a later build.
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
    """Processes that are ready to ask the cache; killed when the block ends."""
    processes = [subprocess.Popen(
        [sys.executable, '-m', 'faults.engine_starter', str(folder), str(log), hold,
         *([str(model)] if model else [])], text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(TEST), str(TEST.parent)])})
        for _ in range(count)]
    try:
        for process in processes:
            assert process.stdout.readline() == 'ready\n'
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def go(process: subprocess.Popen[str]) -> None:
    process.stdin.write('go\n')
    process.stdin.flush()


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """An ONNX file that TensorRT-RTX builds in a second."""
    pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    path = tmp_path_factory.mktemp('model') / 'net.onnx'
    path.write_bytes(network().SerializeToString())
    return path


def all_get_one_plan(tmp_path: Path, count: int, model: Path | str) -> None:
    with starters(tmp_path / 'cache', tmp_path / 'log', count, model=model) as processes:
        for process in processes:
            go(process)
        answers = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    assert len(answers[0].strip()) == 64 and set(answers) == {answers[0]}
    assert (tmp_path / 'log').read_text() == 'built\n'


def test_two_processes_that_start_together_build_one_engine(tmp_path, model):
    """With TensorRT-RTX's own builder."""
    all_get_one_plan(tmp_path, 2, model)


def test_eight_processes_that_start_together_build_one_engine(tmp_path):
    """With a stand-in for the builder whose plans are all different."""
    all_get_one_plan(tmp_path, 8, '')


def plan_of(folder: Path) -> tuple[bytes, list[str]]:
    """What the cache gives the next process, and what it said meanwhile."""
    lines: list[str] = []
    cache = EngineCache(folder, log=lines.append)
    return cache.get(KEY, lambda: Plan(b'sound'), lambda plan: plan.data), lines


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_process_that_ends_within_the_build_leaves_nothing(tmp_path, model, number):
    """In the midst of TensorRT's build: no plan, and the next one builds without waiting."""
    folder = tmp_path / 'cache'
    with starters(folder, tmp_path / 'log', 1, 'build', model) as (process,):
        go(process)
        assert process.stdout.readline() == 'building\n'
        assert EngineCache(folder).entries() == []
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number
    data, lines = plan_of(folder)
    assert data == b'sound'
    assert len(lines) == 2 and 'there is none yet' in lines[0], lines


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_process_that_ends_while_it_writes_leaves_no_plan(tmp_path, number):
    """Half a plan is in a file of another name, which the first build after an hour removes."""
    folder = tmp_path / 'cache'
    with starters(folder, tmp_path / 'log', 1, 'write') as (process,):
        go(process)
        assert process.stdout.readline() == 'writing\n'
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number
    cache = EngineCache(folder)
    (left,) = cache.folder.glob('*.part')
    assert left.stat().st_size == 50_000 and cache.entries() == []
    data, lines = plan_of(folder)
    assert data == b'sound' and 'there is none yet' in lines[0]
    # it may be another process's that writes just now, so it stays for an hour
    assert left.exists()
    os.utime(left, (time.time() - 3700,) * 2)
    (cache.folder / f'{KEY.digest}.plan').unlink()
    assert plan_of(folder)[0] == b'sound'
    assert not left.exists()


def test_waiting_process_takes_over_when_the_builder_is_killed(tmp_path, model):
    """The lock is the operating system's, so it ends with the process that held it."""
    folder, log = tmp_path / 'cache', tmp_path / 'log'
    with starters(folder, log, 1, 'build', model) as (builder,), \
            starters(folder, log, 1, model=model) as (waiter,):
        go(builder)
        assert builder.stdout.readline() == 'building\n'
        go(waiter)
        assert waiter.poll() is None and log.read_text() == 'built\n'
        builder.kill()
        assert len(waiter.communicate(timeout=PATIENCE)[0].strip()) == 64
    assert log.read_text() == 'built\n' * 2


@pytest.mark.parametrize('number, code', [
    (signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_command_that_is_stopped_leaves_no_plan(tmp_path, model, number, code):
    """`trt_seg build --out` by Ctrl-C and by SIGTERM: the exit says so and no file is there."""
    card = tmp_path / 'net.yaml'
    card.write_text(f'model: {model}\nclasses: [a, b, c, d, e]\n')
    process = subprocess.Popen(
        [sys.executable, '-m', 'trt_segmentation.commands.cli', 'build', str(card), '--precision',
         'fp16', '--hold-out-frames', '100000', '--out', str(tmp_path / 'net.plan')],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(TEST.parent)})
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
