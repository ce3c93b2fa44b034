# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The interface between the GPU pipeline and an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..model.card import ModelCard
from ..model.signature import Signature
from .cuda_graph import Enqueues


class DeviceEngine(Protocol):
    """A network on a GPU. The network reads and writes the caller's GPU memory.

    Only one thread at a time may call the methods. The GPU must be current in this thread.

    :class:`trt_segmentation.engines.Identity` explains the attributes ``version``, ``precision``,
    ``cache`` and ``tuning``. The attribute ``name`` is the same as ``engine`` in that class.
    """

    signature: Signature
    name: str
    version: str
    precision: str
    cache: str
    tuning: str

    def can_be_captured(self) -> bool:
        """Return whether a CUDA graph can contain the network. The first call may allocate memory.

        The result is False if the engine already runs the network as a CUDA graph of its own.
        """

    def takes(self, count: int) -> bool:
        """Return whether a run may have ``count`` images."""

    def output_shape(self, count: int) -> tuple[int, ...]:
        """Return the output's shape for a batch of ``count`` images."""

    def bind(self, count: int, input_address: int, output_address: int) -> Enqueues:
        """Bind the network to a batch of ``count`` images at fixed GPU addresses.

        The binding runs on the stream that was given when the engine was opened. The first two
        runs of a binding may allocate memory and wait. Later runs must not wait or allocate
        memory. One engine may have any number of bindings. The runs of two bindings never overlap,
        so bindings may share everything except their tensors.

        :param input_address: address of a tensor with shape ``signature.input.shape(count)``.
        :param output_address: address of a tensor with the shape from :meth:`output_shape`.
        :raises EngineError: if the network does not accept this batch or these addresses.
        """

    def close(self) -> None:
        """Free the network. A second call does nothing."""


OpenEngine = Callable[[ModelCard, int, int], DeviceEngine]
"""A function that opens an engine. Its arguments are the card, the index of the GPU, and the
engine's stream."""
