# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What a network has to do to run between the kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..model.card import ModelCard
from ..model.signature import Signature
from .cuda_graph import Enqueues


class DeviceEngine(Protocol):
    """A network on a GPU that reads and writes where it is told and never waits.

    Called by one thread at a time, with the GPU's context current.

    :param name: one of :data:`trt_segmentation.engines.ENGINES`.
    :param version: the engine library's version.
    :param precision: as :class:`trt_segmentation.engines.Identity`.
    """

    signature: Signature
    name: str
    version: str
    precision: str

    @property
    def capturable(self) -> bool:
        """Whether what it enqueues may be captured; False where it has a graph of its own."""

    def takes(self, count: int) -> bool:
        """Whether a run may have that many images."""

    def answer_shape(self, count: int) -> tuple[int, ...]:
        """Shape of the answer's tensor for a batch of ``count`` images."""

    def bind(self, count: int, tensor: int, answer: int) -> Enqueues:
        """The network on a batch of ``count`` images at fixed addresses on the GPU.

        What is returned runs on the stream the engine was opened with. Its first two runs may
        allocate and wait; later ones must not. Any number may be bound, also of the same count
        at other addresses; runs never overlap, so they may share everything but their tensors.

        :param tensor: address of the input, of ``signature.input.shape(count)``.
        :param answer: address of the output, of :meth:`answer_shape`.
        :raises EngineError: when the network does not take that.
        """

    def close(self) -> None:
        """Free the network; a second call does nothing."""


OpenEngine = Callable[[ModelCard, int, int], DeviceEngine]
"""(card, index of the GPU, stream) to an engine that enqueues on that stream."""
