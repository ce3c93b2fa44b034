# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""CUDA programs are compiled, are cached, and use no local memory."""

from itertools import product
from pathlib import Path
import stat
import struct

import pytest

from trt_segmentation.errors import EngineError
from trt_segmentation.model.card import COLORS, InputCard, ModelCard, spread_palette
from trt_segmentation.model.kind import OutputKind
from trt_segmentation.model.output_kind import FLOATS
from trt_segmentation.model.signature import ImageInput, NetworkOutput

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from cuda.bindings import nvrtc

from trt_segmentation.gpu.kernels import postprocess, preprocess, program

try:
    nvrtc.nvrtcVersion()
except RuntimeError as error:
    pytest.skip(f'needs NVRTC (pip install nvidia-cuda-nvrtc): {error}', allow_module_level=True)

ARCHITECTURES = ['sm_75', 'sm_80', 'sm_87', 'sm_89', 'sm_90', 'sm_120']


FRAME_SIZE, MIN_STACK_SIZE = 0x11, 0x12
"""Two attributes in a cubin's section .nv.info. Each gives a function's local memory in bytes."""


def sections(elf):
    """Return (name, bytes) of every section of a 64-bit little-endian ELF file."""
    table, = struct.unpack_from('<Q', elf, 0x28)
    size, count, names = struct.unpack_from('<HHH', elf, 0x3A)
    headers = [struct.unpack_from('<II8x8xQQ', elf, table + i * size) for i in range(count)]
    start = headers[names][2]
    return [(elf[start + name:elf.index(b'\0', start + name)].decode(), elf[at:at + length])
            for name, _, at, length in headers]


def local_bytes(cubin):
    """Return the bytes of local memory, stack and spills, that one thread of a cubin needs."""
    found = []
    (info,) = [data for name, data in sections(cubin) if name == '.nv.info']
    at = 0
    while at < len(info):
        form, attribute, size = struct.unpack_from('<BBH', info, at)
        at += 4
        if form != 4:  # the value is in the size field, and no bytes follow
            continue
        if attribute in (FRAME_SIZE, MIN_STACK_SIZE):
            found.append(struct.unpack_from('<II', info, at)[1])
        at += size
    assert len(found) >= 2, 'the cubin says nothing about local memory'
    return max(found)


def compile_clean(file, arch, defines, limit=0):
    cubin = program.compile_cubin(file, arch, defines)
    assert cubin[:4] == b'\x7fELF'
    assert local_bytes(cubin) <= limit


@pytest.mark.parametrize('arch', ARCHITECTURES)
def test_local_memory_of_a_kernel_is_found(arch, monkeypatch):
    monkeypatch.setattr(program, 'source', lambda file: """
        extern "C" __global__ void k(int* p) {
            volatile int table[64];  // indexed by what is read, so that no register will do
            for (int i = 0; i < p[1]; i++) table[p[i] & 63] += i;
            p[0] = table[p[1] & 63];
        }""")
    assert local_bytes(program.compile_cubin('table.cu', arch, {})) >= 256


@pytest.mark.parametrize('arch', ARCHITECTURES)
def test_the_kernels_use_no_local_memory(arch):
    compile_clean('preprocess.cu', arch, preprocess.defines(
        ImageInput('image', 'nchw', 'float16', 3, 8, 8, None)))
    card = ModelCard('m', None, ('a',) * 19, spread_palette(19))
    for confidence in (False, True):
        compile_clean('postprocess.cu', arch, postprocess.defines(
            card, NetworkOutput('out', OutputKind.LOGITS, 'nchw', 'float16', 19), confidence))


@pytest.mark.parametrize('arch, limit', [('sm_90', 0), ('sm_120', 8)])
def test_the_kernels_that_rectify_use_almost_no_local_memory(arch, limit):
    compile_clean('preprocess.cu', arch, preprocess.defines(
        ImageInput('image', 'nchw', 'float16', 3, 8, 8, None), rectify=True), limit)
    card = ModelCard('m', None, ('a',) * 19, spread_palette(19))
    compile_clean('postprocess.cu', arch, postprocess.defines(
        card, NetworkOutput('out', OutputKind.LOGITS, 'nchw', 'float16', 19), False, True))


