# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The key of a plan: everything that the plan depends on.

A plan holds the bytes of a TensorRT engine.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
import hashlib
import json
from typing import Any

from ..untrusted.signed_files import SCHEMA


@dataclass(frozen=True)
class EngineKey:
    """Everything that a plan depends on. Two plans with equal keys are interchangeable.

    :param model: digest of the ONNX file and its external data, see :func:`.graph.model_digest`.
    :param scales: digest of the part of the calibration that the plan uses; empty if the
        plan uses no calibration.
    :param keep_fp16: patterns. A node whose name matches a pattern must not become INT8.
    :param shapes: requested image sizes, requested batch sizes, and the image size in the
        model card.
    :param options: all builder settings, such as workspace and optimisation level.
    :param backend: ``tensorrt`` or ``tensorrt_rtx``; ``version`` is the version of this library.
    :param gpu: name of the GPU; empty if the plan is not for one particular GPU.
    :param arch: compute capability such as ``sm_87``; empty if ``gpu`` is empty.
    :param driver: branch of the driver, such as ``580``; empty if ``gpu`` is empty.
    :param schema: version of this key's format.
    """

    model: str
    precision: str
    scales: str
    keep_fp16: tuple[str, ...]
    shapes: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    backend: str
    version: str
    gpu: str
    arch: str
    driver: str
    schema: int = SCHEMA

    @property
    def digest(self) -> str:
        """Name of the plan's file without the ending: 40 hex digits."""
        return _digest(asdict(self))

    @property
    def timing(self) -> str:
        """Name of the file with the timing cache (TensorRT's measured times of kernels).

        The name has no ending. On one GPU, all models share one timing cache.
        """
        return _digest([self.backend, self.version, self.gpu, self.arch, self.driver, SCHEMA])


def _digest(tree: Any) -> str:
    text = json.dumps(tree, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()[:40]
