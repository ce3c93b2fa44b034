# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Bags are read with all their messages, broken bags are refused, and results are written."""

import errno
from importlib.metadata import version
import os
from pathlib import Path
import re
import shutil
from types import SimpleNamespace

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from recordings import (
    camera_info,
    compressed,
    FIRST,
    image,
    image_messages,
    Message,
    pictures,
    STORE,
    TOPIC,
    write_bag,
)
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionMode, Reader, reader, storage_mcap
from rosbags.typesys import get_typestore, Stores
import yaml

from trt_segmentation.bags.message_types import LABEL_INFO
from trt_segmentation.bags.message_types import STORE as OUR_STORE
from trt_segmentation.bags.reader import (
    BagReader,
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    Recorded,
    stamp_text,
)
from trt_segmentation.bags.writer import BagWriter
from trt_segmentation.errors import BagError, FrameError
from trt_segmentation.frame import Frame, Segmentation
from trt_segmentation.model.card import ModelCard, OutputCard, spread_palette
from trt_segmentation.untrusted import bag_limits


def card(count=4):
    return ModelCard('net', Path('net.onnx'), tuple(f'class {i}' for i in range(count)),
                     spread_palette(count), output=OutputCard(threshold=0.5))


def segmentation(labels, stamp_ns=FIRST, frame_id='cam', overlay=None):
    height, width = labels.shape
    frame = Frame(np.zeros(labels.size, np.uint8), 'mono8', height, width, width,
                  stamp_ns=stamp_ns, frame_id=frame_id)
    return Segmentation(frame, labels, overlay)


# ---- reading

@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('bare', [False, True])
@pytest.mark.parametrize('padding', [0, 13])
def test_raw_images_come_in_recorded_order_with_all_fields(tmp_path, storage, bare, padding):
    found = pictures(5)
    path = write_bag(tmp_path / 'bag', image_messages(found, padding=padding, frame_id='left'),
                     storage)
    if bare:
        (path,) = [p for p in path.iterdir() if p.suffix in ('.mcap', '.db3')]
    with BagReader(path) as bag:
        assert bag.image_topics() == {TOPIC: 5}
        messages = list(bag.messages([bag.image_topic()]))
    assert [m.number for m in messages] == [1, 2, 3, 4, 5]
    for i, (message, pixels) in enumerate(zip(messages, found)):
        frame = message.frame()
        assert message.log_time_ns == FIRST + i * 100_000_000 + 7_000_000
        assert frame.stamp_ns == message.stamp_ns == FIRST + i * 100_000_000
        assert (frame.encoding, frame.frame_id) == ('bgr8', 'left')
        assert (frame.height, frame.width, frame.step) == (48, 64, 64 * 3 + padding)
        rows = frame.data.reshape(48, -1)[:, :192].reshape(48, 64, 3)
        np.testing.assert_array_equal(rows, pixels)


@pytest.mark.parametrize('storage, mode', [
    ('mcap', CompressionMode.STORAGE), ('mcap', CompressionMode.FILE),
    ('mcap', CompressionMode.MESSAGE), ('sqlite3', CompressionMode.FILE),
    ('sqlite3', CompressionMode.MESSAGE)])
def test_bags_compressed_by_the_recorder_are_read(tmp_path, storage, mode):
    found = pictures(3)
    path = write_bag(tmp_path / 'bag', image_messages(found), storage, mode)
    with BagReader(path) as bag:
        for message, pixels in zip(bag.messages([TOPIC]), found, strict=True):
            np.testing.assert_array_equal(message.frame().data.reshape(48, 64, 3), pixels)


@pytest.mark.parametrize('encoding, shape, dtype', [
    ('mono8', (4, 6), 'u1'), ('mono16', (4, 6), 'u2'), ('rgba8', (4, 6, 4), 'u1'),
    ('yuv422_yuy2', (4, 6, 2), 'u1'), ('bayer_rggb8', (4, 6), 'u1')])
