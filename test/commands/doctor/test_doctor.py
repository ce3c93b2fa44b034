# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The doctor on this machine and on simulated machines."""

import json
import os
from pathlib import Path
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from trt_segmentation.commands.doctor import libraries, machine, middleware, selftest
from trt_segmentation.commands.doctor import run as doctor
from trt_segmentation.commands.doctor.check import Check, ERROR, OK, WARNING
from trt_segmentation.commands.doctor.choice import choose_engine, EngineChoice
from trt_segmentation.commands.doctor.options import DoctorOptions
from trt_segmentation.commands.doctor.package_set import advise_faster
from trt_segmentation.engines import ENGINES, Identity
from trt_segmentation.engines.nvidia_driver import ask_driver, Driver, DriverGpu
from trt_segmentation.errors import EngineError
from trt_segmentation.installed.pip_names import pip_install
from trt_segmentation.model.card import load_card
from trt_segmentation.pipeline import open_pipeline

ROOT = Path(__file__).parents[3]
NONE = Driver('', (0, 0), (), 'there is no NVIDIA GPU here')
H200 = Driver('580.65.06', (13, 0), (DriverGpu('NVIDIA H200', (9, 0), 140 << 30, False),))
RTX = Driver('580.65.06', (13, 0), (DriverGpu('RTX 4090', (8, 9), 24 << 30, False),))
BASE = ('numpy', 'cv2', 'onnxruntime', 'yaml')


@pytest.fixture
def everything(monkeypatch):
    """Simulate a machine that has TensorRT, ONNX Runtime with CUDA and all Python packages."""
    import onnxruntime
    for module in (libraries, sys.modules['trt_segmentation.commands.doctor.choice']):
        monkeypatch.setattr(module, 'tensorrt_or_why_not', lambda: ('TensorRT 10.13.0', ''))
        monkeypatch.setattr(module, 'absent', lambda *names: [])
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [
        'CUDAExecutionProvider', 'CPUExecutionProvider'])
    return monkeypatch


def rtx(monkeypatch):
    for module in (libraries, sys.modules['trt_segmentation.commands.doctor.choice']):
        monkeypatch.setattr(module, 'tensorrt_or_why_not', lambda: ('TensorRT-RTX 1.7', ''))


def test_the_doctor_and_the_pipeline_choose_the_same_engine():
    """The doctor must not repeat the rules of open_pipeline with another result."""
    pipeline = open_pipeline(load_card('street'))
    try:
        choice = choose_engine(ask_driver())
        assert choice.taken == pipeline.identity.engine
        if not ask_driver().gpus:
            assert choice.why == pipeline.identity.reason
            assert 'pip install' not in choice.why
    finally:
        pipeline.close()
    assert list(choose_engine(NONE).why_not) == list(ENGINES[1:])


def test_choice_by_what_is_missing(everything):
    assert choose_engine(RTX).taken == 'tensorrt'
    assert choose_engine(RTX).why == 'the best engine can run'
    assert choose_engine(NONE).taken == 'onnxruntime-cpu'
    assert choose_engine(NONE).why == (
        'no tensorrt and no onnxruntime-cuda: there is no NVIDIA GPU here')
    assert 'there is no GPU 3, because this machine has 1 GPU' in choose_engine(RTX, 3).why
    rtx(everything)
    assert choose_engine(RTX).taken == 'tensorrt'
    assert choose_engine(H200).taken == 'onnxruntime-cuda'
    assert ('runs on compute capability 7.5, 8.x and 12.x, but GPU 0 has 9.0'
            in choose_engine(H200).why)
    everything.setattr(sys.modules['trt_segmentation.commands.doctor.choice'], 'absent',
                       lambda *names: [n for n in names if n == 'cuda.core'])
    assert choose_engine(RTX).taken == 'onnxruntime-cpu'
    assert 'cuda.core not installed' in choose_engine(RTX).why


def test_nothing_can_be_taken():
    assert EngineChoice({'a': 'broken', 'b': 'gone'}).taken == ''
    assert EngineChoice({'a': 'broken', 'b': 'gone'}).why == 'no a: broken; no b: gone'


@pytest.mark.parametrize('found, status, text', [
    (NONE, WARNING, 'there is no NVIDIA GPU here'),
    (RTX, OK, 'NVIDIA 580.65.06, runs CUDA up to 13.0')])
def test_driver(found, status, text):
    check = machine.driver(found)
    assert check.status == status and check.text.startswith(text)


def test_gpus():
    (check,) = machine.gpus(H200)
    assert check.text == 'NVIDIA H200, compute capability 9.0, 140.0 GiB'
    assert machine.gpus(NONE) == []


