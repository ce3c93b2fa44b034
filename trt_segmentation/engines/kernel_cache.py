# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Store the kernels that TensorRT-RTX compiles. The next start then needs no compilation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class KernelCache:
    """The runtime cache of TensorRT-RTX for one engine.

    Only one thread at a time may use this object.

    The cache holds machine code, so its bytes must come from a trusted source. TensorRT-RTX checks
    that the bytes fit this GPU, this driver and this version of TensorRT-RTX.

    :param load: a function that returns the bytes that an earlier start stored; b'' if there are
        none.
    :param keep: a function that stores the bytes for the next start.
    """

    def __init__(self, load: Callable[[], bytes], keep: Callable[[bytes], None]) -> None:
        self._load, self._keep = load, keep
        self._cache: Any = None
        self._kept = b''
        self._saved: set[int] = set()

    def attach(self, config: Any) -> bool:
        """Let a new execution context use the cache. All contexts of an engine share one cache.

        :param config: the ``IRuntimeConfig`` of the context.
        :returns: False if TensorRT-RTX refuses the bytes of the earlier start. In this case,
            TensorRT-RTX compiles the kernels again.
        """
        is_accepted = True
        if self._cache is None:
            self._cache = config.create_runtime_cache()
            data = self._load()
            is_accepted = not data or bool(self._cache.deserialize(data))
            self._kept = data if is_accepted else b''
        config.set_runtime_cache(self._cache)
        return is_accepted

    def save(self, count: int) -> None:
        """Store the kernels after the first run with ``count`` images.

        A later call with the same ``count`` does nothing.
        """
        if self._cache is None or count in self._saved:
            return
        self._saved.add(count)
        data = bytes(memoryview(self._cache.serialize()))
        if data != self._kept:
            self._keep(data)
            self._kept = data

    def close(self) -> None:
        """Free the runtime cache. Close the contexts that use the cache before this call."""
        self._cache = None
