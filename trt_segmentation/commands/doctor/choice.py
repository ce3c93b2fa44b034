# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find out which engine ``auto`` takes on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...engines.nvidia_driver import Driver
from .libraries import absent, BUILDER, CUDA, RTX_CAPABILITIES, rtx_fits, tensorrt_or_why_not


@dataclass(frozen=True)
class EngineChoice:
    """Why each engine cannot run here, the best engine first; empty text if it can run."""

    why_not: Mapping[str, str]

    @property
    def taken(self) -> str:
        """Name of the first engine that can run; empty if none can."""
        return next((name for name, why in self.why_not.items() if not why), '')

    @property
    def why(self) -> str:
        """Why each better engine cannot run."""
        before: dict[str, list[str]] = {}
        for name, why in self.why_not.items():
            if not why:
                break
            before.setdefault(why, []).append(name)
        return '; '.join(f'no {" and no ".join(names)}: {why}' for why, names in before.items()
                         ) or 'the first choice works'


def choose_engine(found: Driver, gpu: int = 0) -> EngineChoice:
    """Judge every engine by what is installed, without opening it.

    The order is that of :func:`trt_segmentation.pipeline.open_pipeline`, and so are the
    requirements. Opening may still fail; the self-test shows that.
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
        return (f'{library} runs on {RTX_CAPABILITIES}, GPU {gpu} has '
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
    except Exception as error:      # a broken binary may raise any exception
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
