# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from trt_segmentation.commands.bench.measure import Latency
from trt_segmentation.commands.doctor import memory_choice
from trt_segmentation.commands.doctor.memory_choice import (
    first_gpu_engine,
    measure_memory,
    MemoryChoice,
    ROUNDS,
    try_memory,
)
from trt_segmentation.commands.doctor.selftest import Trial
from trt_segmentation.engines.nvidia_driver import Driver, DriverGpu
from trt_segmentation.errors import EngineError

ORIN = Driver('540', (12, 6), (DriverGpu('Orin', (8, 7), 8 << 30, True),))
H200 = Driver('580', (13, 0), (DriverGpu('H200', (9, 0), 140 << 30, False),))
RAN = [Trial('tensorrt', 'not installed'), Trial('onnxruntime-cuda'), Trial('onnxruntime-cpu')]


@pytest.mark.parametrize('mapped, pinned, fastest, verdict', [
    (4.0, 5.0, 'mapped', '`auto` is right.'),
    (5.0, 4.0, 'pinned', '`auto` is WRONG on this GPU.'),
    (4.0, 4.1, '', 'The times are almost equal, so `auto` is right.')])
def test_the_verdict_about_auto(mapped, pinned, fastest, verdict):
    choice = MemoryChoice('tensorrt', 'mapped', mapped, pinned)
    assert choice.fastest == fastest and verdict in str(choice)
    assert f'mapped {mapped:.2f} ms, copies (pinned) {pinned:.2f} ms' in str(choice)
    assert choice.tree()['fastest'] == fastest


@pytest.fixture
def opened(monkeypatch):
    """Simulate pipelines: with mapped memory an image takes 4 ms, and with copies 5 ms."""
    opened = []

    class Pipeline:
        allocate = None

        def __init__(self, card, engine, *, gpu, memory, log):
            self.what, self.is_closed = (card.name, engine, gpu, memory), False
            opened.append(self)

        def close(self):
            self.is_closed = True

    def measure(pipeline, frames, wanted, seconds, tick):
        assert not pipeline.is_closed and wanted.overlay
        assert {(frame.width, frame.height) for frame in frames} == {(1920, 1080)}
        return Latency([4.0 if pipeline.what[3] == 'mapped' else 5.0] * 3)

    monkeypatch.setattr('trt_segmentation.pipeline.open_pipeline', Pipeline)
    monkeypatch.setattr('trt_segmentation.commands.bench.measure.measure_latency', measure)
    return opened


def test_both_kinds_of_memory_are_measured_in_turns(opened, monkeypatch):
    asked = []
    monkeypatch.setattr(np, 'median', lambda times: asked.append(list(times)) or times[0])
    choice = measure_memory('tensorrt', 1, True, lambda line: None)
    assert choice == MemoryChoice('tensorrt', 'mapped', 4.0, 5.0)
    assert [len(times) for times in asked] == [3 * ROUNDS] * 2
    assert [pipeline.what for pipeline in opened] == [
        ('street', 'tensorrt', 1, 'mapped'), ('street', 'tensorrt', 1, 'pinned')]
    assert all(pipeline.is_closed for pipeline in opened)


def test_only_a_gpu_with_shared_memory_is_measured(opened):
    assert try_memory(H200, 0, RAN, print) == try_memory(ORIN, 3, RAN, print) == ''
    assert try_memory(Driver('', (0, 0), (), 'no GPU'), 0, RAN, print) == '' and not opened
    text = try_memory(ORIN, 0, RAN, lambda line: None)
    assert 'with onnxruntime-cuda. `memory: auto` takes mapped. `auto` is right.' in text


def test_without_an_engine_nothing_is_measured(monkeypatch):
    none = [Trial('tensorrt', 'none'), Trial('onnxruntime-cuda', wrong='failed: x'), RAN[2]]
    assert first_gpu_engine(none) == '' and first_gpu_engine(RAN) == 'onnxruntime-cuda'
    assert try_memory(ORIN, 0, none, print) == (
        'memory: not measured, because no engine runs on this GPU')

    def fail(*_):
        raise EngineError('out of memory')
    monkeypatch.setattr(memory_choice, 'measure_memory', fail)
    assert try_memory(ORIN, 0, RAN, lambda line: None) == (
        'memory: not measured, because the engine failed: out of memory')
