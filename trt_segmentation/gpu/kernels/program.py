# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles this package's CUDA C++ files for one GPU, and stores the results on disk."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import logging
from pathlib import Path
from typing import Any

from cuda.bindings import driver
from cuda.core import Program, ProgramOptions

from ...engines.cuda_driver import call
from ...errors import CacheError, EngineError
from ...installed.files import user_cache_folder
from ...installed.pip_names import pip_install
from ...untrusted.signed_files import load_signed, make_private_folder, SignedFile, store_signed

log = logging.getLogger(__name__)

IMAGES = 16
"""Largest number of images in one launch of a kernel. The kernel's parameters describe each image,
and CUDA limits the size of these parameters to 4 KB."""


def source(file: str) -> str:
    """Return the text of image.cuh followed by the text of a kernel file."""
    folder = Path(__file__).parent
    return '\n'.join(
        f'#line 1 "{name}"\n' + (folder / name).read_text(encoding='utf-8')
        for name in ('image.cuh', file))


def compile_cubin(file: str, arch: str, defines: Mapping[str, str | int]) -> bytes:
    """Compile a kernel file with NVRTC. The compilation needs no GPU.

    :param file: the file's name in this folder.
    :param arch: the GPU's architecture, such as ``sm_90``.
    :param defines: preprocessor macros. The comment at the top of the file lists the macros.
    :returns: the cubin. A cubin is machine code for this architecture.
    :raises EngineError: if the file cannot be compiled. The message has the compiler's log.
    """
    options = ProgramOptions(
        std='c++17', arch=arch,
        define_macro=[(name, str(value)) for name, value in {**defines, 'IMAGES': IMAGES}.items()])
    try:
        code = Program(source(file), 'c++', options).compile('cubin')
    except Exception as error:  # an error of NVRTC, or of its loader if NVRTC is missing
        raise EngineError(
            f'{file} cannot be compiled for {arch}: {error}. Install a version of NVRTC that '
            f'fits the driver: {pip_install("nvidia-cuda-nvrtc")}') from error
    return bytes(code.code)


def cached_cubin(file: str, arch: str, defines: Mapping[str, str | int],
                 folder: Path | None = None) -> bytes:
    """Return the cubin of a kernel file from disk. If the disk has none, compile the file.

    A cubin is machine code. So a cubin on disk is used only if its file belongs to this user and
    is unchanged. See :func:`compile_cubin` for the other parameters and the error.

    :param folder: the folder of the cubins; None for :func:`cache_folder`.
    """
    folder = folder or cache_folder()
    text = '\0'.join([source(file), arch, str(newest_cuda()), str(IMAGES),
                      *(f'{name}={value}' for name, value in sorted(defines.items()))])
    path = folder / f'{Path(file).stem}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.cubin'
    kept, _ = load_signed(path)
    if kept is not None:
        return kept.data
    log.info('compiling %s for %s; later starts use the result', file, arch)
    cubin = compile_cubin(file, arch, defines)
    try:
        make_private_folder(folder)
        store_signed(path, SignedFile(cubin), {})
    except (OSError, CacheError) as error:
        log.warning('cannot write the compiled %s to %s, so every start compiles it again: %s',
                    file, folder, error)
    return cubin


def cache_folder() -> Path:
    """Return the folder of the cubins. Only this user can write to it, because cubins are code."""
    return user_cache_folder() / 'cubins'


def newest_cuda() -> int:
    """Return the newest CUDA version that the driver knows. 13000 means 13.0."""
    return int(call(driver.cuDriverGetVersion))


class Kernel:
    """One kernel, loaded on the calling thread's GPU.

    :param cubin: the result of :func:`cached_cubin` for this GPU.
    :raises GpuError: if the driver cannot load the cubin.
    """

    def __init__(self, cubin: bytes, name: str) -> None:
        self._module = call(driver.cuModuleLoadData, cubin)
        self.function: Any = call(driver.cuModuleGetFunction, self._module, name.encode())

    def close(self) -> None:
        """Unload the kernel. The GPU must no longer run the kernel. A second call does nothing."""
        if self._module is not None:
            call(driver.cuModuleUnload, self._module)
            self._module = None