@pytest.mark.parametrize('big_endian', [False, True])
def test_other_encodings_are_passed_as_they_are(tmp_path, encoding, shape, dtype, big_endian):
    pixels = np.arange(np.prod(shape), dtype=dtype).reshape(shape) * 5
    message = image(pixels, encoding, FIRST, big_endian=big_endian)
    path = write_bag(tmp_path / 'bag', [Message(TOPIC, IMAGE, FIRST, message)])
    with BagReader(path) as bag:
        frame = next(bag.messages([TOPIC])).frame()
    assert (frame.encoding, frame.is_bigendian) == (encoding, big_endian)
    np.testing.assert_array_equal(frame.data, message.data)


def test_nv12_has_its_second_plane(tmp_path):
    message = image(np.arange(6 * 4, dtype='u1').reshape(6, 4), 'nv12', FIRST)
    message.height = 4
    path = write_bag(tmp_path / 'bag', [Message(TOPIC, IMAGE, FIRST, message)])
    with BagReader(path) as bag:
        frame = next(bag.messages([TOPIC])).frame()
    assert (frame.height, frame.stored_rows, frame.data.nbytes) == (4, 6, 24)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('kind', ['jpeg', 'png'])
def test_compressed_images_are_decoded(tmp_path, storage, kind):
    (pixels,) = pictures(1)
    topic = TOPIC + '/compressed'
    path = write_bag(tmp_path / 'bag',
                     [Message(topic, COMPRESSED, FIRST, compressed(pixels, kind, FIRST))], storage)
    with BagReader(path) as bag:
        frame = next(bag.messages([bag.image_topic()])).frame()
    assert (frame.encoding, frame.stamp_ns, frame.frame_id) == ('bgr8', FIRST, 'camera')
    got = frame.data.reshape(48, 64, 3).astype(int)
    if kind == 'png':
        np.testing.assert_array_equal(got, pixels)
    else:
        expected = cv2.imdecode(cv2.imencode('.jpg', pixels)[1], cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(got, expected)


def test_messages_recorded_out_of_order_come_by_log_time(tmp_path):
    messages = image_messages(pictures(6))
    path = write_bag(tmp_path / 'bag', [messages[i] for i in (3, 0, 5, 1, 2, 4)])
    with BagReader(path) as bag:
        stamps = [m.stamp_ns for m in bag.messages([TOPIC])]
    assert stamps == [FIRST + i * 100_000_000 for i in range(6)]


def test_several_image_topics_have_to_be_chosen_from(tmp_path):
    found = pictures(2)
    path = write_bag(tmp_path / 'bag', image_messages(found) + image_messages(found[:1], '/rear'))
    with BagReader(path) as bag:
        with pytest.raises(BagError, match=r'2 image topics\. Choose one with --image-topic, or '
                                           r'in Python with `topic`: '
                                           r'/camera/image_raw \(2\), /rear \(1\)'):
            bag.image_topic()
        assert bag.image_topic('/rear') == '/rear'
        with pytest.raises(BagError, match=r"no images on '/camera/image'.*did you mean "
                                           "'/camera/image_raw'"):
            bag.image_topic('/camera/image')


def test_the_camera_is_chosen_if_all_other_topics_are_results(tmp_path):
    (picture,) = pictures(1)
    results = ['/camera/segmentation/label_map', '/overlay', '/seg/confidence/compressed']
    messages = [image_messages([picture], topic)[0] for topic in (results[0], TOPIC, *results[1:])]
    path, said = write_bag(tmp_path / 'bag', messages), []
    with BagReader(path) as bag:
        assert bag.image_topic(say=said.append) == TOPIC
        assert said == [f'{path}: images are read from {TOPIC}, but not from {results[0]} '
                        f'(a result), {results[1]} (a result), {results[2]} (a result)']
        assert bag.image_topic(results[1], said.append) == results[1]
    only = write_bag(tmp_path / 'only', messages[:1])
    with BagReader(only) as bag:
        assert bag.image_topic(say=said.append) == results[0]
    two = write_bag(tmp_path / 'two', [*messages, *image_messages([picture], '/rear')])
    with BagReader(two) as bag, pytest.raises(BagError, match=r'5 image topics\. Choose one'):
        bag.image_topic(say=said.append)
    maps = write_bag(tmp_path / 'maps', messages[:1] + messages[2:])
    with BagReader(maps) as bag, pytest.raises(BagError, match=r'3 image topics\. Choose one'):
        bag.image_topic(say=said.append)
    assert len(said) == 1


def test_a_bag_with_no_image_topic(tmp_path):
    path = write_bag(tmp_path / 'bag', [Message('/camera_info', CAMERA_INFO, 1, camera_info(1))])
    with BagReader(path) as bag, pytest.raises(BagError, match=r'has no image topic\. The type'):
        bag.image_topic()


@pytest.mark.parametrize('topic, info', [
    ('/camera/image_raw', '/camera/camera_info'), ('/image', '/camera_info'),
    ('/camera/image_raw/compressed', '/camera/camera_info'), ('/other/image_raw', None)])
def test_camera_info_is_the_one_beside_the_images(tmp_path, topic, info):
    path = write_bag(tmp_path / 'bag', [
        Message('/camera/camera_info', CAMERA_INFO, 1, camera_info(1)),
        Message('/camera_info', CAMERA_INFO, 2, camera_info(2))])
    with BagReader(path) as bag:
        assert bag.camera_info_topic(topic) == info


def test_the_image_types_are_the_same_in_every_distribution():
    ours = get_typestore(Stores.ROS2_JAZZY)
    for store in Stores:
        if store.name.startswith('ROS2'):
            for msgtype in (IMAGE, COMPRESSED, CAMERA_INFO):
                assert get_typestore(store).hash_rihs01(msgtype) == ours.hash_rihs01(msgtype)


# ---- what is not a bag, or a broken one

def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no bag at .*nowhere'):
        BagReader(tmp_path / 'nowhere')


def test_folder_without_metadata_names_the_file_to_give(tmp_path):
    path = write_bag(tmp_path / 'bag', image_messages(pictures(1)))
    (path / 'metadata.yaml').unlink()
    with pytest.raises(BagError, match=r'no metadata.yaml.*ros2 bag reindex.*bag.mcap'):
        BagReader(path)
    (path / 'bag.mcap').unlink()
    with pytest.raises(BagError, match=r'not a rosbag2 folder$'):
        BagReader(path)


@pytest.mark.parametrize('name, hint', [('x.txt', 'not a rosbag2 folder, .mcap or .db3'),
                                        ('x.bag', 'rosbags-convert')])
def test_other_files(tmp_path, name, hint):
    (tmp_path / name).write_bytes(b'hello')
    with pytest.raises(BagError, match=hint):
        BagReader(tmp_path / name)


POINTER = ('version https://git-lfs.github.com/spec/v1\noid sha256:' + 64 * 'a'
           + '\nsize 12345\n').encode()
REPAIR = re.compile('reindex|mcap recover')


@pytest.mark.parametrize('name', ['street.jpg', 'street.PNG', 'x.tiff'])
def test_a_picture_is_called_one(tmp_path, name):
    (tmp_path / name).write_bytes(b'\xff\xd8')
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(BagError, match=r'a (folder of )?pictures?, not a bag\. Segment it '
                                           rf'with `trt_seg segment {path}`') as raised:
            BagReader(path)
        assert not REPAIR.search(str(raised.value))


@pytest.mark.parametrize('name, words', [
    ('drive.mp4', 'is a video, not a bag. Segment it with `trt_seg segment .*drive.mp4`'),
    ('metadata.yaml', 'is only a part of a bag. Give the folder '),
    ('x.mcap', 'It is empty. Copy or record it again')])
def test_other_things_are_named(tmp_path, name, words):
    (tmp_path / name).touch()
    with pytest.raises(BagError, match=words) as raised:
        BagReader(tmp_path / name)
    assert not REPAIR.search(str(raised.value))


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / 'x.mcap')
    with pytest.raises(BagError, match=r'x\.mcap is neither a file nor a folder'):
        BagReader(tmp_path / 'x.mcap')


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('which', ['bare', 'storage', 'metadata'])
def test_a_git_lfs_pointer_is_called_one(tmp_path, storage, which):
    path = write_bag(tmp_path / 'bag', image_messages(pictures(1)), storage)
    (file,) = [p for p in path.iterdir() if p.suffix in ('.mcap', '.db3')]
    file = path / 'metadata.yaml' if which == 'metadata' else file
    file.write_bytes(POINTER)
    with pytest.raises(BagError) as raised:
        BagReader(file if which == 'bare' else path)
    assert str(raised.value) == (f'{file} is a Git LFS pointer, not the file itself; run '
                                 '`git lfs pull` in its repository')


