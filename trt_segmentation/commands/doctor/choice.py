# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find out which engine the setting ``auto`` chooses on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...engines.nvidia_driver import Driver
from .libraries import absent, BUILDER, CUDA, RTX_CAPABILITIES, rtx_fits, tensorrt_or_why_not


@dataclass(frozen=True)
class EngineChoice:
    """The engines that can and cannot run on this machine.

    :param why_not: for each engine, the reason why it cannot run; empty if the engine can run.
        The best engine comes first.
    """

    why_not: Mapping[str, str]

    @property
    def taken(self) -> str:
        """Name of the first engine that can run; empty if none can."""
        return next((name for name, why in self.why_not.items() if not why), '')

    @property
    def why(self) -> str:
        """The reason why each engine before :attr:`taken` cannot run."""
        before: dict[str, list[str]] = {}
        for name, why in self.why_not.items():
            if not why:
                break
            before.setdefault(why, []).append(name)
        return '; '.join(f'no {" and no ".join(names)}: {why}' for why, names in before.items()
                         ) or 'the best engine can run'


def choose_engine(found: Driver, gpu: int = 0) -> EngineChoice:
    """Check for every engine whether its requirements are installed, without opening the engine.

    The order and the requirements are the same as in
    :func:`trt_segmentation.pipeline.open_pipeline`. An engine that has all requirements may still
    fail to open. Only the self-test shows whether the engine opens.

    :param gpu: index of the GPU in CUDA's order.
    """
    return EngineChoice({'tensorrt': _tensorrt(found, gpu), 'onnxruntime-cuda': _cuda(found, gpu),
                         'onnxruntime-cpu': _cpu()})


def _tensorrt(found: Driver, gpu: int) -> str:
    chosen, why_not = found.gpu_or_why_not(gpu)
    if chosen is None:
        return why_not
    library, why_not = tensorrt_or_why_not()
    if not library:
        return why_not
    if not rtx_fits(library, chosen.capability):
        return (f'{library} runs on {RTX_CAPABILITIES}, but GPU {gpu} has '
                f'{chosen.capability[0]}.{chosen.capability[1]}')
    return _missing(*BUILDER, *CUDA)


def _cuda(found: Driver, gpu: int) -> str:
    chosen, why_not = found.gpu_or_why_not(gpu)
    if chosen is None:
        return why_not
    try:
        import onnxruntime
        if 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
            return f'ONNX Runtime {onnxruntime.__version__} was built without CUDA'
    except Exception as error:      # a broken package may raise any exception
        return f'ONNX Runtime cannot be imported: {error}'
    return _missing(*CUDA)


def _cpu() -> str:
    try:
        import onnxruntime  # noqa: F401
    except Exception as error:
        return f'ONNX Runtime cannot be imported: {error}'
    return _missing('numpy', 'cv2', 'yaml')


def _missing(*names: str) -> str:
    missing = absent(*names)
    return f'{", ".join(missing)} not installed' if missing else ''
