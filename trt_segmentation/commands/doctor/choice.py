# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Which engine ``auto`` takes here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...engines.nvidia_driver import Driver
from .libraries import absent, BUILDER, CUDA, RTX_CAPABILITIES, rtx_fits, tensorrt_or_why_not


@dataclass(frozen=True)
class EngineChoice:
    """Why each engine cannot be had, '' of those that can, the best first."""

    why_not: Mapping[str, str]

    @property
    def taken(self) -> str:
        """The first that can be had, or ''."""
        return next((name for name, why in self.why_not.items() if not why), '')

    @property
    def why(self) -> str:
        """What is wrong with each that would have been better."""
        before: dict[str, list[str]] = {}
        for name, why in self.why_not.items():
            if not why:
                break
            before.setdefault(why, []).append(name)
        return '; '.join(f'no {" and no ".join(names)}: {why}' for why, names in before.items()
                         ) or 'the first choice works'


def choose(found: Driver, gpu: int = 0) -> EngineChoice:
    """Judge every engine by what is installed, without opening one.

    In the order of :func:`trt_segmentation.pipeline.open_pipeline`, and by what its openers
    need; opening may still fail, which the self-test shows.
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
    except Exception as error:      # a broken binary raises what it likes
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