@pytest.mark.parametrize('old, new, words', [
    ('bag.mcap', 'gone.mcap', 'database files are missing: .*gone.mcap.*. Copy the missing files'),
    ('storage_identifier: mcap', 'storage_identifier: rocks',
     r"Storage plugin 'rocks' not supported. Convert the bag with `ros2 bag convert`"),
    ('version: 9', 'version: 10', 'version 10 not supported. Convert the bag with'),
    ('serialization_format: cdr', 'serialization_format: json',
     "Serialization format {'json'} is not supported. Convert the bag with")])
def test_repair_is_not_advised_for_what_is_not_damaged(tmp_path, old, new, words):
    path = write_bag(tmp_path / 'bag', image_messages(pictures(1)))
    text = (path / 'metadata.yaml').read_text()
    assert old in text
    (path / 'metadata.yaml').write_text(text.replace(old, new))
    with pytest.raises(BagError, match=words) as raised:
        BagReader(path)
    assert not REPAIR.search(str(raised.value))
    assert 'report issue' not in str(raised.value)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_files_this_user_may_not_read_are_named(tmp_path, storage, monkeypatch):
    path = write_bag(tmp_path / 'bag', image_messages(pictures(1)), storage)
    (file,) = [p for p in path.iterdir() if p.suffix in ('.mcap', '.db3')]
    really = os.open

    def refused(path, *args, **more):       # root can read every file
        if path == file:
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return really(path, *args, **more)

    monkeypatch.setattr(os, 'open', refused)
    for place in (path, file):
        with pytest.raises(BagError, match=f'{file} cannot be read, because this user has no '
                                           'permission. Give .* with `chmod') as raised:
            BagReader(place)
        assert not REPAIR.search(str(raised.value))


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_repair_is_advised_for_a_file_that_was_cut_off(tmp_path, storage):
    path = write_bag(tmp_path / 'bag', image_messages(pictures(3)), storage)
    (file,) = [p for p in path.iterdir() if p.suffix in ('.mcap', '.db3')]
    file.write_bytes(file.read_bytes()[:3000])
    for place in (path, file):
        with pytest.raises(BagError, match=r'repair it with `ros2 bag reindex` or `mcap'), \
                BagReader(place) as bag:
            list(bag.messages([TOPIC]))


