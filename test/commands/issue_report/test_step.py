# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of the self-test, in the process of the test."""

from dataclasses import replace
from io import StringIO
import json
import logging
from pathlib import Path
import sys
from types import SimpleNamespace

import cv2
import pytest

from trt_segmentation.commands.doctor import selftest
from trt_segmentation.commands.issue_report import step
from trt_segmentation.commands.issue_report.run import STEP_NAMES
from trt_segmentation.engines.gpu_identity import GpuIdentity
from trt_segmentation.engines.nvidia_driver import ask_driver
from trt_segmentation.errors import CacheError, EngineError
from trt_segmentation.frame import Segmentation
from trt_segmentation.pipeline import open_pipeline
from trt_segmentation.tuning.candidates import Measured

CONDITIONS = ('day', 'night')
STAGES = {'preprocess', 'inference', 'postprocess', 'outside the stages', 'total'}


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    from trt_segmentation.commands.bench import measure
    monkeypatch.setattr(selftest, 'CONDITIONS', CONDITIONS)
    monkeypatch.setattr(step, 'EACH', 1)
    monkeypatch.setattr(step, 'SECONDS', 0.0)
    monkeypatch.setattr(step, 'SIZE', (320, 192))
    monkeypatch.setattr(measure, 'WARM_UP', 0.0)
    monkeypatch.setattr(measure, 'LEAST', 3)


def run(name, folder, **more):
    found = {}
    step.STEPS[name]({'gpu': 0, 'step': name, 'folder': str(folder), **more}, found)
    return json.loads(json.dumps(found))


def test_the_report_runs_every_step():
    assert set(STEP_NAMES) | {'memory'} == set(step.STEPS)


def test_the_cpu_agrees_with_itself_and_has_a_latency(tmp_path):
    found = run('onnxruntime-cpu', tmp_path)
    assert found['trial']['good'] and found['trial']['images'] == len(CONDITIONS)
    assert found['text'].startswith('onnxruntime-cpu: ok')
    assert list(found['accuracy']['onnxruntime-cpu']) == ['', *CONDITIONS]
    assert {scores['agreement'] for scores in found['accuracy']['onnxruntime-cpu'].values()} == {
        1.0}
    assert set(found['latency_ms']) == STAGES and found['images'] == 3
    assert set(found['latency_ms']['total']) == {'p50', 'p95', 'p99'}
    assert found['second_open']['engine'] == 'onnxruntime-cpu'
    assert any('onnxruntime' in path for path in found['libraries'])
    assert not list(tmp_path.iterdir())


def test_the_checks_name_the_engine_of_auto(tmp_path):
    found = run('checks', tmp_path)
    assert {'Python', 'numpy', 'driver'} <= {check['name'] for check in found['checks']}
    assert found['auto'] in STEP_NAMES and 'Python  ' in found['text']


class NearlyRight:
    """A pipeline of the CPU that is called onnxruntime-cuda. A corner of its labels is wrong."""

    def __init__(self, card):
        self._host = open_pipeline(card, 'onnxruntime-cpu')
        self.card, self.allocate = card, None
        self.identity = replace(self._host.identity, engine='onnxruntime-cuda')

    def submit(self, frames, wanted=None):
        self._host.submit(frames)

    def collect(self):
        (found,) = self._host.collect()
        labels = found.labels.copy()
        labels[:16, :16] = 3
        return [Segmentation(found.frame, labels, timings=dict(found.timings))]

    def close(self):
        self._host.close()


def test_a_gpu_engine_gets_a_picture_and_its_tuning(tmp_path, monkeypatch):
    pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')
    from trt_segmentation.tuning import open_tuned
    monkeypatch.setattr('trt_segmentation.pipeline.open_pipeline',
                        lambda card, engine, **_: NearlyRight(card))
    monkeypatch.setattr(open_tuned, 'TunedOpener', lambda log: SimpleNamespace(
        find=lambda card, gpu: ([Measured('NCHW, heuristic search', 1.5)], 'hit')))
    found = run('onnxruntime-cuda', tmp_path)
    assert found['trial']['good'] and 0.99 < found['trial']['agreement'] < 1.0
    assert found['accuracy']['onnxruntime-cuda']['day']['agreement'] < 1.0
    assert found['tuning'][0]['name'] == 'NCHW, heuristic search'
    assert set(found['latency_ms']) == STAGES
    picture = cv2.imread(str(tmp_path / 'onnxruntime-cuda.png'))
    assert picture is not None and picture.shape[1] > 4 * 400 and picture.max() == 255


