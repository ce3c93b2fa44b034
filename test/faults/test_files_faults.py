# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Hostile bags, and a search for code that could run the content of a file.

A hostile bag gives one BagError that names the bag, and its content never exceeds the memory
limit. No module unpickles a file, evaluates its text, or loads YAML objects.
"""

from __future__ import annotations

import ast
from pathlib import Path
import random
import sqlite3
import struct
import tracemalloc

from backports import zstd
import lz4.frame
import numpy as np
import pytest
from recordings import image, Message, TOPIC, write_bag
from rosbags.rosbag2 import CompressionMode

import trt_segmentation
from trt_segmentation.bags.reader import BagReader
from trt_segmentation.commands import cli
from trt_segmentation.errors import BagError, FrameError
from trt_segmentation.untrusted import bag_limits

PACKAGE = Path(trt_segmentation.__file__).parent
PIXELS = np.random.default_rng(1).integers(0, 256, (24, 32, 3)).astype(np.uint8)


def messages(count: int = 4) -> list[Message]:
    return [Message(TOPIC, 'sensor_msgs/msg/Image', 10**18 + n, image(PIXELS, 'bgr8', 10**18 + n))
            for n in range(count)]


def frames(path: Path) -> int:
    with BagReader(path) as bag:
        return sum(message.frame().height == 24 for message in bag.messages([bag.image_topic()]))


def record_of(op: int, body: bytes) -> bytes:
    return bytes([op]) + struct.pack('<Q', len(body)) + body


def text(value: str) -> bytes:
    return struct.pack('<I', len(value)) + value.encode()


def mcap_of_chunk(chunk: bytes, declared: int, compression: str) -> bytes:
    """Make an MCAP file without an index, with one chunk that claims ``declared`` bytes."""
    magic = b'\x89MCAP0\r\n'
    body = struct.pack('<QQQI', 0, 2**62, declared, 0) + text(compression)
    body += struct.pack('<Q', len(chunk)) + chunk
    return (magic + record_of(1, text('ros2') + text('test')) + record_of(6, body)
            + record_of(15, bytes(4)) + record_of(2, bytes(20)) + magic)


BOMB = 300 << 20
PACKED = {'zstd': zstd.compress, 'lz4': lz4.frame.compress}


@pytest.mark.parametrize('compression', PACKED)
@pytest.mark.parametrize('declared, words', [
    (1000, r'unpacks to more than the 1,000|does not unpack to the 1,000 bytes'),
    (bag_limits.MAX_MESSAGE + 1, 'a chunk has 1,073,741,825 bytes'),
    (2**63, 'a chunk has 9,223,372,036,854,775,808 bytes')])
def test_chunk_with_a_wrong_size_is_refused(tmp_path, compression, declared,
                                                            words):
    """The chunk packs 300 MB of zeros into a few kilobytes, and claims another size."""
    path = tmp_path / 'bomb.mcap'
    path.write_bytes(mcap_of_chunk(PACKED[compression](bytes(BOMB)), declared, compression))
    tracemalloc.start()
    try:
        with pytest.raises(BagError, match=rf'bomb\.mcap cannot be read as a bag: .*({words})'):
            BagReader(path)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize('compression', PACKED)
def test_chunk_with_the_right_size_is_unpacked(tmp_path, compression):
    """The bounded functions unpack the same bytes as the libraries. zstd may have two frames."""
    data = np.random.default_rng(2).integers(0, 9, 3_000_000).astype(np.uint8).tobytes()
    unpack = {'zstd': bag_limits._zstd, 'lz4': bag_limits._lz4}[compression]
    assert unpack(PACKED[compression](data), len(data)) == data
    if compression == 'zstd':
        half = len(data) // 2
        assert unpack(zstd.compress(data[:half]) + zstd.compress(data[half:]), len(data)) == data
        with pytest.raises(bag_limits.BagLimitError, match='cut off'):
            unpack(zstd.compress(data)[:-10], len(data))


@pytest.mark.parametrize('storage, mode', [
    ('sqlite3', CompressionMode.NONE), ('sqlite3', CompressionMode.MESSAGE),
    ('sqlite3', CompressionMode.FILE), ('mcap', CompressionMode.NONE),
    ('mcap', CompressionMode.STORAGE)])
def test_sound_bags_of_every_kind_are_read(tmp_path, storage, mode):
    assert frames(write_bag(tmp_path / 'bag', messages(), storage, mode)) == 4


def test_message_that_unpacks_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    """In this bag each message is compressed."""
    path = write_bag(tmp_path / 'bag', messages(), 'sqlite3', CompressionMode.MESSAGE)
    monkeypatch.setattr(bag_limits._zstd, '__defaults__', (1000,))
    with pytest.raises(BagError, match='unpacks to more than the 1,000'):
        frames(path)


def test_file_that_would_fill_the_disk_is_refused(tmp_path, monkeypatch):
    """In this bag the file is compressed, so it is unpacked into the temporary folder."""
    path = write_bag(tmp_path / 'bag', messages(), 'sqlite3', CompressionMode.FILE)
    monkeypatch.setattr(bag_limits, 'SPARE_DISK', 1 << 62)
    with pytest.raises(BagError, match=r'does not fit into .* set TMPDIR'):
        BagReader(path)


def hostile_database(path: Path, *statements: str) -> Path:
    bag = write_bag(path / 'sound', messages(), 'sqlite3')
    (file,) = bag.glob('*.db3')
    with sqlite3.connect(file) as database:
        for statement in statements:
            database.execute(statement)
    database.close()
    return file


@pytest.mark.parametrize('statements, words', [
    (('CREATE VIEW more AS SELECT zeroblob(1000000000) AS data',), "a view 'more'"),
    (('CREATE TRIGGER t AFTER INSERT ON messages BEGIN SELECT 1; END',), "a trigger 't'"),
    (('CREATE VIRTUAL TABLE f USING fts5(x)',), "a table 'f' that SQLite runs"),
    (('create /* */ virtual table g using fts5(x)',), "'g'"),
    (('ALTER TABLE messages ADD COLUMN more BLOB AS (zeroblob(1000000000))',),
     "table 'messages' with computed columns")])
def test_database_that_computes_its_rows_is_refused(tmp_path, statements, words):
    """A small file could compute endless rows or gigabytes."""
    file = hostile_database(tmp_path, *statements)
    for path in (file, file.parent):
        with pytest.raises(BagError, match=words):
            BagReader(path)


@pytest.mark.parametrize('metadata, words', [
    ('a: ' + '[' * 2_000_000, 'cannot be read as a bag'),
    ('#' * (9 << 20), 'metadata.yaml has 9,437,184 bytes'),
    ('!!python/object/apply:os.system ["true"]', 'cannot be read as a bag'),
    ('rosbag2_bagfile_information: 7', 'cannot be read as a bag')])
def test_odd_metadata_is_one_error(tmp_path, metadata, words):
    """The metadata is odd, but the recording beside it is valid."""
    path = write_bag(tmp_path / 'bag', messages())
    (path / 'metadata.yaml').write_text(metadata)
    with pytest.raises(BagError, match=words):
        BagReader(path)


def test_metadata_cannot_name_files_of_other_folders(tmp_path):
    """The reader uses only the last part of each path."""
    path = write_bag(tmp_path / 'bag', messages())
    other = write_bag(tmp_path / 'other', messages())
    (name,) = [file.name for file in other.glob('*.mcap')]
    text = (path / 'metadata.yaml').read_text()
    (path / 'metadata.yaml').write_text(text.replace('bag.mcap', f'../other/{name}'))
    with pytest.raises(BagError, match='missing'):
        BagReader(path)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_damaged_bag_is_read_or_one_error(tmp_path, storage):
    """Each of 150 damaged bags gives frames, or one error with the path."""
    path = write_bag(tmp_path / 'bag', messages(), storage)
    (file,) = path.glob('*.mcap' if storage == 'mcap' else '*.db3')
    whole, rng, read = file.read_bytes(), random.Random(9), 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            data[at:at + 1] = rng.choice([rng.randbytes(1), b'\xff' * 8, b''])
        if rng.randrange(4) == 0:
            del data[rng.randrange(len(data)):]
        file.write_bytes(data)
        try:
            read += frames(file)
        except BagError as error:
            assert str(file) in str(error) and len(str(error)) < 2000
        except FrameError:
            read += 1
    assert read > 20


def test_replay_refuses_a_hostile_bag_with_one_error(tmp_path, capsys):
    path = tmp_path / 'bomb.mcap'
    path.write_bytes(mcap_of_chunk(zstd.compress(bytes(BOMB)), 1000, 'zstd'))
    assert cli.main(['replay', str(path), '--out', str(tmp_path / 'out')]) == 2
    assert capsys.readouterr().err.count('trt_seg: error: ') == 1


OURS = [path for folder in (PACKAGE, *(PACKAGE.parent / name for name in (
    'launch', 'benchmarks', 'training', 'docs'))) for path in sorted(folder.rglob('*.py'))]
UNPICKLERS = {'pickle', 'cPickle', 'dill', 'shelve', 'marshal', 'joblib', 'cloudpickle'}


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f'{name_of(node.value)}.{node.attr}'
    return node.id if isinstance(node, ast.Name) else ''


def keyword(call: ast.Call, name: str) -> object:
    for entry in call.keywords:
        if entry.arg == name:
            return entry.value.value if isinstance(entry.value, ast.Constant) else True
    return None


def unsafe(tree: ast.AST) -> list[str]:
    """Find the imports and calls that could run the content of a file."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in UNPICKLERS]
        elif isinstance(node, ast.ImportFrom) and node.module in UNPICKLERS:
            found.append(node.module)
        elif isinstance(node, ast.Call):
            called = name_of(node.func)
            if called in ('eval', 'exec', 'compile', 'os.system', 'os.popen', 'yaml.load',
                          'yaml.load_all', 'yaml.full_load', 'yaml.unsafe_load'):
                found.append(called)
            if keyword(node, 'shell') or keyword(node, 'allow_pickle'):
                found.append(called)
            if called in ('np.load', 'numpy.load') and keyword(node, 'allow_pickle') is not False:
                found.append(called)
            if called == 'torch.load' and keyword(node, 'weights_only') is not True:
                found.append(called)
    return found


@pytest.mark.parametrize('path', OURS, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_no_file_runs_what_it_reads(path):
    """No file uses pickle, eval, a shell, an unsafe YAML loader, or arrays of objects."""
    assert unsafe(ast.parse(path.read_text('utf-8'))) == []


@pytest.mark.parametrize('line', [
    'import pickle', 'from dill import load', 'eval(x)', 'yaml.load(f, yaml.Loader)',
    'np.load(f)', 'np.load(f, allow_pickle=True)', 'torch.load(f)',
    'subprocess.run(x, shell=True)', 'os.system(x)'])
def test_the_check_finds_what_it_looks_for(line):
    assert unsafe(ast.parse(line))