def test_driver_library_that_is_not_there():
    assert ask_driver('libnone.so.1').why_not
    assert ask_driver('libnone.so.1').gpus == ()


def test_driver_is_read_by_its_numbers(monkeypatch):
    """A fake driver writes its results through pointers, as the driver of CUDA does."""
    import ctypes

    def write(value):
        return lambda target, *_: setattr(target._obj, 'value', value) or 0

    attributes = {75: 12, 76: 0, 18: 1}
    fake = SimpleNamespace(
        cuInit=lambda flags: 0, cuDriverGetVersion=write(13020), cuDeviceGetCount=write(1),
        cuDeviceGet=write(0), cuDeviceTotalMem_v2=write(8 << 30),
        cuDeviceGetName=lambda name, size, device: setattr(name, 'value', b'Thing') or 0,
        cuDeviceGetAttribute=lambda target, attribute, device: write(
            attributes[attribute])(target))
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: fake)
    found = ask_driver()
    assert found.cuda == (13, 2) and found.why_not == ''
    assert found.gpus == (DriverGpu('Thing', (12, 0), 8 << 30, True),)
    fake.cuInit = lambda flags: 803
    assert 'have different versions. Restart' in ask_driver().why_not
    fake.cuInit, fake.cuDeviceGetCount = lambda flags: 0, write(0)
    assert ask_driver().why_not == 'the NVIDIA driver finds no GPU'


