# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Kernels that TensorRT-RTX compiles at the first runs of a plan, kept for the next start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class KernelCache:
    """TensorRT-RTX's runtime cache of one engine, filled from bytes and written back.

    What it holds is machine code: the bytes have to come from a place that can be trusted. That
    they are of this GPU, driver and version TensorRT-RTX checks itself.

    :param load: gives what an earlier start kept, b'' where there is none.
    :param keep: takes it for the next start.
    """

    def __init__(self, load: Callable[[], bytes], keep: Callable[[bytes], None]) -> None:
        self._load, self._keep = load, keep
        self._cache: Any = None
        self._known = b''
        self._saved: set[int] = set()

    def attach(self, config: Any) -> bool:
        """Give an IRuntimeConfig the cache; all contexts of an engine share it.

        :returns: False where TensorRT-RTX refused what was kept, which is then compiled anew.
        """
        fits = True
        if self._cache is None:
            self._cache = config.create_runtime_cache()
            data = self._load()
            fits = not data or bool(self._cache.deserialize(data))
            self._known = data if fits else b''
        config.set_runtime_cache(self._cache)
        return fits

    def save(self, count: int) -> None:
        """Keep the kernels after the first run of a batch size; later ones add none."""
        if self._cache is None or count in self._saved:
            return
        self._saved.add(count)
        data = bytes(memoryview(self._cache.serialize()))
        if data != self._known:
            self._keep(data)
            self._known = data

    def close(self) -> None:
        """Let go of it, after the contexts that use it."""
        self._cache = None
