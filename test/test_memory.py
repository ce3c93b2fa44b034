# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The threads of a process share a few arenas of malloc."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trt_segmentation.memory import ARENAS

COUNT_ARENAS = """
import ctypes, sys, threading
from trt_segmentation.memory import limit_arenas
if sys.argv[1] == 'limited':
    limit_arenas()
libc, together = ctypes.CDLL(None), threading.Barrier(7)
libc.malloc.restype = ctypes.c_void_p
def allocate():
    together.wait()
    libc.malloc(ctypes.c_size_t(5000))
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
together.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, 'stdout'))
libc.fflush(None)
together.wait()
"""


def count_arenas(word: str) -> int:
    told = subprocess.run([sys.executable, '-c', COUNT_ARENAS, word], capture_output=True,
                          text=True, check=True).stdout
    return told.count('<heap nr=')


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='only glibc has arenas')
def test_many_threads_share_a_few_arenas() -> None:
    assert count_arenas('limited') <= ARENAS < count_arenas('not limited')
