# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A TensorRT execution context with fixed tensor addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class TensorRtBinding:
    """A network with fixed tensor addresses. :meth:`.tensorrt.TensorRtEngine.bind` makes it.

    Several bindings of one batch size use the same context. So each run first sets the addresses
    of its binding.

    :param context: an ``IExecutionContext``.
    :param addresses: mapping from the name of each tensor to its GPU address.
    :param check: a function of a bool and a text. If the bool is False, the function raises an
        EngineError with the text and TensorRT's reason.
    :param after_run: a function that is called after a run was enqueued.
    """

    def __init__(self, context: Any, addresses: Mapping[str, int],
                 check: Callable[[bool, str], None], after_run: Callable[[], None]) -> None:
        self._context = context
        self._addresses = addresses
        self._check = check
        self._after_run = after_run

    def set_addresses(self) -> None:
        """Give this binding's addresses to the context.

        :raises EngineError: if TensorRT refuses an address.
        """
        for name, address in self._addresses.items():
            self._check(self._context.set_tensor_address(name, address),
                        f'address {address:#x} of {name} is refused')

    def enqueue(self, stream: int) -> None:
        """Put one run of the network on the stream, which must be the stream of its engine.

        :raises EngineError: if TensorRT refuses the run.
        """
        self.set_addresses()
        self._check(self._context.execute_async_v3(stream), 'inference failed')
        self._after_run()
