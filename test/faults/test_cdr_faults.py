# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Serialized messages that are damaged, cut off, or have wrong lengths.

A message gives a Frame, or one FrameError with one readable line. It never gives another
exception. The bytes of a Frame lie inside the message. The size of the message and of its decoded
picture bounds the memory that is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import random
import struct
import tracemalloc
from typing import Any
import zlib

import cv2
import numpy as np
import pytest

from trt_segmentation.bags.message_types import STORE
from trt_segmentation.bags.reader import CAMERA_INFO, COMPRESSED, IMAGE, Recorded
from trt_segmentation.errors import FrameError
from trt_segmentation.frame import Frame
from trt_segmentation.host.decode_jpeg_png import decompress, MAX_PIXELS
from trt_segmentation.ros.transport.cdr import parse_image
from trt_segmentation.untrusted.cdr_reader import CdrReader

HEIGHT, WIDTH = 24, 32
PIXELS = np.random.default_rng(5).integers(0, 256, HEIGHT * WIDTH * 3).astype(np.uint8)
NUMBERS = [struct.pack('<I', n) for n in (
    0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**30, 0x01000000, 16384, 16385)]
FIRST_FIELDS = 120
"""Number of bytes at the start of a message that contain the fields before the pixels."""


def header():
    types = STORE.types
    return types['std_msgs/msg/Header'](
        stamp=types['builtin_interfaces/msg/Time'](sec=1, nanosec=2), frame_id='camera')


def serialized(msgtype: str, **fields: Any) -> bytes:
    return bytes(STORE.serialize_cdr(STORE.types[msgtype](header=header(), **fields), msgtype))


def image(encoding='bgr8', step=3 * WIDTH, **changed):
    return serialized(IMAGE, **{
        'height': HEIGHT, 'width': WIDTH, 'encoding': encoding, 'is_bigendian': 0, 'step': step,
        'data': PIXELS, **changed})


def compressed(suffix: str) -> bytes:
    data = cv2.imencode(suffix, PIXELS.reshape(HEIGHT, WIDTH, 3))[1]
    return serialized(COMPRESSED, format='bgr8; compressed', data=data.reshape(-1))