# ---- the rosbags library. This package replaces some of its internals.

def test_only_the_minor_version_whose_internals_are_known_is_installed():
    root = Path(bag_limits.__file__).parents[2]
    for name in ('setup.py', 'requirements/demo.in'):
        assert bag_limits.ROSBAGS in (root / name).read_text('utf-8'), (
            f'{name} has to ask for {bag_limits.ROSBAGS}, as untrusted/bag_limits.py says')
    found, asked = version('rosbags'), re.findall(r'[<>=]+([0-9.]+)', bag_limits.ROSBAGS)
    assert found.startswith(f'{asked[0]}.'), (
        f'rosbags {found} is installed; untrusted/bag_limits.py replaces internals of '
        f'{bag_limits.ROSBAGS}. See whether they are the same, then change ROSBAGS there')


@pytest.mark.parametrize('storage, mode, through', [
    ('mcap', CompressionMode.STORAGE, 'chunk'), ('mcap', CompressionMode.MESSAGE, 'decompress'),
    ('sqlite3', CompressionMode.MESSAGE, 'decompress'), ('mcap', CompressionMode.FILE, 'open'),
    ('sqlite3', CompressionMode.FILE, 'open')])
def test_rosbags_unpacks_through_our_limits(tmp_path, storage, mode, through, monkeypatch):
    used = set()

    def spied(name, function):
        return lambda *args, **more: used.add(name) or function(*args, **more)

    for kind in ('zstd', 'lz4'):
        monkeypatch.setitem(storage_mcap.DECOMPRESSORS, kind,
                            spied('chunk', storage_mcap.DECOMPRESSORS[kind]))
    ours = reader.zstd
    monkeypatch.setattr(reader, 'zstd', SimpleNamespace(
        decompress=spied('decompress', ours.decompress), open=spied('open', ours.open)))
    path = write_bag(tmp_path / 'bag', image_messages(pictures(2)), storage, mode)
    with BagReader(path) as bag:
        assert len(list(bag.messages([TOPIC]))) == 2
    assert through in used, (
        f'rosbags {version("rosbags")} no longer unpacks bags of {storage} compressed by '
        f'{mode.name} through what untrusted/bag_limits.py replaces, so nothing bounds their size')


