# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the CUDA kernels on the CPU: g++ compiles the kernel files, and a loop runs the threads.

This finds wrong results without a GPU. It does not find races and errors of a GPU's compiler, but
the kernels share no memory between threads. Half floats are left out, because they use assembler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import ctypes
from functools import cache
from pathlib import Path
import re
import shutil
import subprocess
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

from trt_segmentation.gpu.kernels import program

SHIM = """
#include <algorithm>
#include <cmath>
#include <cstddef>
using std::max;
using std::min;
#define __device__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(threads)
struct Index { unsigned x, y, z; };
static Index blockIdx, blockDim, threadIdx;
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
inline float __expf(float x) { return expf(x); }
inline int __float2int_rn(float x) { return int(rintf(x)); }
"""
LOOP = """
extern "C" void run(const PARAMS* params, const unsigned* grid, const unsigned* block)
{
    blockDim = {block[0], block[1], block[2]};
    for (unsigned z = 0; z < grid[2]; z++)
        for (unsigned y = 0; y < grid[1] * block[1]; y++)
            for (unsigned x = 0; x < grid[0] * block[0]; x++) {
                blockIdx = {x / block[0], y / block[1], z};
                threadIdx = {x % block[0], y % block[1], 0};
                KERNEL(*params);
            }
}
"""


def has_compiler() -> bool:
    return shutil.which('g++') is not None


@cache
def _compile(file: str, macros: tuple[tuple[str, str], ...]) -> Any:
    folder = Path(mkdtemp(prefix='kernels-'))
    name = Path(file).stem
    text = re.sub(r'asm\(.*\);', '', program.source(file))
    loop = LOOP.replace('PARAMS', name.capitalize()).replace('KERNEL', name)
    (folder / 'kernel.cpp').write_text(SHIM + text + loop)
    subprocess.run(['g++', '-std=c++17', '-O1', '-w', '-shared', '-fPIC', '-o',
                    folder / 'kernel.so', folder / 'kernel.cpp',
                    *(f'-D{key}={value}' for key, value in macros)], check=True)
    library = ctypes.CDLL(str(folder / 'kernel.so'))
    shutil.rmtree(folder)
    return library.run


def emulate(file: str, macros: Mapping[str, str | int]) -> Callable[[Any], None]:
    """Compile a kernel file. Return a function that runs a prepared launch."""
    run = _compile(file, tuple((key, str(value)) for key, value in
                               sorted({**macros, 'IMAGES': program.IMAGES}.items())))

    def launch_now(launch: Any) -> None:
        grid, block = (ctypes.c_uint * 3)(*launch.grid), (ctypes.c_uint * 3)(*launch.block)
        run(ctypes.byref(launch.params), grid, block)
    return launch_now


class EmulatedKernel(SimpleNamespace):
    """Stands for a :class:`.program.Kernel`. The function is that of :func:`emulate`."""

    def __init__(self, cubin: tuple[str, Mapping[str, str | int]], name: str) -> None:
        super().__init__(function=emulate(*cubin))

    def close(self) -> None:
        pass


def use_emulation(monkeypatch: Any, module: Any) -> None:
    """Let the launches of a module run on the CPU: ``launch.function(launch)`` runs them."""
    monkeypatch.setattr(module, 'cached_cubin', lambda file, arch, macros: (file, macros))
    monkeypatch.setattr(module, 'Kernel', EmulatedKernel)