def test_every_variant_of_preprocess_compiles():
    for color, layout, dtype in product(COLORS, ['nchw', 'nhwc'], ['float32', 'float16', 'uint8']):
        channels = 1 if color == 'gray' else 3
        compile_clean('preprocess.cu', 'sm_90', preprocess.defines(
            ImageInput('image', layout, dtype, channels, 8, 8, None)))


@pytest.mark.parametrize('kind', OutputKind)
def test_every_variant_of_postprocess_compiles(kind):
    """Integers are compiled for each number of classes and layout, but not for each pair."""
    compiled = []
    for classes, layout, dtype in product([2] if kind.is_binary else [2, 300], ['nchw', 'nhwc'],
                                          postprocess._TYPES):
        if dtype not in FLOATS and not kind.is_binary and (classes == 2) != (layout == 'nchw'):
            continue
        card = ModelCard('m', None, ('a',) * classes, spread_palette(classes), InputCard())
        output = NetworkOutput('out', kind, layout, dtype,
                               classes if kind.has_class_channels else 1)
        defines = postprocess.defines(card, output, dtype == 'float32' and output.has_confidence)
        if defines in compiled:  # for example, bool and uint8 are one type in CUDA
            continue
        compiled.append(defines)
        # Label outputs need a 64-bit division. It is a function call that stores some registers
        # in local memory. The code for logits that are not finite may store registers too.
        compile_clean('postprocess.cu', 'sm_90', defines,
                      limit=8 if output.has_confidence else 32)
    assert len(compiled) == (2 * 11 if kind.is_binary else 4 * 3 + 2 * 8)


def test_a_compile_error_shows_the_log(monkeypatch):
    monkeypatch.setattr(program, 'source', lambda file: 'extern "C" __global__ void k() { oops; }')
    with pytest.raises(EngineError, match=r'(?s)broken.cu cannot be compiled for sm_90.*oops'):
        program.compile_cubin('broken.cu', 'sm_90', {})


def test_a_cubin_is_compiled_once_and_again_when_anything_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(program, 'newest_cuda', lambda: 13000)
    compiled = []
    monkeypatch.setattr(
        program, 'compile_cubin', lambda *args: (compiled.append(args), b'cubin')[1])
    folder = tmp_path / 'new' / 'cubins'
    arguments = ('preprocess.cu', 'sm_90', {'OUT': 16})
    assert program.cached_cubin(*arguments, folder) == b'cubin'
    assert program.cached_cubin(*arguments, folder) == b'cubin'
    assert len(compiled) == 1
    program.cached_cubin('preprocess.cu', 'sm_87', {'OUT': 16}, folder)
    program.cached_cubin('preprocess.cu', 'sm_90', {'OUT': 32}, folder)
    monkeypatch.setattr(program, 'newest_cuda', lambda: 13010)
    program.cached_cubin(*arguments, folder)
    monkeypatch.setattr(program, 'source', lambda file: 'another text')
    program.cached_cubin(*arguments, folder)
    assert len(compiled) == 5
    assert sorted(path.suffix for path in folder.iterdir()) == \
        ['.TAG'] + ['.cubin'] * 5 + ['.json'] * 5
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.glob('*.cubin'):         # this cubin is too short
        path.write_bytes(b'cub')
    assert program.cached_cubin(*arguments, folder) == b'cubin'
    assert len(compiled) == 6


def test_a_folder_that_cannot_be_written_gives_only_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(program, 'newest_cuda', lambda: 13000)
    monkeypatch.setattr(program, 'compile_cubin', lambda *args: b'cubin')
    (tmp_path / 'file').write_text('in the way')
    assert program.cached_cubin('preprocess.cu', 'sm_90', {}, tmp_path / 'file') == b'cubin'
    assert 'cannot write the compiled preprocess.cu' in caplog.text


def test_a_relative_xdg_cache_home_is_ignored(monkeypatch):
    monkeypatch.setenv('HOME', '/home/me')
    for relative in ('not/absolute', '.', ''):
        monkeypatch.setenv('XDG_CACHE_HOME', relative)
        assert program.cache_folder() == Path('/home/me/.cache/trt_segmentation/cubins')
    monkeypatch.setenv('XDG_CACHE_HOME', '/xdg')
    assert program.cache_folder() == Path('/xdg/trt_segmentation/cubins')
