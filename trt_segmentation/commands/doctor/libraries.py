# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Check the required Python packages, and the packages that engines and tools need."""

from __future__ import annotations

from importlib import import_module, metadata
from importlib.util import find_spec

from ...engines.nvidia_driver import Driver
from ...installed.pip_names import GPU_SETS, pip_install, PIP_NAMES
from .check import Check, ERROR, OK, WARNING

BASE = {name: PIP_NAMES[name] for name in ('numpy', 'cv2', 'onnxruntime', 'yaml')}
"""Maps the import name of each required package to its name for pip."""

BUILDER = ('onnx', 'onnxslim', 'filelock')
CUDA = {'cuda.core': 'cuda-core[cu13]', 'cuda.bindings': 'cuda-bindings'}
TOOLS = ('rich', 'rosbags', 'matplotlib', 'PIL')
RTX_CAPABILITIES = 'compute capability 7.5, 8.x and 12.x'
OLDEST = (7, 5)
"""Lowest compute capability that CUDA 13 supports."""
NO_TENSORRT = 'tensorrt-cu13 needs a driver for CUDA 13 and compute capability 7.5 or more'


def base_packages() -> list[Check]:
    """Import each required package, because an installed package may still be broken."""
    checks = []
    for name, pip in BASE.items():
        try:
            version = getattr(import_module(name), '__version__', 'unknown version')
            checks.append(Check(name, OK, str(version)))
        except Exception as error:      # a broken package may raise any exception
            checks.append(Check(name, ERROR, f'cannot be imported: {error}', pip_install(pip)))
    return checks


def absent(*names: str) -> list[str]:
    """Return the names of the modules that are not installed."""
    def is_there(name: str) -> bool:
        try:
            return find_spec(name) is not None
        except (ImportError, ValueError):       # the parent package is missing or blocked
            return False
    return [name for name in names if not is_there(name)]


def tensorrt_or_why_not() -> tuple[str, str]:
    """Return two texts: the name and version of TensorRT, and why TensorRT cannot be imported.

    One of the two texts is empty.
    """
    try:
        from ...engines.tensorrt import LIBRARY
    except Exception as error:      # EngineError, or any exception of TensorRT or numpy
        return '', str(error)
    return LIBRARY, ''


def rtx_fits(library: str, capability: tuple[int, int]) -> bool:
    """Return whether the installed TensorRT or TensorRT-RTX runs on a GPU with ``capability``.

    :param library: name and version of the installed library, from :func:`tensorrt_or_why_not`.
    """
    return 'RTX' not in library or capability == (7, 5) or capability[0] in (8, 12)


def can_run_cuda13(found: Driver, gpu: int) -> bool:
    """Return whether a GPU and its driver can run packages that were built for CUDA 13."""
    chosen, _ = found.gpu_or_why_not(gpu)
    return found.cuda >= (13, 0) and (chosen is None or chosen.capability >= OLDEST)


def tensorrt(found: Driver, gpu: int) -> Check:
    """Check TensorRT or TensorRT-RTX, and the packages that a build needs."""
    library, why_not = tensorrt_or_why_not()
    if not library:
        if not found.gpus:
            return Check('TensorRT', OK, 'not installed, and not needed without a GPU')
        return Check('TensorRT', WARNING, why_not, _install_tensorrt(found, gpu))
    chosen, _ = found.gpu_or_why_not(gpu)
    if chosen and not rtx_fits(library, chosen.capability):
        return Check('TensorRT', WARNING, f'{library} runs on {RTX_CAPABILITIES}, but GPU {gpu} '
                     f'has {chosen.capability[0]}.{chosen.capability[1]}',
                     _install_tensorrt(found, gpu))
    if missing := absent(*BUILDER):
        return Check('TensorRT', WARNING, f'{library}, but building an engine also needs '
                     f'{", ".join(missing)}', _install(missing))
    return Check('TensorRT', OK, library + (
        '; without a GPU, `trt_seg build --out` calibrates, and tries whether a network can be '
        'built. ROS nodes do not load this engine'
        if 'RTX' in library and not found.gpus else ''))


def onnx_runtime(found: Driver, gpu: int) -> Check:
    """Check the execution providers of ONNX Runtime."""
    try:
        import onnxruntime
        providers = onnxruntime.get_available_providers()
    except Exception as error:
        return Check('ONNX providers', WARNING, f'ONNX Runtime cannot be imported: {error}')
    text = ', '.join(name.removesuffix('ExecutionProvider') for name in providers)
    if found.gpus and 'CUDAExecutionProvider' not in providers:
        packages = GPU_SETS['cuda13' if can_run_cuda13(found, gpu) else 'cuda12']
        return Check('ONNX providers', WARNING, f'{text}; this build of ONNX Runtime cannot use '
                     'the GPU', f'pip uninstall --yes onnxruntime && {pip_install(packages[0])}')
    return Check('ONNX providers', OK, text)


def cuda_python(found: Driver) -> Check:
    """Check cuda-python, and whether the driver is new enough for cuda-python."""
    missing = absent(*CUDA)
    if missing:
        return Check('cuda-python', WARNING if found.gpus else OK,
                     f'{", ".join(missing)} not installed'
                     + ('; the GPU pipeline needs cuda-python' if found.gpus else ', and not '
                        'needed without a GPU'),
                     pip_install(*(CUDA[name] for name in missing)) if found.gpus else '')
    versions = {name: _version(name) for name in ('cuda-core', 'cuda-bindings')}
    text = ', '.join(f'{name} {version}' for name, version in versions.items())
    major = int(versions['cuda-bindings'].partition('.')[0] or 0)
    if found.gpus and major > found.cuda[0]:
        return Check('cuda-python', WARNING, f'{text}, but the driver supports CUDA only up '
                     f'to {found.cuda[0]}.{found.cuda[1]}',
                     f'{pip_install(f"cuda-core[cu{found.cuda[0]}]")}, or install a newer driver')
    return Check('cuda-python', OK, text)


def video() -> Check:
    """Import PyAV, which reads videos and cameras and writes mp4 files."""
    try:
        version = import_module('av').__version__
    except Exception as error:      # a broken binary may raise any exception
        return Check('PyAV', WARNING, f'cannot be imported: {error}. Without PyAV, no video, '
                     'camera or RTSP stream is read, and no mp4 is written',
                     pip_install(PIP_NAMES['av']))
    return Check('PyAV', OK, str(version))


def tools() -> Check:
    """Check the packages that the commands for bags, reports and builds need."""
    missing = absent(*TOOLS, *BUILDER)
    if not missing:
        return Check('tools', OK, ', '.join((*TOOLS, *BUILDER)))
    return Check('tools', WARNING, f'{", ".join(missing)} not installed; some of the commands '
                 'replay, eval, demo and build need these packages', _install(missing))


def _install_tensorrt(found: Driver, gpu: int) -> str:
    return pip_install(PIP_NAMES['tensorrt']) if can_run_cuda13(found, gpu) else NO_TENSORRT


def _install(missing: list[str]) -> str:
    return pip_install(*(PIP_NAMES[name] for name in missing))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ''