@pytest.mark.parametrize('module, name', [(storage_mcap, 'DECOMPRESSORS'),
                                          (bag_limits, '_zstd_module')])
def test_a_rosbags_with_other_internals_is_refused_by_name(module, name, monkeypatch):
    if module is bag_limits:
        monkeypatch.setattr(module, name, None)
    else:
        monkeypatch.delattr(module, name)
    with pytest.raises(bag_limits.BagLimitError, match=re.escape(
            f"rosbags {version('rosbags')} is installed") + '.*pip install .rosbags>='):
        bag_limits.unpack_within_limits()


@pytest.mark.parametrize('name', ['x.mcap', 'x.db3'])
@pytest.mark.parametrize('content', [b'', b'hello', b'\x89MCAP0\r\n', b'SQLite format 3\0',
                                     bytes(range(256)) * 8])
def test_files_that_only_have_the_name_of_a_bag(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=r'cannot be read as a bag'):
        BagReader(tmp_path / name)


@pytest.mark.parametrize('text', ['', 'hello', 'a: [', 'rosbag2_bagfile_information: 3'])
def test_broken_metadata(tmp_path, text):
    path = write_bag(tmp_path / 'bag', image_messages(pictures(1)))
    (path / 'metadata.yaml').write_text(text)
    with pytest.raises(BagError, match=r'cannot be read as a bag'):
        BagReader(path)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_cut_off_or_overwritten_is_an_error_and_nothing_else(tmp_path, storage):
    path = write_bag(tmp_path / 'bag', image_messages(pictures(12)), storage)
    (file,) = [p for p in path.iterdir() if p.suffix in ('.mcap', '.db3')]
    whole = file.read_bytes()
    rng = np.random.default_rng(1)
    broken = 0
    for cut in rng.integers(0, len(whole), 40):
        for content in (whole[:cut], whole[:cut] + bytes(64) + whole[cut + 64:]):
            file.write_bytes(content)
            try:
                with BagReader(path) as bag:
                    for message in bag.messages([TOPIC]):
                        try:
                            message.frame()
                        except FrameError:
                            broken += 1
            except BagError:
                broken += 1
    assert broken >= 40


def test_an_index_with_too_many_messages_is_an_error(tmp_path):
    path = write_bag(tmp_path / 'bag', image_messages(pictures(3)))
    text = (path / 'metadata.yaml').read_text()
    (path / 'metadata.yaml').write_text(text.replace('message_count: 3', 'message_count: 5'))
    with BagReader(path) as bag:
        messages = bag.messages([TOPIC])
        assert [next(messages).number for _ in range(3)] == [1, 2, 3]
        with pytest.raises(BagError, match=r'5 messages on /camera/image_raw, but 3 could be'):
            next(messages)


def test_a_malformed_message_is_a_frame_error_with_its_stamp():
    whole = bytes(STORE.serialize_cdr(image(pictures(1)[0], 'bgr8', FIRST), IMAGE))
    message = Recorded(TOPIC, IMAGE, 1, 0, whole[:200])
    assert message.stamp_ns == FIRST
    with pytest.raises(FrameError, match=r'not a sensor_msgs/msg/Image message'):
        message.frame()
    short = Recorded(TOPIC, IMAGE, 1, 0, whole[:9])
    assert short.stamp_ns is None
    with pytest.raises(FrameError):
        short.frame()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 119), st.integers(0, 255)), min_size=1, max_size=6),
       st.one_of(st.none(), st.integers(0, 400)))
def test_mutated_messages_give_a_frame_or_a_frame_error(changes, cut):
    data = bytearray(STORE.serialize_cdr(
        image(np.zeros((10, 10, 3), np.uint8), 'bgr8', FIRST), IMAGE))
    for at, value in changes:
        data[at] = value
    message = Recorded(TOPIC, IMAGE, 1, 0, bytes(data[:cut]))
    try:
        frame = message.frame()
    except FrameError:
        return
    assert frame.data.nbytes >= frame.size


