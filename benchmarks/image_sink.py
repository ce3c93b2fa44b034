# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A sink for the subscriptions of a benchmark. A benchmark must receive every image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trt_segmentation.memory import Memory, PageMemory


class ImageSink:
    """Calls a function with every image, in the executor's thread.

    :param take: function that receives each image and releases it.
    """

    buffers = 4

    def __init__(self, take: Callable[[Any], None]) -> None:
        self.offer = take

    def not_taken(self, reason: str, text: str, stamp_ns: int | None = None) -> None:
        """End the benchmark, because its results would lack an image."""
        raise RuntimeError(f'an image came, but could not be taken ({reason}): {text}')

    def allocate(self, nbytes: int) -> Memory:
        return PageMemory(nbytes)
