# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The doctor's packages for each GPU, on simulated machines. Only the H200 was real."""

from __future__ import annotations

from pathlib import Path
import sys

import pytest

from trt_segmentation.commands.doctor import package_set
from trt_segmentation.commands.doctor.choice import EngineChoice
from trt_segmentation.commands.doctor.libraries import NO_TENSORRT
from trt_segmentation.commands.doctor.package_set import advise_faster, choose_set
from trt_segmentation.engines.nvidia_driver import Driver, DriverGpu
from trt_segmentation.installed.pip_names import GPU_SETS, pip_install


def machine(capability: tuple[int, int], cuda: tuple[int, int] = (13, 0)) -> Driver:
    return Driver('580.65.06', cuda, (DriverGpu('a GPU', capability, 24 << 30, False),))


NO_GPU = Driver('', (0, 0), (), 'there is no NVIDIA GPU here')
NO_DRIVER = Driver('', (0, 0), (), 'there is an NVIDIA GPU without a driver')
CPU, CUDA, TENSORRT = (EngineChoice({'tensorrt': a, 'onnxruntime-cuda': b, 'onnxruntime-cpu': ''})
                       for a, b in (('no', 'no'), ('no', ''), ('', '')))


@pytest.fixture(autouse=True)
def new_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_set, 'PYTHON', (3, 12))


@pytest.mark.parametrize(('found', 'name'), [
    (machine((9, 0)), 'cuda13'),                # H200
    (machine((10, 0)), 'cuda13'),               # B200
    (machine((8, 9)), 'tensorrt-rtx'),          # RTX 4090
    (machine((12, 0)), 'tensorrt-rtx'),         # RTX 5090
    (machine((7, 5)), 'tensorrt-rtx'),          # T4
    (machine((7, 0)), 'cuda12'),                # V100, which CUDA 13 does not support
    (machine((8, 9), (12, 4)), 'cuda12'),       # TensorRT-RTX from PyPI needs CUDA 13
    (machine((9, 0), (12, 8)), 'cuda12')])
def test_packages_fit_the_gpu_and_its_driver(found: Driver, name: str) -> None:
    assert choose_set(found) == (name, '')


@pytest.mark.parametrize(('found', 'gpu', 'python', 'why'), [
    (NO_GPU, 0, (3, 12), 'there is no NVIDIA GPU here'),
    (machine((9, 0)), 1, (3, 12),
     'there is no GPU 1, because this machine has 1 GPU, counted from 0'),
    (machine((9, 0)), 0, (3, 10), 'the packages for the GPU need Python 3.11 '
     'or newer, and this is Python 3.10'),
    (machine((8, 0), (11, 8)), 0, (3, 12), 'the packages for the GPU need a driver for '
     'CUDA 12, and this driver runs only CUDA 11.8')])
def test_no_packages_have_a_reason(monkeypatch: pytest.MonkeyPatch, found: Driver, gpu: int,
                                   python: tuple[int, int], why: str) -> None:
    monkeypatch.setattr(package_set, 'PYTHON', python)
    assert choose_set(found, gpu) == ('', why)


@pytest.mark.parametrize(('found', 'choice', 'line'), [
    (NO_GPU, CPU, 'nothing to install: there is no NVIDIA GPU here'),
    (NO_DRIVER, CPU, 'faster: sudo ubuntu-drivers install, then restart the machine'),
    (machine((9, 0)), CPU, 'faster: pip uninstall --yes onnxruntime && '
     + pip_install(*GPU_SETS['cuda13'])),
    (machine((8, 9)), CPU, 'faster: ' + pip_install(*GPU_SETS['tensorrt-rtx'])),
    (machine((8, 9)), CUDA, 'faster: ' + pip_install(*GPU_SETS['tensorrt-rtx'])),
    (machine((9, 0)), CUDA, 'faster: '
     + pip_install('tensorrt-cu13', 'onnx', 'onnxslim', 'filelock')),
    (machine((9, 0), (12, 8)), CUDA, 'nothing to install: ' + NO_TENSORRT),
    (machine((7, 0)), CUDA, 'nothing to install: ' + NO_TENSORRT),
    (machine((9, 0)), TENSORRT, 'nothing to install: the best engine, tensorrt, is already used')])
def test_one_command_makes_the_machine_faster(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: Driver, choice: EngineChoice,
        line: str) -> None:
    monkeypatch.setattr(sys, 'prefix', str(tmp_path))
    assert advise_faster(found, choice) == line


def test_dev_installs_what_its_own_environment_lacks(monkeypatch: pytest.MonkeyPatch,
                                                     tmp_path: Path) -> None:
    monkeypatch.setattr(sys, 'prefix', str(tmp_path))
    (tmp_path / 'installed').touch()
    assert advise_faster(machine((9, 0)), CPU) == 'faster: ./dev demo'
    assert advise_faster(NO_GPU, CPU) == 'nothing to install: there is no NVIDIA GPU here'


@pytest.mark.parametrize(('found', 'choice', 'out', 'said'), [
    (NO_GPU, CPU, '\n', 'the CPU runs the network: there is no NVIDIA GPU here'),
    (machine((9, 0)), CPU, 'cuda13\n', 'a GPU needs the packages of requirements/cuda13.lock'),
    (machine((9, 0)), CUDA, '\n', 'onnxruntime-cuda is installed and uses a GPU'),
    (machine((8, 9)), TENSORRT, '\n', 'tensorrt is installed and uses a GPU')])
def test_dev_reads_the_name_of_the_set_and_the_user_reads_a_reason(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: Driver,
        choice: EngineChoice, out: str, said: str) -> None:
    monkeypatch.setattr(package_set, 'ask_driver', lambda: found)
    monkeypatch.setattr(package_set, 'choose_engine', lambda found: choice)
    package_set.main()
    assert capsys.readouterr() == (out, f'./dev: {said}\n')


def test_dev_finds_a_lock_file_for_every_set() -> None:
    root = Path(__file__).parents[3]
    assert {path.stem for path in root.glob('requirements/*.lock')} == {*GPU_SETS, 'demo'}
