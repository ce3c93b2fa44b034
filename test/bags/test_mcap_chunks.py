# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""FastReader gives the same messages as the reader of rosbags, in the same order."""

import struct
import threading
import zlib

import numpy as np
import pytest
from recordings import FIRST, image, Message, write_bag
from rosbags.rosbag2 import CompressionMode, Reader, ReaderError

from trt_segmentation.bags.mcap_chunks import ChunkReader, FastReader

IMAGE = 'sensor_msgs/msg/Image'


def noise_bag(path, mode=CompressionMode.NONE, seed=0):
    """Write images of two topics. Their log times are mixed, also between chunks, and some are
    equal. A chunk ends after 1 MB, so it has one large image or several small images.
    """
    rng = np.random.default_rng(seed)
    messages = []
    for number, time in enumerate(rng.integers(0, 20, 40)):
        height = int(rng.choice([10, 300, 700]))
        pixels = rng.integers(0, 256, (height, 600, 3), np.uint8)
        messages.append(Message(f'/topic{number % 2}', IMAGE, FIRST + int(time),
                                image(pixels, 'bgr8', FIRST + number)))
    return write_bag(path, messages, compression=mode)


def read(path, kind, topics):
    with kind(path) as reader:
        wanted = [c for c in reader.connections if c.topic in topics]
        return [(c.topic, time, bytes(data)) for c, time, data in reader.messages(wanted)]


@pytest.mark.parametrize('mode', CompressionMode)
@pytest.mark.parametrize('topics', [['/topic0'], ['/topic0', '/topic1']])
def test_messages_and_order_are_those_of_rosbags(tmp_path, mode, topics):
    path = noise_bag(tmp_path / 'bag', mode)
    found = read(path, FastReader, topics)
    assert len(found) == 20 * len(topics)
    assert found == read(path, Reader, topics)
    if mode in (CompressionMode.NONE, CompressionMode.STORAGE):
        (file,) = path.glob('*.mcap')
        assert read(file, FastReader, topics) == found


@pytest.mark.parametrize('mode', [CompressionMode.NONE, CompressionMode.STORAGE])
def test_a_checksum_is_compared_with_the_data_of_its_chunk(tmp_path, mode):
    path = noise_bag(tmp_path / 'bag', mode)
    expected = read(path, Reader, ['/topic0'])
    (file,) = path.glob('*.mcap')
    with FastReader(file) as reader:
        assert isinstance(reader.storage, ChunkReader)
        (raw, chunk) = [(reader.storage._load(chunk), chunk) for chunk in reader.storage.chunks][3]
    for checksum in (zlib.crc32(raw), zlib.crc32(raw) ^ 1):
        with file.open('r+b') as stream:
            stream.seek(chunk.chunk_start_offset + 9 + 24)
            stream.write(struct.pack('<I', checksum))
        if checksum == zlib.crc32(raw):
            assert read(path, FastReader, ['/topic0']) == expected
        else:
            with pytest.raises(ReaderError, match='Chunk checksum mismatch'):
                read(path, FastReader, ['/topic0'])


def test_a_part_of_the_time_is_read_as_rosbags_does(tmp_path):
    path = noise_bag(tmp_path / 'bag')
    with FastReader(path) as reader, Reader(path) as other:
        some, expected = ([(time, bytes(data)) for _, time, data in one.messages(
            one.connections, FIRST + 5, FIRST + 9)] for one in (reader, other))
    assert some == expected and len(some) > 3


def test_an_iteration_that_ends_early_leaves_no_thread(tmp_path):
    path = noise_bag(tmp_path / 'bag')
    with FastReader(path) as reader:
        messages = reader.messages(reader.connections)
        next(messages)
        messages.close()
        assert not [t for t in threading.enumerate() if t.name.startswith('read bag')]


def test_a_size_in_the_index_beyond_the_file_is_refused(tmp_path):
    """Without the check, memory for the wrong size would be allocated."""
    path = noise_bag(tmp_path / 'bag')
    (file,) = path.glob('*.mcap')
    with FastReader(file) as reader:
        assert isinstance(reader.storage, ChunkReader)
        chunk = reader.storage.chunks[3]
        reader.storage.chunks[3] = chunk._replace(compressed_size=1 << 60)
        expected = 9 + 40 + (1 << 60)       # the start of the record, its fields, and the data
        with pytest.raises(ReaderError, match=f'expected {expected} bytes, but the file ends'):
            list(reader.messages(reader.connections))


def test_a_record_that_is_longer_than_its_chunk_is_refused(tmp_path):
    path = noise_bag(tmp_path / 'bag')
    (file,) = path.glob('*.mcap')
    data = bytearray(file.read_bytes())
    with FastReader(file) as reader:
        assert isinstance(reader.storage, ChunkReader)
        chunk = reader.storage.chunks[2]
    begin = chunk.chunk_start_offset + 9 + 40
    kind, size = struct.unpack_from('<BQ', data, begin)
    assert kind == 5
    size += 1 << 40
    struct.pack_into('<Q', data, begin + 1, size)
    file.write_bytes(data)
    with FastReader(file) as reader, pytest.raises(
            ReaderError, match=f'offset {chunk.chunk_start_offset} has {size} bytes'):
        list(reader.messages(reader.connections))
