# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""If TensorRT cannot use CUDA, our code says so. NVIDIA's real bindings and lean runtime run here.

On a machine without a driver, or with a driver that is too old, TensorRT gives no Builder and no
Runtime. The real bindings then raise a TypeError without a reason. The lean runtime of TensorRT
11.4 instead returns an object, and each call of this object crashes the process.
"""

from __future__ import annotations

import gc
from pathlib import Path
import platform
import subprocess
import sys

import pytest
import real_bindings
import stub_library

from trt_segmentation.engines.tensorrt_start import start_tensorrt
from trt_segmentation.errors import EngineError

PROGRAM = """
import importlib, sys, types

_, module, *plans = sys.argv
real = importlib.import_module(module)
tensorrt = types.ModuleType('tensorrt')
vars(tensorrt).update({**vars(real), '__name__': 'tensorrt'})
# The lean runtime lacks these two, and libraries with empty functions have no plugin registry.
vars(tensorrt).setdefault('Builder', None)
vars(tensorrt).setdefault('init_libnvinfer_plugins', lambda logger, namespace: True)
tensorrt.get_plugin_registry = lambda: types.SimpleNamespace(all_creators=[])
sys.modules['tensorrt'] = tensorrt

from trt_segmentation.engines.loaded_plan import LoadedPlan
from trt_segmentation.engines.plan import Plan
from trt_segmentation.engines.tensorrt import BACKEND, LIBRARY
from trt_segmentation.errors import EngineError
from trt_segmentation.model.card import load_card

assert BACKEND == 'tensorrt' and LIBRARY == f'TensorRT {real.__version__}', LIBRARY

def load(plan):
    LoadedPlan(Plan(bytes.fromhex(plan)), load_card('street'))

steps = [lambda plan=plan: load(plan) for plan in plans]
if hasattr(real, 'Builder'):
    import onnx
    from trt_segmentation.builder import build
    steps += [lambda: build.OperatorSupport()('Conv'),
              lambda: build.build_plan(onnx.ModelProto(), [])]
for step in steps:
    try:
        step()
    except EngineError as error:
        print(error, flush=True)
"""
PLANS = (b'', bytes(4000), b'not a plan' * 400)
HAS_DRIVER = Path('/proc/driver/nvidia/version').exists()
ADVICE = ('TensorRT needs an NVIDIA driver that is new enough for its version of CUDA. Update the '
          'driver, or install the TensorRT that fits the CUDA version of your driver')


@pytest.fixture(scope='module')
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('program') / 'program.py'
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize('version', real_bindings.VERSIONS)
def test_bindings_without_cuda_give_one_clear_error(program: Path, tmp_path: Path,
                                                    version: str) -> None:
    """Loading a plan, asking the parser and building a plan: each starts TensorRT."""
    done = real_bindings.run(version, tmp_path, program, '00')
    assert (done.returncode, done.stderr) == (0, '')
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and len(set(lines)) == 1
    assert lines[0].startswith(f'TensorRT {version}.')
    assert lines[0].endswith(f' cannot start: TensorRT gave no reason. {ADVICE}')


def test_the_lean_runtime_gives_one_clear_error(program: Path, tmp_path: Path) -> None:
    """Without a driver the runtime cannot start. With a driver it refuses each of these plans."""
    done = real_bindings.run(real_bindings.LEAN, tmp_path, program,
                             *(plan.hex() for plan in PLANS))
    assert (done.returncode, done.stderr) == (0, '')
    lines = done.stdout.splitlines()
    assert len(lines) == len(PLANS)
    if HAS_DRIVER:
        assert all(line.startswith('TensorRT 11.4.0.106 cannot load the plan: ') for line in lines)
        assert 'empty memory buffer' in lines[0]
        assert 'magicTag' in lines[1] and 'magicTag' in lines[2]
    else:
        assert all(line.startswith('TensorRT 11.4.0.106 cannot start: createInferRuntime: ')
                   and 'CUDA initialization failure with error: 35' in line
                   and line.endswith(ADVICE) for line in lines)


class Log:
    def __init__(self) -> None:
        self.lines, self.errors = ['old'], ['an error of an earlier call']


def test_a_start_without_errors_returns_the_object() -> None:
    log, logger, made = Log(), object(), object()
    assert start_tensorrt(lambda given: made if given is logger else None, logger, log,
                          'TensorRT 9') is made


def test_an_error_about_something_else_does_not_stop_a_start() -> None:
    log = Log()
    assert start_tensorrt(lambda logger: log.errors.append('no DLA') or 1, log, log, 'x') == 1


def test_warnings_are_the_reason_if_there_are_no_errors() -> None:
    def make(log: Log) -> None:
        log.lines = ['CUDA initialization failure with error: 35']
        raise TypeError('pybind11::init(): factory function returned nullptr')

    log = Log()
    log.errors.clear()
    with pytest.raises(EngineError) as caught:
        start_tensorrt(make, log, log, 'TensorRT 9')
    assert str(caught.value) == (
        f'TensorRT 9 cannot start: CUDA initialization failure with error: 35. {ADVICE}')


def test_an_object_that_was_made_with_errors_is_never_freed() -> None:
    freed = []

    class Runtime:
        def __init__(self, log: Log) -> None:
            log.errors.append('CUDA initialization failure with error: 35')

        def __del__(self) -> None:
            freed.append(self)

    log = Log()
    with pytest.raises(EngineError, match=r'^TensorRT 9 cannot start: CUDA init.* error: 35. T'):
        start_tensorrt(Runtime, log, log, 'TensorRT 9')
    gc.collect()
    assert not freed


def test_a_library_has_the_functions_that_the_bindings_need(tmp_path: Path) -> None:
    path = tmp_path / 'libnvinfer.so.10'
    path.write_bytes(stub_library.make_library(path.name, stub_library.FUNCTIONS))
    code = ('import ctypes, sys\n'
            'library = ctypes.CDLL(sys.argv[1])\n'
            'print([getattr(library, name)() for name in sys.argv[2:]])\n'
            'print(hasattr(library, "another"))')
    if sys.platform != 'linux' or platform.machine() != 'x86_64':
        pytest.skip('the library is for Linux on x86_64')
    done = subprocess.run([sys.executable, '-c', code, path, *stub_library.FUNCTIONS],
                          capture_output=True, text=True)
    assert done.stdout.splitlines() == [str([0] * 9), 'False'], done.stderr
