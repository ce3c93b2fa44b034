# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Lets the threads of the live network interrupt a thread that opens or closes a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import sys
import threading

TURN_SECONDS = 0.0005
"""Seconds after which a thread must let another waiting thread use Python's lock (GIL)."""

_lock = threading.Lock()
_users = 0
_before = 0.0  # the interval before the first user began


@contextmanager
def short_turns() -> Iterator[None]:
    """Shorten the turns of all Python threads of this process during a ``with`` block.

    By default, a thread that computes in Python keeps Python's lock (GIL) for 5 ms. The check of
    an ONNX file is such work. A live frame passes through several threads, and each of them may
    have to wait for the lock. Several threads may use this function at the same time.
    """
    global _users, _before
    with _lock:
        if not _users:
            _before = sys.getswitchinterval()
            sys.setswitchinterval(min(TURN_SECONDS, _before))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                sys.setswitchinterval(_before)