def test_the_first_part_of_a_result_is_written_before_an_error(tmp_path, monkeypatch):
    def fail(asked, found):
        found['first'] = 1
        raise RuntimeError('then it broke')
    answer = tmp_path / 'answer.json'
    monkeypatch.setitem(step.STEPS, 'machine', fail)
    monkeypatch.setattr(sys, 'stdin', StringIO(json.dumps(
        {'step': 'machine', 'gpu': 0, 'seconds': 60.0, 'answer': str(answer)})))
    level = step.log.level
    try:
        with pytest.raises(RuntimeError, match='then it broke'):
            step.main()
        assert step.log.level == logging.DEBUG
    finally:
        step.log.setLevel(level)
    assert json.loads(answer.read_text()) == {'first': 1}


def test_an_engine_that_does_not_open_leaves_its_traceback_in_the_log(
        tmp_path, monkeypatch, caplog):
    def refuse(card, engine, **_):
        raise EngineError('Myelin error')
    monkeypatch.setattr('trt_segmentation.pipeline.open_pipeline', refuse)
    with caplog.at_level(logging.DEBUG, 'trt_segmentation'):
        found = run('onnxruntime-cuda', tmp_path)
    assert found['trial']['why_not'] == 'Myelin error' and 'latency_ms' not in found
    assert 'onnxruntime-cuda cannot be opened' in caplog.text and 'in refuse' in caplog.text


@pytest.fixture
def cache(tmp_path, monkeypatch):
    pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    from trt_segmentation.engines import gpu_identity
    gpu = GpuIdentity('Test GPU', 'sm_89', '580')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(gpu_identity, 'gpu_identity', lambda index: gpu)
    return gpu


def test_the_plan_that_ran_is_described(cache):
    from trt_segmentation.builder.open_engine import open_engine
    from trt_segmentation.model.card import load_card
    found = {}
    with pytest.raises(CacheError, match='its plan is not in the cache: '):
        step._describe_plan(0, False, found)
    open_engine(load_card('street'), 0, 0, identity=lambda index: cache,
                load=lambda plan, kernels: SimpleNamespace())  # type: ignore[return-value]
    step._describe_plan(0, False, found)
    assert found['plan']['precision'] == 'fp16' and found['plan']['bytes'] > 1_000_000
    assert 'kernels: ' in found['plan_text']
    assert found['plan_text'].count('/backbone/') > 50


def test_a_plan_that_nobody_ran_is_described_too(tmp_path):
    pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    if ask_driver().gpus:
        pytest.skip('this test is about a machine without a GPU')
    found = run('tensorrt', tmp_path)
    assert found['trial']['why_not'] and found['trial']['built'] and found['why_not']
    assert len(found['plan']['layers']) > 50 and 'profile 0: image ' in found['plan_text']
    assert 'latency_ms' not in found


def test_every_part_of_a_step_runs_and_the_first_error_is_raised(caplog):
    ran = []

    def fail(name):
        ran.append(name)
        raise ValueError(name)
    with pytest.raises(ValueError, match='first'):
        step._run_all([lambda: fail('first'), lambda: ran.append('second'),
                       lambda: fail('third')])
    assert ran == ['first', 'second', 'third']
    assert caplog.text.count('Traceback (most recent call last)') == 2
    step._run_all([])


def test_the_loaded_libraries_come_from_the_map_of_the_process(tmp_path):
    path = tmp_path / 'maps'
    path.write_text('7f00-7f01 r-xp 0 fe:01 12  /usr/lib/libnvinfer.so.10.3.0\n'
                    '7f02-7f03 r--p 0 fe:01 12  /usr/lib/libnvinfer.so.10.3.0\n'
                    '7f04-7f05 r-xp 0 fe:01 13  /opt/x/libcudart.so.12\n'
                    '7f06-7f07 r-xp 0 fe:01 14  /usr/lib/libc.so.6\n'
                    '7f08-7f09 rw-p 0 00:00 0\n')
    assert step.loaded_libraries(path) == ['/opt/x/libcudart.so.12',
                                           '/usr/lib/libnvinfer.so.10.3.0']
    assert step.loaded_libraries(Path(tmp_path / 'none')) == []
