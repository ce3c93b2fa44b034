# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the chunks of an MCAP file in several threads, and copies no message.

An MCAP file consists of records. A chunk is a record that holds a group of messages.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing
from heapq import heappop, heappush
import os
import struct
from types import MappingProxyType
from typing import Any, NamedTuple

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.rosbag2.storage_mcap import ChunkInfo, decompress, McapReader

from ..threads.ordered_map import CORES, map_ahead

READERS = min(4, CORES)
"""Number of threads that read, unpack and check chunks."""
_RECORD = struct.Struct('<BQ')
"""Start of a record: its kind, and the number of bytes that follow."""
_MESSAGE = struct.Struct('<HIQQ')
"""Start of a message: channel, sequence number, log time and publish time. The data follows."""
_MESSAGE_KIND = 5
_FOREVER = 1 << 64
"""A time that is later than every log time."""
_CRC_AT, _DATA_AT = 9 + 24, 9 + 40
"""Offsets of the checksum and of the data in a chunk's record, in bytes. The name of the
compression lies before the data, so the length of this name must be added to the second offset."""


class _ChunkMessage(NamedTuple):
    """A message of a chunk. Messages are compared by their first three fields.

    :param chunk: offset of the chunk in the file, in bytes.
    :param number: position among the messages of the chunk, from 0.
    """

    log_time: int
    chunk: int
    number: int
    channel: int
    data: memoryview


class ChunkReader(McapReader):
    """Reads MCAP files as the library rosbags does, but with several threads and without copies.

    rosbags copies each message three times. During a copy, no other thread can run Python code.
    """

    def messages(self, connections: Collection[Connection], start: int | None = None,
                 stop: int | None = None) -> Generator[tuple[Connection, int, Any], None, None]:
        """Yield (connection, log time, data) of each message, in the order of the log times.

        The data is a memoryview, or bytes if the file has no chunks.

        :param start: earliest log time in nanoseconds; None for no limit.
        :param stop: log time at which the iteration ends. Messages with this log time or a later
            log time are not yielded. None for no limit.
        :raises ReaderError: if the file is damaged.
        """
        if not self.chunks:
            yield from super().messages(connections, start, stop)
            return
        times = range(start or 0, _FOREVER if stop is None else stop)
        wanted = {connection.id: connection for connection in connections}
        chunks = sorted((chunk for chunk in self.chunks
                         if any(chunk.channel_count.get(channel, 0) for channel in wanted)
                         and chunk.message_end_time >= times.start
                         and chunk.message_start_time < times.stop),
                        key=lambda chunk: (chunk.message_start_time, chunk.chunk_start_offset))
        waiting: list[_ChunkMessage] = []
        with closing(map_ahead(self._load, chunks, 'read bag', READERS, size_of=len)) as loaded:
            for chunk in chunks:
                # The chunks are sorted by the log times of their first messages. So no later chunk
                # has a message with an earlier log time than the first message of this chunk.
                while waiting and waiting[0].log_time < chunk.message_start_time:
                    yield _give(heappop(waiting), wanted)
                for message in _split(chunk.chunk_start_offset, next(loaded)):
                    if message.channel in wanted and message.log_time in times:
                        heappush(waiting, message)
            while waiting:
                yield _give(heappop(waiting), wanted)

    def _load(self, chunk: ChunkInfo) -> memoryview:
        """Read, unpack and check a chunk. Several threads call this method at the same time."""
        # Read head and data in one call, because a thread waits for the GIL after each read.
        head = _DATA_AT + len(chunk.compression.encode())
        record = self._read(chunk.chunk_start_offset, head + chunk.compressed_size)
        crc = int.from_bytes(record[_CRC_AT:_CRC_AT + 4], 'little')
        packed: Any = memoryview(record)[head:]     # the type hint of rosbags says bytes
        return memoryview(decompress(packed, chunk.compression, chunk.uncompressed_size, crc))

    def _read(self, begin: int, size: int) -> bytes:
        assert self.bio
        file = self.bio.fileno()
        # The size comes from the file's index. Check the size first: a wrong size may be huge.
        if begin + size > os.fstat(file).st_size:
            raise ReaderError(f'Truncated record at offset {begin}: expected {size} bytes, but '
                              f'the file ends earlier.')
        data = os.pread(file, size, begin)
        if len(data) < size:    # Linux reads at most 2 GiB in one call
            data += self._read(begin + len(data), size - len(data))
        return data


def _split(chunk: int, raw: memoryview) -> Iterator[_ChunkMessage]:
    """Yield the messages of an unpacked chunk, whose offset in the file is ``chunk``."""
    end = number = 0
    while end < len(raw):
        kind, size = _RECORD.unpack_from(raw, end)
        begin = end + _RECORD.size
        end = begin + size
        if end > len(raw):
            raise ReaderError(f'A record of the chunk at offset {chunk} has {size} bytes, but the '
                              f'chunk ends earlier.')
        if kind == _MESSAGE_KIND:
            channel, _, log_time, _ = _MESSAGE.unpack_from(raw, begin)
            yield _ChunkMessage(log_time, chunk, number, channel, raw[begin + _MESSAGE.size:end])
            number += 1


def _give(message: _ChunkMessage, wanted: dict[int, Connection]
          ) -> tuple[Connection, int, memoryview]:
    return wanted[message.channel], message.log_time, message.data


class _FolderReader(DirectoryReader):
    STORAGE_PLUGINS: Mapping[str, Any] = MappingProxyType(
        {**DirectoryReader.STORAGE_PLUGINS, 'mcap': ChunkReader})


class FastReader(Reader):
    """The reader of rosbags, with :class:`ChunkReader` for MCAP files."""

    STORAGE_PLUGINS: Mapping[str, Any] = MappingProxyType(
        {**Reader.STORAGE_PLUGINS, 'dir': _FolderReader, '.mcap': ChunkReader})
