# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""cdr.py agrees with the serializers of rclpy and rosbags; 20,000 broken messages are refused."""

from __future__ import annotations

from array import array
from collections import Counter
import random
import struct
import sys

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.typesys import get_typestore, Stores
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from trt_segmentation.errors import FrameError
from trt_segmentation.frame import BYTES_PER_PIXEL, Frame
from trt_segmentation.ros.transport.cdr import HEAD_ROOM, image_prefix, parse_image
from trt_segmentation.untrusted.cdr_reader import CdrReader

STORE = get_typestore(Stores.ROS2_JAZZY)
MUTATED = 20_000


def random_image(rng: random.Random) -> Image:
    """Return an image that passes every check of Frame, with padding, odd sizes and any header."""
    encoding = rng.choice(sorted(BYTES_PER_PIXEL))
    height, width = rng.randrange(2, 40, 2), rng.randrange(2, 40, 2)
    step = width * BYTES_PER_PIXEL[encoding] + rng.choice([0, 0, 1, 7, 64])
    rows = height * {'nv12': 3, 'nv21': 3, 'nv24': 6}.get(encoding, 2) // 2
    letters = 'abc_/ 0äß日本🚗'
    return Image(
        header=Header(stamp=Time(sec=rng.randrange(-2**31, 2**31), nanosec=rng.randrange(2**32)),
                      frame_id=''.join(rng.choices(letters, k=rng.randrange(40)))),
        height=height, width=width, encoding=encoding, is_bigendian=rng.randrange(2), step=step,
        data=array('B', rng.randbytes(rows * step)))


def as_array(message: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(message), np.uint8)


def equal(frame: Frame, image: Image) -> bool:
    stamp = image.header.stamp
    return (frame.data.tobytes() == image.data.tobytes() and frame == Frame(
        frame.data, image.encoding, image.height, image.width, image.step,
        bool(image.is_bigendian), stamp.sec * 10**9 + stamp.nanosec, image.header.frame_id))


def prefix_of(image: Image) -> bytes:
    return image_prefix(
        image.header.stamp.sec, image.header.stamp.nanosec, image.header.frame_id, image.height,
        image.width, image.encoding, image.step, len(image.data), bool(image.is_bigendian))


def test_parses_what_rclpy_serializes() -> None:
    """Earlier fields of any length change the alignment, and every field is still right."""
    rng = random.Random(1)
    for _ in range(500):
        image = random_image(rng)
        message = as_array(serialize_message(image))
        frame = parse_image(message)
        assert equal(frame, image)
        assert np.shares_memory(frame.data, message)
        stamp, frame_id = image.header.stamp, image.header.frame_id
        assert CdrReader(message).read_header() == (stamp.sec, stamp.nanosec, frame_id)


def rosbags_bytes(image: Image, little_endian: bool) -> bytes:
    """Return the same message from rosbags' serializer, which can write both byte orders."""
    types = STORE.types
    stamp = types['builtin_interfaces/msg/Time'](
        sec=image.header.stamp.sec, nanosec=image.header.stamp.nanosec)
    same = types['sensor_msgs/msg/Image'](
        header=types['std_msgs/msg/Header'](stamp=stamp, frame_id=image.header.frame_id),
        height=image.height, width=image.width, encoding=image.encoding,
        is_bigendian=image.is_bigendian, step=image.step,
        data=np.frombuffer(image.data, np.uint8))
    return bytes(STORE.serialize_cdr(same, 'sensor_msgs/msg/Image', little_endian=little_endian))


@pytest.mark.parametrize('little_endian', [True, False])
def test_parses_either_byte_order(little_endian: bool) -> None:
    rng = random.Random(2)
    for _ in range(200):
        image = random_image(rng)
        message = rosbags_bytes(image, little_endian)
        assert message[1] == little_endian
        assert equal(parse_image(as_array(message)), image)


def test_prefix_and_pixels_are_the_whole_message() -> None:
    """The bytes equal those of rosbags. rclpy writes as many bytes, but with random padding."""
    rng = random.Random(3)
    for _ in range(500):
        image = random_image(rng)
        message = prefix_of(image) + image.data.tobytes()
        assert message == rosbags_bytes(image, sys.byteorder == 'little')
        assert len(message) == len(serialize_message(image))
        assert deserialize_message(message, Image) == image


def test_prefix_is_whole_words_and_fits_the_head_room() -> None:
    """For this reason the pixels may start at any address. The docs promise names of 450 bytes."""
    for size in range(451):
        prefix = image_prefix(0, 0, 'x' * size, 2, 2, 'y' * (450 - size), 6, 12)
        assert len(prefix) % 4 == 0
        assert len(prefix) <= HEAD_ROOM