def camera_info() -> bytes:
    region = STORE.types['sensor_msgs/msg/RegionOfInterest'](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return serialized(
        CAMERA_INFO, height=HEIGHT, width=WIDTH, distortion_model='plumb_bob',
        d=np.zeros(5), k=np.zeros(9), r=np.zeros(9), p=np.zeros(12), binning_x=0, binning_y=0,
        roi=region)


def mutated(message: bytes, rng: random.Random) -> bytes:
    """Make one to three changes. Each flips a bit, changes a length, adds or removes bytes."""
    data = bytearray(message)
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(5)
        if not data:
            break
        at = rng.randrange(len(data))
        head = rng.randrange(min(len(data), FIRST_FIELDS))
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[head] = rng.randrange(256)
        elif kind == 2:
            data[head & ~3:(head & ~3) + 4] = rng.choice(NUMBERS)
        elif kind == 3:
            data[head:head + rng.randrange(9)] = rng.randbytes(rng.randrange(9))
        else:
            del data[(at if rng.randrange(2) else head):]
    return bytes(data)


def inside(frame: Frame, message: np.ndarray) -> bool:
    """Return True if all bytes of the frame lie inside the message."""
    start = frame.data.__array_interface__['data'][0]
    base = message.__array_interface__['data'][0]
    return base <= start and start + max(frame.size, frame.data.nbytes) <= base + message.nbytes


def by_direct_transport(message: bytes) -> Frame:
    array = np.frombuffer(message, np.uint8)
    frame = parse_image(array)
    assert inside(frame, array)
    CdrReader(array).read_header()
    return frame


def by_bag(msgtype: str) -> Callable[[bytes], Frame]:
    def read(message: bytes) -> Frame:
        frame = Recorded('/camera', msgtype, 1, 0, message).frame()
        assert frame.data.nbytes >= frame.size
        return frame
    return read


def header_alone(message: bytes) -> None:
    recorded = Recorded('/camera_info', CAMERA_INFO, 1, 0, message)
    stamp = recorded.stamp_ns
    sec, nanosec, _ = CdrReader(np.frombuffer(message, np.uint8)).read_header()
    assert stamp == sec * 10**9 + nanosec


WAYS = {
    'image, direct transport': (image(), by_direct_transport, 12),
    'image of two planes, direct transport': (
        image('nv12', WIDTH, height=HEIGHT, data=PIXELS[:HEIGHT * WIDTH * 3 // 2]),
        by_direct_transport, 12),
    'image, bag': (image(), by_bag(IMAGE), 12),
    'JPEG, bag': (compressed('.jpg'), by_bag(COMPRESSED), 2),
    'PNG, bag': (compressed('.png'), by_bag(COMPRESSED), 2),
    'camera info': (camera_info(), header_alone, 10),
}
"""A valid message, its reader, and how many times 2,000 damaged messages are made of it."""


def outcome(read: Callable[[bytes], object], message: bytes) -> str:
    try:
        read(message)
    except FrameError as error:
        text = str(error)
        assert 10 < len(text) < 800 and text.isprintable(), text
        return 'FrameError'
    return 'frame'


@pytest.mark.parametrize('name', WAYS)
def test_a_hundred_thousand_mutated_messages(name):
    """Each of 72,000 images, 20,000 camera infos and 8,000 pictures gives a frame or one error."""
    sound, read, share = WAYS[name]
    assert outcome(read, sound) == 'frame'
    rng, count = random.Random(1), 2000 * share
    seen = Counter(outcome(read, mutated(sound, rng)) for _ in range(count))
    assert seen.total() == count
    # the test has a meaning only if both results occur
    assert min(seen['frame'], seen['FrameError']) > count // 50, seen


@pytest.mark.parametrize('name', WAYS)
def test_the_memory_of_a_message_is_bounded(name):
    """Peak memory stays below twice the size of the message and its decoded picture.

    The test reads 300 damaged messages. In further messages, one of NUMBERS replaces a number of
    the header.
    """
    sound, read, _ = WAYS[name]
    rng = random.Random(3)
    messages = [mutated(sound, rng) for _ in range(300)]
    for at in range(4, min(FIRST_FIELDS, len(sound) - 4), 4):
        messages += [sound[:at] + number + sound[at + 4:] for number in NUMBERS]
    tracemalloc.start()
    try:
        for message in messages:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            try:
                frame = read(message)
            except FrameError:
                frame = None
            taken = tracemalloc.get_traced_memory()[1] - before
            pixels = 0 if frame is None else frame.data.nbytes
            # 64 KB allow for error texts and for pictures that are decoded only in part
            assert taken < 2 * (len(message) + pixels) + 65536, (taken, message[:80])
    finally:
        tracemalloc.stop()


def test_encoding_of_a_megabyte_is_told_in_a_line():
    """The error quotes only the beginning of a long unknown encoding."""
    array = np.frombuffer(image('x' * 1_000_000), np.uint8)
    with pytest.raises(FrameError, match=r"unknown encoding 'x{40}'") as caught:
        parse_image(array)
    assert len(str(caught.value)) < 800


def png(width: int, height: int, bits: int = 8, kind: int = 2, data: bytes = b'') -> bytes:
    """Make a PNG file with right checksums. Its header claims the given size."""
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack('>I', len(body)) + name + body + struct.pack(
            '>I', zlib.crc32(name + body))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack(
        '>IIBBBBB', width, height, bits, kind, 0, 0, 0)) + chunk(b'IDAT', data) + chunk(
        b'IEND', b'')


def jpeg(width: int, height: int) -> bytes:
    """Make a JPEG file. Its header claims the given size."""
    data = bytearray(cv2.imencode('.jpg', PIXELS.reshape(HEIGHT, WIDTH, 3))[1].tobytes())
    at = data.index(b'\xff\xc0')
    data[at + 5:at + 9] = struct.pack('>HH', height, width)
    return bytes(data)


@pytest.mark.parametrize('file, words', [
    (png(60000, 60000), '60000x60000 pixels .* 1 to 16384'),
    (png(16384, 16384, data=zlib.compress(bytes(1000))), 'bytes cannot hold'),
    (png(2**31 - 1, 1), '2147483647x1'),
    (jpeg(65535, 65535), '65535x65535'),
    (jpeg(16384, 16384), 'bytes cannot hold'),
    (jpeg(0, 24), '0x24'),
    # a few kilobytes can really hold so many pixels, but no camera sends such a picture
    (png(16384, 16384, 1, 0, zlib.compress(bytes(2049 * 16384), 9)),
     f'At most {MAX_PIXELS} pixels are decoded')])
def test_decompression_bomb_is_refused_before_it_is_decoded(file, words, monkeypatch):
    """The decoder must not get a file that claims more pixels than its bytes can hold."""
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: pytest.fail('the file was decoded'))
    with pytest.raises(FrameError, match=words):
        decompress(file, 'png')


@pytest.mark.parametrize('suffix, options', [
    ('.png', [cv2.IMWRITE_PNG_COMPRESSION, 9]), ('.jpg', [cv2.IMWRITE_JPEG_OPTIMIZE, 1]),
    ('.jpg', [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 1])])
@pytest.mark.parametrize('shape', [(1080, 1920), (1080, 1920, 3)])
def test_picture_of_one_colour_is_no_bomb(suffix, options, shape):
    """A real picture with the highest compression is accepted."""
    data = cv2.imencode(suffix, np.zeros(shape, np.uint8), options)[1]
    assert decompress(data.reshape(-1), '').size == np.prod(shape)


@pytest.mark.parametrize('transport', ['direct', 'typed'])
@pytest.mark.parametrize('kind, sound', [
    ('raw', image()), ('compressed', compressed('.jpg')), ('compressed', compressed('.png'))])
def test_every_message_that_is_sent_to_a_node_is_answered_or_counted(
        make_rig, transport, kind, sound):
    """The node counts each of 200 damaged messages and a valid one."""
    from sensor_msgs.msg import CompressedImage, Image
    message, topic = {'raw': (Image, 'image'), 'compressed': (CompressedImage, 'image/compressed')
                      }[kind]
    rig = make_rig(f'transport:={transport}', f'image_transport:={kind}', 'log_throttle:=60.0')
    speaker, rng = rig.speaker(message, topic), random.Random(6)
    sent = [mutated(sound, rng) or b'\0' for _ in range(200)] + [sound]
    for number, data in enumerate(sent, 1):
        speaker.publish(data)
        rig.until(lambda number=number: rig.snapshot().frames_in == number)
        rig.until(lambda: rig.snapshot().in_flight == 0)
    counts = rig.snapshot()
    assert counts.frames_out + counts.dropped['bad frame'] == len(sent), counts
    assert min(counts.frames_out, counts.dropped['bad frame']) > 3, counts


def test_every_camera_info_that_is_sent_is_taken_or_counted(make_rig):
    """A bad camera_info is logged and reported, and the node keeps the last good one."""
    from diagnostic_msgs.msg import DiagnosticArray
    from sensor_msgs.msg import CameraInfo

    from trt_segmentation.ros.diagnostics import WARN
    rig = make_rig('diagnostics_period:=60.0', 'log_throttle:=60.0')
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    speaker, rng = rig.speaker(CameraInfo, 'camera_info'), random.Random(7)
    camera, taken = rig.node.cameras[0], []

    def count_seen():
        if camera.info is not None and (not taken or camera.info is not taken[-1]):
            taken.append(camera.info)
        return len(taken) + camera.bad_infos

    sent = [mutated(camera_info(), rng) or b'\0' for _ in range(200)]
    for number, data in enumerate([camera_info(), *sent, b'\0\1\0\0'], 1):
        speaker.publish(data)
        rig.until(lambda number=number: count_seen() == number)
    assert min(len(taken), camera.bad_infos) > 20
    assert camera.info is taken[-1]
    for _ in range(2):
        rig.node.monitor.publish()
    rig.until(lambda: len(reports) == 2)
    first, second = (report.status[-1] for report in reports)
    assert first.level == WARN
    assert (f'{camera.bad_infos} bad camera_info since the last report, the newest: 4 bytes '
            'cannot be read as a sensor_msgs/CameraInfo: ') in first.message
    assert ('camera_info_bad', str(camera.bad_infos)) in [
        (pair.key, pair.value) for pair in first.values]
    assert 'camera_info' not in second.message
