# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A TensorRT execution context with fixed tensor addresses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ..errors import EngineError


class TensorRtBinding:
    """A network with fixed tensors. :meth:`.tensorrt_engine.TensorRtEngine.bind` makes it.

    No other object changes the binding's context. So a CUDA graph can contain the binding's runs.

    :param context: an ``IExecutionContext`` that has its shapes, addresses and memory.
    :param log: receives TensorRT's log lines in a ``with`` block.
    :param check: a function of a bool and a text. If the bool is False, the function raises an
        EngineError with the text and TensorRT's reason.
    :param after_run: a function that is called after a run was enqueued.
    """

    def __init__(self, context: Any, log: AbstractContextManager[object],
                 check: Callable[[bool, str], None], after_run: Callable[[], None]) -> None:
        self._context = context
        self._log = log
        self._check = check
        self._after_run = after_run

    def enqueue(self, stream: int) -> None:
        """Put one run of the network on the stream, which must be the stream of its engine.

        :raises EngineError: if TensorRT refuses the run, or if the engine is closed.
        """
        if self._context is None:
            raise EngineError('the engine of this binding is closed; open it again')
        with self._log:
            self._check(self._context.execute_async_v3(stream), 'inference failed')
        self._after_run()

    def close(self) -> None:
        """Free the context. The engine calls this method."""
        self._context = None