def test_bytes_after_the_end_are_ignored() -> None:
    """Fast CDR adds padding, and on Humble the middleware delivers more bytes than needed."""
    image = random_image(random.Random(4))
    message = serialize_message(image)
    for extra in (1, 3, 4, 255):
        assert equal(parse_image(as_array(message + b'\xff' * extra)), image)


def valid() -> bytearray:
    return bytearray(image_prefix(1, 2, 'cam', 2, 4, 'bgr8', 12, 24) + bytes(range(24)))


def test_every_truncation_is_refused_with_its_numbers() -> None:
    whole = valid()
    assert parse_image(as_array(whole)).size == 24
    for size in range(len(whole)):
        with pytest.raises(FrameError, match=f'has only {size} bytes;'):
            parse_image(as_array(whole[:size]))


@pytest.mark.parametrize('identifier, name', [
    (0x0002, 'PL_CDR_BE'), (0x0007, 'CDR2_LE'), (0x000b, 'PL_CDR2_LE'), (0x1234, 'unknown')])
def test_other_encapsulations_are_refused_by_name(identifier: int, name: str) -> None:
    message = valid()
    message[:2] = identifier.to_bytes(2, 'big')
    with pytest.raises(FrameError, match=f'0x{identifier:04x} .{name}.; expected CDR_BE'):
        parse_image(as_array(message))


@pytest.mark.parametrize('offset, field', [(12, 'frame_id'), (28, 'encoding'), (44, 'data')])
@pytest.mark.parametrize('length', [69, 0x7fffffff, 0xffffffff])
def test_a_length_beyond_the_message_is_refused(offset: int, field: str, length: int) -> None:
    message = valid()
    struct.pack_into('<I', message, offset, length)
    with pytest.raises(FrameError, match=f'{field} needs [0-9]+ bytes from byte {offset + 4} on'):
        parse_image(as_array(message))


def test_strings() -> None:
    """The cases are an empty string, a string without its end, and bytes that are not UTF-8."""
    message = valid()
    assert message[16:20] == b'cam\0'
    message[19] = 7
    with pytest.raises(FrameError, match='frame_id has 4 bytes from byte 16 on; its last byte'
                       ' is 7, expected 0'):
        parse_image(as_array(message))
    message[16:20] = b'a\xff\xfe\0'
    mine = parse_image(as_array(message)).frame_id
    assert mine == deserialize_message(bytes(message), Image).header.frame_id == 'a\ufffd\ufffd'
    empty = valid()[:12] + bytes(4) + valid()[20:]
    assert parse_image(as_array(empty)).frame_id == ''


def mutate(message: bytes, rng: random.Random) -> bytearray:
    """Damage a message one to three times, as memory or a network could."""
    broken = bytearray(message)
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(5)
        if kind == 0:
            del broken[rng.randrange(len(broken) + 1):]
        elif kind == 1:
            broken += rng.randbytes(rng.randrange(1, 64))
        elif kind == 2 and broken:
            for _ in range(rng.randrange(1, 6)):
                broken[rng.randrange(min(len(broken), 96))] = rng.randrange(256)
        elif kind == 3 and len(broken) >= 8:
            where = rng.randrange(0, min(len(broken), 96) - 3, 4)
            number = rng.choice([0, 1, 0x7fffffff, 0x80000000, 0xffffffff, len(broken),
                                 len(broken) - where, rng.randrange(2**32)])
            struct.pack_into('<I', broken, where, number & 0xffffffff)
        elif kind == 4 and broken:
            start = rng.randrange(len(broken))
            del broken[start:start + rng.randrange(1, 9)]
    return broken


def test_mutated_messages_are_frames_or_counted_errors() -> None:
    """No message crashes the reader. A frame has only pixels from its own message."""
    rng = random.Random(5)
    seeds = [serialize_message(random_image(rng)) for _ in range(50)]
    counted: Counter[str] = Counter()
    for _ in range(MUTATED):
        message = as_array(mutate(rng.choice(seeds), rng))
        try:
            frame = parse_image(message)
        except FrameError as error:
            assert str(error)
            counted['error'] += 1
        else:
            assert frame.size <= frame.data.nbytes <= message.nbytes
            start = frame.data.ctypes.data - message.ctypes.data
            assert start >= 0
            assert start + frame.data.nbytes <= message.nbytes
            counted['frame'] += 1
    assert counted['frame'] + counted['error'] == MUTATED
    # an image with other pixels is valid, but most other damage gives an error
    assert counted['frame'] > MUTATED // 20
    assert counted['error'] > MUTATED // 2