@pytest.mark.parametrize('stamp, text', [
    (1_700_000_000_000_000_001, '1700000000.000000001'), (0, '0.000000000'),
    (None, 'unreadable')])
def test_stamps_are_written_without_losing_digits(stamp, text):
    assert stamp_text(stamp) == text


# ---- writing

def read_all(path):
    with AnyReader([path]) as reader:
        return [(c.topic, t, reader.deserialize(data, c.msgtype))
                for c, t, data in reader.messages()]


@pytest.mark.parametrize('png', [False, True])
@pytest.mark.parametrize('count, encoding', [(4, 'mono8'), (300, 'mono16')])
def test_label_maps_are_written_without_loss(tmp_path, png, count, encoding):
    labels = np.random.default_rng(0).integers(0, count, (5, 7)).astype(card(count).label_dtype)
    labels[0, 0] = np.iinfo(labels.dtype).max
    with BagWriter(tmp_path / 'out', card(count), overlay=False, png=png) as writer:
        writer.write(writer.encode(FIRST + 5, segmentation(labels)))
    messages = {topic: (t, m) for topic, t, m in read_all(tmp_path / 'out')}
    name = '/segmentation/label_map' + ('/compressed' if png else '')
    assert set(messages) == {name, '/segmentation/label_info'}
    log_time, message = messages[name]
    assert log_time == FIRST + 5
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == divmod(FIRST, 10**9)
    assert message.header.frame_id == 'cam'
    if png:
        assert message.format == f'{encoding}; png compressed '
    else:
        assert (message.encoding, message.step) == (encoding, 7 * labels.itemsize)
    with BagReader(tmp_path / 'out') as bag:
        got = next(bag.messages([name])).labels()
    assert got.dtype == labels.dtype
    np.testing.assert_array_equal(got, labels)


def test_overlay_camera_info_and_names_are_written(tmp_path):
    labels = np.zeros((48, 64), np.uint8)
    overlay = pictures(1)[0]
    info = Recorded('/camera/camera_info', CAMERA_INFO, 1, FIRST + 1,
                    bytes(STORE.serialize_cdr(camera_info(FIRST), CAMERA_INFO)))
    with BagWriter(tmp_path / 'out', card(), '/robot/seg/', camera_info=True) as writer:
        for i in range(3):
            writer.write(writer.encode(
                FIRST + i, segmentation(labels, FIRST + i, overlay=overlay)))
        writer.write_camera_info(info)
    messages = read_all(tmp_path / 'out')
    topics = [topic for topic, _, _ in messages]
    assert sorted(set(topics)) == [f'/robot/seg/{n}' for n in
                                   ('camera_info', 'label_info', 'label_map', 'overlay')]
    assert topics.count('/robot/seg/label_info') == 1
    assert topics.index('/robot/seg/label_info') == 0
    names = messages[0][2]
    assert [(c.class_id, c.class_name) for c in names.class_map] == [
        (i, f'class {i}') for i in range(4)]
    assert names.threshold == 0.5
    found = [m for topic, _, m in messages if topic.endswith('overlay')]
    assert len(found) == 3
    assert found[0].encoding == 'bgr8'
    np.testing.assert_array_equal(found[0].data.reshape(48, 64, 3), overlay)
    (passed,) = [m for topic, _, m in messages if topic.endswith('camera_info')]
    np.testing.assert_array_equal(passed.k, np.arange(9.0))


