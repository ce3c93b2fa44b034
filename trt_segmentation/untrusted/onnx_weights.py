# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks that each tensor of an ONNX file has as much data as it declares."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
import math
from pathlib import Path

from ..errors import EngineError
from .file_view import Bytes
from .git_lfs import is_lfs_pointer, LFS_ADVICE
from .protobuf import Fields, read_name, read_packed

# Field numbers of TensorProto and StringStringEntryProto in onnx.proto
DIMS, DATA_TYPE, STRING_DATA, NAME, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 1, 2, 6, 8, 9, 13, 14
DATA = (4, 5, STRING_DATA, 7, 10, 11)
"""Fields that can hold a tensor's data instead of raw_data. Each field is only for some data
types."""
KEY, VALUE = 1, 2
BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64,
        16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4}
"""Maps ONNX's id of a data type to the number of bits of one weight."""
MOST_AXES = 32


@dataclass
class StoredTensor:
    """A tensor as the file stores it.

    :param kind: ONNX's id of the tensor's data type.
    :param dims: size of each axis.
    :param raw: number of bytes in raw_data.
    :param typed: number of bytes in the fields of :data:`DATA`. Each string counts as at least one
        byte.
    :param elsewhere: whether the field data_location says that another file holds the data.
    :param external: the keys and values of external_data, such as location, offset and length.
    """

    name: str = ''
    kind: int = 0
    dims: list[int] = field(default_factory=list)
    raw: int = 0
    typed: int = 0
    elsewhere: bool = False
    external: dict[str, str] = field(default_factory=dict)

    @property
    def location(self) -> str:
        """Name of the file that holds the data; empty if the ONNX file holds the data itself."""
        return self.external.get('location', '')

    @property
    def offset(self) -> int:
        """Offset of the first byte of the data in the file ``location``."""
        return int(self.external.get('offset') or 0)

    @property
    def nbytes(self) -> int:
        """Number of bytes of data that the shape and the data type need."""
        return -(-math.prod(self.dims) * BITS.get(self.kind, 0) // 8)

    def check_declaration(self, folder: Path) -> None:
        """Refuse a tensor that has less data than it declares, or a data file outside ``folder``.

        :param folder: the folder of the ONNX file.
        :raises EngineError: if the tensor is refused.
        """
        shape = '×'.join(map(str, self.dims)) or 'one number'
        if len(self.dims) > MOST_AXES or any(side >= 1 << 62 for side in self.dims):
            raise EngineError(f'weight {self.name!r} cannot have the shape {shape[:80]}; expected '
                              f'at most {MOST_AXES} axes, and no size below 0')
        needed = self.nbytes
        if self.elsewhere or self.external:
            self._check_file(folder, needed)
        # In raw_data, an int64 has 8 bytes. In the fields of DATA, a small int64 has only 1
        # byte. So one byte in these fields can stand for 8 bytes of data.
        elif needed > (self.raw or 8 * self.typed):
            raise EngineError(f'weight {self.name!r} declares the shape {shape}, which needs '
                              f'{needed:,} bytes, but the file holds {self.raw or self.typed:,} '
                              f'of them. Copy or export the file again')

    def _check_file(self, folder: Path, needed: int) -> None:
        place = Path(self.location)
        if not self.location or place.is_absolute() or '..' in place.parts or not (
                folder / place).resolve().is_relative_to(folder.resolve()):
            raise EngineError(
                f'weight {self.name!r} names the file {self.location!r}, which is not in the '
                f'folder of the model. Export the model again, and save its data file in the '
                f'same folder as the ONNX file')
        if not (folder / place).is_file():
            raise EngineError(f'weight {self.name!r} is in {self.location!r}, which is missing. '
                              f'Put this file beside the ONNX file')
        if is_lfs_pointer(folder / place):
            raise EngineError(f'weight {self.name!r} is in {self.location!r}, which is '
                              f'{LFS_ADVICE}')
        size = (folder / place).stat().st_size
        offset = self.offset
        length = int(self.external.get('length') or size - offset)
        if not 0 <= offset <= offset + length <= size or length < needed:
            raise EngineError(
                f'weight {self.name!r} needs {needed:,} bytes. The model reads {length:,} bytes '
                f'of {self.location!r}, from offset {offset:,}; the file has {size:,} bytes. '
                f'Copy or export both files again')


def read_tensor(view: Bytes, fields: Fields) -> StoredTensor:
    """Read what a TensorProto declares. The size of the data is read, but not the data.

    :raises ValueError: if the bytes are not a TensorProto.
    :raises EngineError: if a name is too long or cannot be printed.
    """
    tensor = StoredTensor()
    for number, value in fields.read(view):
        if number == DIMS:
            tensor.dims.extend([value] if isinstance(value, int)
                               else islice(read_packed(value), MOST_AXES + 1))
        elif isinstance(value, int):
            if number == DATA_TYPE:
                tensor.kind = value
            elif number == DATA_LOCATION:
                tensor.elsewhere = value != 0
            elif number in DATA:
                tensor.typed += 1       # a number that is not packed has at least one byte
        elif number == NAME:
            tensor.name = read_name(value)
        elif number == RAW_DATA:
            tensor.raw = len(value)
        elif number in DATA:
            tensor.typed += max(len(value), number == STRING_DATA)
        elif number == EXTERNAL_DATA:
            entry = {n: read_name(v) for n, v in fields.read(value) if not isinstance(v, int)}
            tensor.external[entry.get(KEY, '')] = entry.get(VALUE, '')
    return tensor
