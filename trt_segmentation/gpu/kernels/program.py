# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""CUDA C++ of this package to machine code for the GPU found, kept on disk."""

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
from ...untrusted.signed_files import load_signed, make_private_folder, SignedFile, store_signed

log = logging.getLogger(__name__)

IMAGES = 16
"""Images one launch takes: their descriptions are kernel parameters, of which there are 4 KB."""


def source(file: str) -> str:
    """Text of a kernel file, that of image.cuh before it."""
    folder = Path(__file__).parent
    return '\n'.join(
        f'#line 1 "{name}"\n' + (folder / name).read_text(encoding='utf-8')
        for name in ('image.cuh', file))


def compile_cubin(file: str, arch: str, defines: Mapping[str, str | int]) -> bytes:
    """Compile a kernel file with NVRTC; needs no GPU.

    :param file: its name in this folder.
    :param arch: as ``sm_90``.
    :param defines: preprocessor macros; the file's head lists them.
    :returns: the cubin.
    :raises EngineError: with the compiler's log.
    """
    options = ProgramOptions(
        std='c++17', arch=arch,
        define_macro=[(name, str(value)) for name, value in {**defines, 'IMAGES': IMAGES}.items()])
    try:
        code = Program(source(file), 'c++', options).compile('cubin')
    except Exception as error:  # NVRTC's own, or the loader's where NVRTC is not installed
        raise EngineError(
            f'{file} cannot be compiled for {arch}: {error}. NVRTC has to be of the CUDA version '
            f'the driver knows (pip install nvidia-cuda-nvrtc)') from error
    return bytes(code.code)


def cached_cubin(file: str, arch: str, defines: Mapping[str, str | int],
                 folder: Path | None = None) -> bytes:
    """As :func:`compile_cubin`, from disk where the same text was compiled before.

    A cubin is code, so it is read as plans are: only where it is this user's and unchanged.

    :param folder: where cubins are kept; under the user's cache folder by default.
    """
    folder = folder or cache_folder()
    text = '\0'.join([source(file), arch, str(driver_version()), str(IMAGES),
                      *(f'{name}={value}' for name, value in sorted(defines.items()))])
    path = folder / f'{Path(file).stem}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.cubin'
    kept, _ = load_signed(path)
    if kept is not None:
        return kept.data
    log.info('compiling %s for %s, once', file, arch)
    cubin = compile_cubin(file, arch, defines)
    try:
        make_private_folder(folder)
        store_signed(path, SignedFile(cubin), {})
    except (OSError, CacheError) as error:
        log.warning('cannot keep the compiled %s in %s (%s); it is compiled at every start',
                    file, folder, error)
    return cubin


def cache_folder() -> Path:
    """Where cubins are kept: readable by this user alone, as they are code."""
    return user_cache_folder() / 'cubins'


def driver_version() -> int:
    """The newest CUDA the installed driver knows, as 13000."""
    return int(call(driver.cuDriverGetVersion))


class Kernel:
    """One kernel loaded on the calling thread's GPU.

    :param cubin: from :func:`cached_cubin` for this GPU.
    :raises EngineError: naming the driver call that failed.
    """

    def __init__(self, cubin: bytes, name: str) -> None:
        self._module = call(driver.cuModuleLoadData, cubin)
        self.function: Any = call(driver.cuModuleGetFunction, self._module, name.encode())

    def close(self) -> None:
        """Unload; the GPU must be done with it."""
        if self._module is not None:
            call(driver.cuModuleUnload, self._module)
            self._module = None