@pytest.mark.parametrize('free, status', [(64 << 20, WARNING), (1 << 30, OK)])
def test_shared_memory(monkeypatch, free, status):
    monkeypatch.setattr(os, 'statvfs', lambda path: SimpleNamespace(
        f_frsize=4096, f_blocks=free // 4096, f_bavail=free // 4096))
    check = machine.shared_memory()
    assert check.status == status and ('shm-size' in check.run) == (status == WARNING)
    assert f'; {free >> 20} MiB of them are free' in check.text


@pytest.mark.parametrize('text, status', [('212992', WARNING), ('2147483647', OK), ('x', WARNING)])
def test_receive_buffer(tmp_path, text, status):
    (tmp_path / 'rmem').write_text(text)
    assert machine.receive_buffer(tmp_path / 'rmem').status == status


def test_middleware(monkeypatch, tmp_path):
    for name in ('RMW_IMPLEMENTATION', 'AMENT_PREFIX_PATH', *middleware.PROFILES):
        monkeypatch.delenv(name, raising=False)
    assert middleware.rmw().status == OK
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_cyclonedds_cpp')
    assert middleware.rmw().status == ERROR and 'rmw-cyclonedds-cpp' in middleware.rmw().run
    (tmp_path / 'lib').mkdir()
    (tmp_path / 'lib' / 'librmw_cyclonedds_cpp.so').touch()
    assert middleware.rmw() == Check('RMW', OK, 'rmw_cyclonedds_cpp')
    assert middleware.dds_profile().status == OK


def test_dds_profile(monkeypatch, tmp_path):
    for name in ('RMW_IMPLEMENTATION', *middleware.PROFILES):
        monkeypatch.delenv(name, raising=False)
    check = middleware.dds_profile()
    assert check.status == WARNING and f'={ROOT}/config/fastdds.xml' in check.run
    monkeypatch.setenv(middleware.PROFILES[1], str(ROOT / 'config' / 'fastdds.xml'))
    check = middleware.dds_profile()
    assert check.status == OK and '64.0 MiB' in check.text
    (tmp_path / 'small.xml').write_text('<segment_size>524288</segment_size>')
    monkeypatch.setenv(middleware.PROFILES[0], str(tmp_path / 'small.xml'))
    assert 'too little' in middleware.dds_profile().text
    monkeypatch.setenv(middleware.PROFILES[0], str(tmp_path / 'none.xml'))
    assert 'cannot be read (No such file' in middleware.dds_profile().text


def test_ros_by_what_is_installed(monkeypatch):
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    monkeypatch.setattr(middleware, 'absent', lambda *names: [])
    assert middleware.distro() == Check('ROS', OK, 'humble')
    monkeypatch.setattr(middleware, 'absent', lambda *names: ['diagnostic_msgs'])
    assert 'humble; the node also needs diagnostic_msgs' in middleware.distro().text
    monkeypatch.setattr(middleware, 'absent', lambda *names: list(names))
    assert middleware.distro().status == WARNING and 'not installed' in middleware.distro().text


def test_libraries_on_a_machine_with_a_gpu(everything):
    assert libraries.tensorrt(H200, 0) == Check('TensorRT', OK, 'TensorRT 10.13.0')
    assert libraries.onnx_runtime(H200, 0).status == OK
    rtx(everything)
    assert libraries.tensorrt(H200, 0).run == pip_install('tensorrt-cu13')
    assert libraries.tensorrt(RTX, 0).status == OK
    everything.setattr(libraries, 'absent', lambda *names: [n for n in names if n == 'onnxslim'])
    assert libraries.tensorrt(RTX, 0).run == pip_install('onnxslim')
    everything.setattr(libraries, 'tensorrt_or_why_not', lambda: ('', 'no library'))
    assert libraries.tensorrt(RTX, 0).text == 'no library'
    assert libraries.tensorrt(NONE, 0).status == OK
    import onnxruntime
    everything.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    assert "'onnxruntime-gpu[cuda,cudnn]>=1.27'" in libraries.onnx_runtime(H200, 0).run
    assert libraries.onnx_runtime(NONE, 0).status == OK


def test_a_driver_for_cuda_12_gets_no_packages_for_cuda_13(everything):
    import onnxruntime
    everything.setattr(libraries, 'tensorrt_or_why_not', lambda: ('', 'no library'))
    everything.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    old = Driver('550.1', (12, 4), H200.gpus)
    assert libraries.tensorrt(old, 0).run == libraries.NO_TENSORRT
    assert "'onnxruntime-gpu[cuda,cudnn]<1.27'" in libraries.onnx_runtime(old, 0).run


def test_cuda_python_newer_than_the_driver(everything):
    everything.setattr(libraries, '_version', lambda name: '13.5.0')
    assert libraries.cuda_python(H200).status == OK
    old = Driver('550.1', (12, 4), H200.gpus)
    assert libraries.cuda_python(old).run.startswith(pip_install('cuda-core[cu12]'))
    everything.setattr(libraries, 'absent', lambda *names: ['cuda.core'])
    assert libraries.cuda_python(H200).run == pip_install('cuda-core[cu13]')
    assert libraries.cuda_python(NONE).status == OK


def run(*args, blocked=()):
    block = ''.join(f'sys.modules[{name!r}] = None; ' for name in blocked)
    code = (f'import sys; {block}from trt_segmentation.commands.cli import main; '
            'sys.exit(main(sys.argv[1:]))')
    return subprocess.run([sys.executable, '-c', code, 'doctor', *args], text=True, timeout=60,
                          capture_output=True, env={**os.environ, 'PYTHONPATH': str(ROOT)})


EXTRA = ('rich', 'rosbags', 'matplotlib', 'PIL', 'onnx', 'onnxslim', 'filelock', 'tensorrt',
         'tensorrt_rtx', 'cuda', 'rclpy')


def test_with_nothing_but_the_base_packages():
    result = run('--selftest', '--json', blocked=EXTRA)
    assert result.returncode == 0, result.stderr
    tree = json.loads(result.stdout)
    assert tree['usable'] is True and tree['auto'] == 'onnxruntime-cpu'
    assert tree['faster'] == advise_faster(ask_driver(), EngineChoice({'onnxruntime-cpu': ''}))
    checks = {check['name']: check for check in tree['checks']}
    assert set(BASE) | {'Python', 'driver', 'TensorRT', 'ONNX providers', 'cuda-python', 'tools',
                        'ROS', 'RMW', 'DDS profile', 'shared memory', 'rmem_max'} <= set(checks)
    assert checks['tools']['run'].startswith(f"{pip_install('rich')} 'rosbags>=")
    trials = {trial['engine']: trial for trial in tree['selftest']}
    assert list(trials) == list(ENGINES[1:])
    cpu = trials['onnxruntime-cpu']
    assert cpu['good'] and cpu['images'] == 8 and cpu['agreement'] == 1.0
    assert {'preprocess', 'inference', 'postprocess', 'total'} <= set(cpu['latency_ms'])
    assert trials['tensorrt']['why_not'] and trials['tensorrt']['latency_ms'] == {}


@pytest.mark.parametrize('missing', BASE)
def test_a_missing_base_package_is_an_error_with_what_to_run(missing):
    result = run('--selftest', blocked=[missing])
    assert result.returncode == 1 and 'Traceback' not in result.stderr
    # cv2 and onnxruntime import numpy, so both fail without numpy
    errors = [line.split()[1] for line in result.stdout.splitlines() if line.startswith('ERROR')]
    assert errors == (['numpy', 'cv2', 'onnxruntime'] if missing == 'numpy' else [missing])
    assert f'→ {pip_install(libraries.BASE[missing])}' in result.stdout
    assert 'engine auto uses none' in result.stdout
    *_, last_but_one, last = result.stdout.splitlines()
    assert last_but_one == 'no self-test, because a required part is missing or broken'
    assert last.startswith('repair first: ') and libraries.BASE[missing] in last


@pytest.mark.parametrize('missing, said', [(False, 'ok'), (True, 'warning')])
def test_the_doctor_looks_for_pyav(monkeypatch, missing, said):
    pytest.importorskip('av', reason='PyAV is not installed: pip install av')
    if missing:
        monkeypatch.setitem(sys.modules, 'av', None)
    (check,) = [check for check in doctor.examine(NONE, 0) if check.name == 'PyAV']
    assert check.status == said
    assert ('no video, camera or RTSP stream is read' in check.text) == missing
    assert (check.run == pip_install('av>=17')) == missing


class Fake:
    """A pipeline that returns the labels of a function, or raises the given exception."""

    identity = Identity('street', 'onnxruntime-cuda', '1', 'fp16', 'a GPU', '')

    def __init__(self, answer):
        self.card, self._answer, self.closed = load_card('street'), answer, False

    def submit(self, frames, wanted=None):
        self._frames = frames

    def collect(self):
        from trt_segmentation.frame import Segmentation
        if isinstance(self._answer, Exception):
            raise self._answer
        (frame,) = self._frames
        return [Segmentation(frame, self._answer(frame), timings={'total': 1.5})]

    def close(self):
        self.closed = True


def pixels(value):
    return lambda frame: np.full((frame.height, frame.width), value, np.uint8)


@pytest.mark.parametrize('answer, text', [
    (pixels(0), 'WRONG: mean IoU 0.'), (EngineError('out of memory'), 'failed: out of memory')])
def test_an_engine_that_answers_wrongly_or_breaks_fails(monkeypatch, answer, text):
    fake = Fake(answer)

    def open_one(card, engine, **_):
        if engine == 'onnxruntime-cuda':
            return fake
        if engine == 'tensorrt':
            raise EngineError('none')
        return open_pipeline(card, engine)

    monkeypatch.setattr('trt_segmentation.pipeline.open_pipeline', open_one)
    monkeypatch.setattr(selftest, 'tensorrt_or_why_not', lambda: ('', 'none'))
    trials = selftest.try_engines(each=1)
    assert [trial.is_good for trial in trials] == [True, False, True] and fake.closed
    assert text in str(trials[1]) and 'none' in str(trials[0])


def test_labels_unlike_the_cpus_fail(monkeypatch):
    from trt_segmentation.street import scene
    scenes = [scene(selftest.SEED, 'day')]
    truth = Fake(lambda frame: scenes[0].truth)
    shifted = scenes[0].truth.copy()
    shifted[:, :64] = 255
    trial = selftest._judge('onnxruntime-cuda', truth, scenes, [shifted])
    assert trial.wrong.startswith('WRONG: on one scene only 95.') and trial.mean_iou == 1.0
    assert selftest._judge('onnxruntime-cuda', truth, scenes, [scenes[0].truth]).is_good


def test_tensorrt_rtx_builds_without_a_gpu():
    pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    wrong, built = selftest._build(lambda line: None)
    assert wrong == '' and 'built the fp16 engine in' in built and built.endswith('was not run')


def test_a_failed_engine_fails_the_doctor(monkeypatch, capsys):
    trial = selftest.Trial('onnxruntime-cuda', wrong='failed: x', identity='i')
    monkeypatch.setattr(doctor, 'try_engines', lambda *args: [
        selftest.Trial('tensorrt', 'not installed'), trial, selftest.Trial('onnxruntime-cpu')])
    assert doctor.run_doctor(DoctorOptions(selftest=True)) == 1
    assert 'onnxruntime-cuda: failed: x' in capsys.readouterr().out
    assert selftest.Trial('tensorrt', 'not installed').is_good
    assert not selftest.Trial('onnxruntime-cpu', 'no such file').is_good


@pytest.mark.parametrize('as_json', [False, True])
def test_the_memory_of_an_integrated_gpu_is_told(monkeypatch, capsys, as_json):
    trials = [selftest.Trial('tensorrt'), selftest.Trial('onnxruntime-cpu')]
    monkeypatch.setattr(doctor, 'try_engines', lambda *args: trials)
    monkeypatch.setattr(doctor, 'try_memory', lambda found, gpu, given, log: (
        'memory: measured' if given == trials and gpu == 0 else 'wrong arguments'))
    assert doctor.run_doctor(DoctorOptions(selftest=True, json=as_json)) == 0
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out)['memory'] == 'memory: measured'
    else:
        assert 'memory: measured' in out.splitlines()


def test_long_lines_are_wrapped_and_say_what_to_run():
    text = str(Check('thing', WARNING, 'word ' * 40, 'do it'))
    lines = text.splitlines()
    assert all(len(line) <= 99 for line in lines) and len(lines) > 3
    assert lines[0].startswith('warning thing            word')
    assert lines[-1] == ' ' * 25 + '→ do it'
