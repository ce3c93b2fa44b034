# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write shared libraries whose functions return zero. No C compiler is needed.

NVIDIA's Python bindings of TensorRT need the libraries of TensorRT, which are several gigabytes.
The bindings take nine functions from these libraries, and call none of them while Python imports
the bindings. So a library with nine empty functions is enough for an import.
"""

from __future__ import annotations

from pathlib import Path
import struct

FUNCTIONS = ('createInferBuilder_INTERNAL', 'createInferRefitter_INTERNAL',
             'createInferRuntime_INTERNAL', 'createNvOnnxParser_INTERNAL',
             'createNvOnnxParserRefitter_INTERNAL', 'getBuilderPluginRegistry',
             'getNvOnnxParserVersion', 'getPluginRegistry', 'initLibNvInferPlugins')
LIBRARIES = ('libnvinfer', 'libnvinfer_plugin', 'libnvonnxparser')

_CODE = bytes.fromhex('31c0c3')     # for x86-64: xor eax, eax; ret
_PAGE = 0x1000
_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474e551
_READ, _WRITE, _EXECUTE = 4, 2, 1
_HASH, _STRINGS, _SYMBOLS, _STRINGS_SIZE, _SYMBOL_SIZE, _SONAME = 4, 5, 6, 10, 11, 14


def write_libraries(folder: Path, major: int) -> None:
    """Write the libraries of a major version of TensorRT, with empty functions.

    :param folder: an existing folder. Set LD_LIBRARY_PATH to it before Python starts.
    """
    for name in LIBRARIES:
        path = folder / f'{name}.so.{major}'
        path.write_bytes(make_library(path.name, FUNCTIONS))


def make_library(soname: str, functions: tuple[str, ...]) -> bytes:
    """Return the bytes of an ELF library for Linux on x86-64. All its functions return zero."""
    text = b'\0' + b''.join(name.encode() + b'\0' for name in (soname, *functions))
    count = len(functions) + 1      # symbol 0 has no name
    code = 64 + 4 * 56              # after the header and four program headers
    symbols = -(-(code + len(_CODE)) // 8) * 8
    table = symbols + 24 * count
    strings = table + 4 * (2 + 1 + count)
    end = strings + len(text)

    def offset(name: str) -> int:
        return text.index(b'\0' + name.encode() + b'\0') + 1

    # kind 0x12 is a global function; section 1 says that the symbol is defined
    entries = bytes(24) + b''.join(
        struct.pack('<IBBHQQ', offset(name), 0x12, 0, 1, code, len(_CODE)) for name in functions)
    # A hash table with one bucket is a list of all symbols: each entry is the next symbol.
    hashes = struct.pack(f'<{3 + count}I', 1, count, 1, 0, *range(2, count), 0)
    # The loader writes addresses into this part, so it is in a segment of its own.
    dynamic = b''.join(struct.pack('<QQ', *pair) for pair in (
        (_SONAME, offset(soname)), (_HASH, table), (_STRINGS, strings), (_SYMBOLS, symbols),
        (_STRINGS_SIZE, len(text)), (_SYMBOL_SIZE, 24), (0, 0)))
    start = -(-end // _PAGE) * _PAGE
    # little-endian 64-bit library (type 3) for x86-64 (62); there are no sections
    header = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 3, 62, 1, 0, 64, 0, 0, 64, 56, 4,
                         64, 0, 0)
    programs = b''.join(
        struct.pack('<IIQQQQQQ', kind, flags, at, at, at, size, size, alignment)
        for kind, flags, at, size, alignment in (
            (_LOAD, _READ | _EXECUTE, 0, end, _PAGE),
            (_LOAD, _READ | _WRITE, start, len(dynamic), _PAGE),
            (_DYNAMIC, _READ | _WRITE, start, len(dynamic), 8),
            (_STACK, _READ | _WRITE, 0, 0, 16)))
    body = (header + programs + _CODE).ljust(symbols, b'\0') + entries + hashes + text
    return body.ljust(start, b'\0') + dynamic