def test_metadata_is_what_ros2_bag_play_needs(tmp_path):
    with BagWriter(tmp_path / 'out', card()) as writer:
        writer.write(writer.encode(FIRST, segmentation(np.zeros((4, 4), np.uint8))))
    tree = yaml.safe_load((tmp_path / 'out' / 'metadata.yaml').read_text())
    info = tree['rosbag2_bagfile_information']
    assert info['storage_identifier'] == 'mcap'
    assert info['relative_file_paths'] == ['out.mcap']
    assert info['starting_time']['nanoseconds_since_epoch'] == FIRST
    topics = {t['topic_metadata']['name']: t['topic_metadata']
              for t in info['topics_with_message_count']}
    assert all(t['serialization_format'] == 'cdr' for t in topics.values())
    # rosidl generates this hash for vision_msgs/msg/LabelInfo
    assert topics['/segmentation/label_info']['type_description_hash'] == (
        'RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783')
    (latched,) = yaml.safe_load(topics['/segmentation/label_info']['offered_qos_profiles'])
    (plain,) = yaml.safe_load(topics['/segmentation/label_map']['offered_qos_profiles'])
    # rmw numbers: 1 is reliable, transient local and keep last; durability 2 is volatile
    assert (latched['reliability'], latched['durability'], latched['depth']) == (1, 1, 1)
    assert (plain['reliability'], plain['durability'], plain['history']) == (1, 2, 1)
    with Reader(tmp_path / 'out' / 'out.mcap') as reader:
        assert {c.topic: c.msgtype for c in reader.connections}[
            '/segmentation/label_info'] == LABEL_INFO
        assert all(c.msgdef.data for c in reader.connections)


def test_a_bag_stays_readable_when_its_writing_breaks_off(tmp_path):
    with pytest.raises(RuntimeError), BagWriter(tmp_path / 'out', card()) as writer:
        writer.write(writer.encode(FIRST, segmentation(np.ones((4, 4), np.uint8))))
        raise RuntimeError
    with BagReader(tmp_path / 'out') as bag:
        assert [m.labels().sum() for m in bag.messages(['/segmentation/label_map'])] == [16]


def test_an_empty_bag_can_be_read(tmp_path):
    with BagWriter(tmp_path / 'out', card()):
        pass
    with BagReader(tmp_path / 'out') as bag, pytest.raises(BagError, match=r'no message on'):
        bag.image_topic('/segmentation/label_map')


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / 'out').mkdir()
    with pytest.raises(BagError, match=r'cannot write a bag to .*exists already'):
        BagWriter(tmp_path / 'out', card())
    (tmp_path / 'file').touch()
    with pytest.raises(BagError, match=r'cannot write a bag to'):
        BagWriter(tmp_path / 'file' / 'out', card())


@pytest.mark.parametrize('namespace', ['', '/', 'a b', '1a', 'a//b', 'a-b', 'ä'])
def test_namespaces_that_are_no_ros_names(tmp_path, namespace):
    with pytest.raises(BagError, match=r'not a ROS name'):
        BagWriter(tmp_path / 'out', card(), namespace)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('dtype, encoding', [('u1', 'mono8'), ('u2', 'mono16')])
def test_label_maps_of_any_row_layout_are_read(padding, big_endian, dtype, encoding):
    labels = np.arange(35, dtype=dtype).reshape(5, 7) * 7
    data = STORE.serialize_cdr(image(labels, encoding, FIRST, padding=padding,
                                     big_endian=big_endian), IMAGE)
    got = Recorded('/x', IMAGE, 1, 0, bytes(data)).labels()
    assert got.dtype == labels.dtype
    np.testing.assert_array_equal(got, labels)


def test_an_image_that_is_no_label_map_is_refused():
    data = bytes(STORE.serialize_cdr(image(pictures(1)[0], 'bgr8', FIRST), IMAGE))
    with pytest.raises(FrameError, match=r'bgr8, but a label map is mono8 or mono16'):
        Recorded('/x', IMAGE, 1, 0, data).labels()


def test_a_split_recording_is_read_through(tmp_path):
    found = image_messages(pictures(4))
    first = write_bag(tmp_path / 'a', found[:2])
    second = write_bag(tmp_path / 'b', found[2:])
    shutil.copy(second / 'b.mcap', first / 'b.mcap')
    tree = yaml.safe_load((first / 'metadata.yaml').read_text())
    info = tree['rosbag2_bagfile_information']
    info['relative_file_paths'].append('b.mcap')
    info['message_count'] = 4
    info['topics_with_message_count'][0]['message_count'] = 4
    (first / 'metadata.yaml').write_text(yaml.safe_dump(tree))
    with BagReader(first) as bag:
        assert [m.stamp_ns for m in bag.messages([TOPIC])] == [
            FIRST + i * 100_000_000 for i in range(4)]


def test_our_store_knows_the_image_types():
    assert {IMAGE, COMPRESSED, CAMERA_INFO, LABEL_INFO} <= set(OUR_STORE.fielddefs)
