# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""PacketDecoder answers each packet once, and it never shows a frame with wrong pixels."""

from collections.abc import Iterable
import re
from typing import Any

import av
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from videos import decode, decode_file, draw, encode, HEIGHT, make_file_with_ffmpeg, WIDTH

from trt_segmentation.video.packets import find_codec, MAX_PACKET, PacketDecoder
from trt_segmentation.video.pyav import MAX_PIXELS

CODECS = [('libx264', 'h264'), ('libx265', 'hevc')]
COUNT, EVERY_KEY = 30, 10


def feed(packets: Iterable[bytes], format: str = 'h264') -> dict[int, Any]:
    """Decode packets. Return for each position the image, or the reason why there is none."""
    decoder = PacketDecoder[int]()
    packets = list(packets)
    answers = [a for number, packet in enumerate(packets)
               for a in decoder.decode(packet, format, number)] + decoder.finish()
    assert sorted(a.token for a in answers) == list(range(len(packets)))
    assert all((a.picture is None) == bool(a.reason) for a in answers)
    return {a.token: a.reason if a.picture is None else a.picture.bgr() for a in answers}


def check(found, truth, shown):
    """Check that exactly the frames ``shown`` have an image, with the pixels of PyAV."""
    images = {number: image for number, image in found.items() if not isinstance(image, str)}
    assert sorted(images) == sorted(shown)
    for number, image in images.items():
        np.testing.assert_array_equal(image, truth[number], f'frame {number}')


@pytest.fixture(scope='module', params=CODECS, ids=['h264', 'h265'])
def stream(request):
    """Return the packets, the codec, and the images that PyAV decodes."""
    encoder, codec = request.param
    packets = encode(COUNT, encoder, EVERY_KEY)
    truth = decode(packets, codec)
    assert len(truth) == COUNT
    assert all(np.median(np.abs(t.astype(int) - draw(n))) < 12 for n, t in enumerate(truth))
    return packets, codec, truth


# ---- whole streams

def test_each_packet_gives_its_frame_at_once_bit_by_bit(stream):
    packets, codec, truth = stream
    decoder = PacketDecoder[int]()
    for number, packet in enumerate(packets):
        (answer,) = decoder.decode(packet, codec, number)
        assert answer.token == number and answer.reason == '' and answer.picture
        np.testing.assert_array_equal(answer.picture.bgr(), truth[number])
        assert answer.picture.bgr().flags.c_contiguous
    assert decoder.finish() == []


@pytest.mark.parametrize('encoder, suffix, codec', [
    ('libx264', 'h264', 'h264'), ('libx265', 'hevc', 'hevc')])
@pytest.mark.parametrize('more', [(), ('-bf', '0')])
def test_streams_of_the_ffmpeg_program(tmp_path, encoder, suffix, codec, more):
    """Each answer has the token of its packet. The streams may have B-frames."""
    path = make_file_with_ffmpeg(tmp_path / f'a.{suffix}', encoder, 40, *more)
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux() if packet.size]
    assert len(packets) == 40
    context = av.CodecContext.create(codec, 'r')
    truth = {}
    for number, data in [*enumerate(packets), (None, None)]:
        packet = av.Packet(data) if data else None
        if packet:
            packet.pts = number
        truth |= {f.pts: f.to_ndarray(format='bgr24') for f in context.decode(packet)}
    np.testing.assert_array_equal([truth[n] for n in truth], decode_file(path))
    check(feed(packets, codec), truth, range(40))


@pytest.mark.parametrize('options', [
    {'profile': 'baseline'}, {'profile': 'high', 'refs': '4'}, {'x264-params': 'slices=4'},
    {'x264-params': 'intra-refresh=1'}, {'x264-params': 'cqm=jvt:interlaced=1'},
    {'x264-params': 'nal-hrd=cbr:force-cfr=1', 'b': '200k', 'maxrate': '200k',
     'bufsize': '200k'}], ids=str)
def test_no_kind_of_h264_stream_looks_like_one_with_lost_frames(options):
    packets = encode(80, 'libx264', 60, options=options)
    check(feed(packets), decode(packets), range(80))


def test_frame_numbers_may_wrap_many_times():
    packets = encode(300, 'libx264', 16)
    check(feed(packets), decode(packets), range(300))


# ---- lost, damaged and odd packets

def test_a_lost_packet_costs_the_frames_up_to_the_next_keyframe(stream):
    packets, codec, truth = stream
    for lost in range(COUNT):
        left = [n for n in range(COUNT) if n != lost]
        found = feed([packets[n] for n in left], codec)
        found = {left[position]: answer for position, answer in found.items()}
        next_key = -(-(lost + 1) // EVERY_KEY) * EVERY_KEY
        check(found, truth, [n for n in range(COUNT) if not lost <= n < next_key])


def test_a_loss_that_the_middleware_reports(stream):
    packets, codec, truth = stream
    decoder = PacketDecoder[int]()
    answers: list[Any] = []
    for number, packet in enumerate(packets):
        answers += decoder.lose() if number == 13 else []
        answers += decoder.decode(packet, codec, number)
    check({a.token: a.reason or a.picture.bgr() for a in answers}, truth,
          [*range(13), *range(20, 30)])
    assert {a.reason for a in answers if a.reason} == {
        'an earlier packet was lost, so there is no frame until the next keyframe'}


def test_a_stream_that_is_joined_late_begins_at_a_keyframe(stream):
    packets, codec, truth = stream
    found = feed(packets[3:], codec)
    check({n + 3: answer for n, answer in found.items()}, truth, range(10, 30))
    assert {found[n] for n in range(7)} == {'there was no keyframe yet'}


def test_swapped_and_doubled_packets_show_no_wrong_pixels(stream):
    packets, codec, truth = stream
    order = [*range(12), 13, 12, *range(14, COUNT)]
    found = feed([packets[n] for n in order], codec)
    check({order[n]: answer for n, answer in found.items()}, truth, [*range(12), *range(20, 30)])
    doubled = [*range(5), 4, *range(5, COUNT)]
    found = feed([packets[n] for n in doubled], codec)
    shown = {doubled[n]: image for n, image in found.items() if not isinstance(image, str)}
    assert set(shown) >= {0, 1, 2, 3, 4, *range(10, 30)}
    for number, image in shown.items():
        np.testing.assert_array_equal(image, truth[number])


def test_a_truncated_packet_of_h264_costs_the_frames_up_to_the_next_keyframe():
    packets = encode(COUNT, 'libx264', EVERY_KEY)
    truth = decode(packets)
    packets[14] = packets[14][:len(packets[14]) * 2 // 3]
    found = feed(packets)
    check(found, truth, [*range(14), *range(20, 30)])
    assert 'damaged' in found[14] and 'damaged' in found[15]


@pytest.mark.parametrize('odd, reason', [
    (b'', 'the packet has 0 bytes'), (b'no video', 'the Annex B format; it starts with 6e 6f'),
    (bytes(100), 'not h264 in the Annex B format'),
    (b'\0\0\1' * 5000, 'holds parameters|not h264')])
def test_a_packet_that_is_no_video(odd, reason):
    packets = encode(COUNT, 'libx264', EVERY_KEY)
    truth = decode(packets)
    packets[12] = odd
    found = feed(packets)
    assert re.search(reason, found[12])
    check(found, truth, [*range(12), *range(20, 30)])


def test_a_packet_that_is_too_large_is_refused():
    found = feed([bytes(MAX_PACKET + 1)])
    assert found[0] == 'the packet has 67,108,865 bytes; expected 1 to 67,108,864'


def test_parameters_in_a_message_of_their_own(stream):
    packets, codec, truth = stream
    first = packets[0]
    at = first.index(b'\0\0\1' + (b'\x65' if codec == 'h264' else b'\x28'))
    found = feed([first[:at - 1], first[at - 1:], *packets[1:]], codec)
    assert found[0] == 'the packet holds parameters of the video, but no frame'
    check({n - 1: answer for n, answer in found.items() if n}, truth, range(COUNT))


@pytest.mark.parametrize('format', ['av1', 'vp9', 'jpeg', '', 'x' * 1000])
def test_another_codec_is_named(format):
    (answer,) = PacketDecoder[int]().decode(encode(1)[0], format, 0)
    assert 'cannot be decoded; expected h264 or h265' in answer.reason and len(answer.reason) < 120


def test_the_codec_of_a_topic_changes():
    first, second = encode(12, 'libx264'), encode(12, 'libx265')
    decoder = PacketDecoder[int]()
    answers: list[Any] = [a for n, p in enumerate(first) for a in decoder.decode(p, 'h264', n)]
    answers += [a for n, p in enumerate(second, 12) for a in decoder.decode(p, 'h265', n)]
    check({a.token: a.reason or a.picture.bgr() for a in answers},
          decode(first) + decode(second, 'hevc'), range(24))


def test_a_foreign_stream_under_the_wrong_name():
    """The decoder may refuse packets. It must answer them, and then decode the right stream."""
    right = encode(20, 'libx264')
    decoder = PacketDecoder[int]()
    foreign = encode(12, 'libx265')
    answers = [a for n, p in enumerate(foreign) for a in decoder.decode(p, 'h264', n)]
    answers += [a for n, p in enumerate(right, 12) for a in decoder.decode(p, 'h264', n)]
    assert sorted(a.token for a in answers) == list(range(32))
    shown = {a.token - 12: a.picture.bgr() for a in answers if a.picture and a.token >= 12}
    check(shown, decode(right), range(20))


def test_the_size_of_a_stream_may_change_at_a_keyframe():
    small = encode(5, height=32, width=48)
    found = feed(encode(5) + small + encode(5))
    shapes = [found[n].shape[:2] for n in range(15)]
    assert shapes == [(HEIGHT, WIDTH)] * 5 + [(32, 48)] * 5 + [(HEIGHT, WIDTH)] * 5


def write_bits(*fields: str) -> bytes:
    bits = ''.join(fields) + '1'
    bits += '0' * (-len(bits) % 8)
    return bytes(int(bits[at:at + 8], 2) for at in range(0, len(bits), 8))


def code(number: int) -> str:
    bits = f'{number + 1:b}'
    return '0' * (len(bits) - 1) + bits


def tiny_keyframe(side: int) -> bytes:
    """Make a keyframe of a few bytes. It claims to have side x side pixels."""
    zero, size, start = code(0), code(side // 16 - 1), b'\0\0\0\1'
    sequence = write_bits(f'{66:08b}', '0' * 8, f'{51:08b}', zero, zero, code(2), code(1), '0',
                          size, size, '1', '1', '0', '0')
    picture = write_bits(zero, zero, '00', *[zero] * 3, '000', *[zero] * 3, '000')
    pixels = write_bits(zero, code(7), zero, '0000', zero, '00', zero)
    return start + b'\x67' + sequence + start + b'\x68' + picture + start + b'\x65' + pixels


@pytest.mark.parametrize('side', [8192, 16_384, 1 << 20])
def test_an_absurd_size_is_refused_before_pixels_are_decoded(side):
    assert 1024 ** 2 < MAX_PIXELS < side ** 2
    found = feed([tiny_keyframe(1024), tiny_keyframe(side), tiny_keyframe(1024)])
    assert [found[n].partition(',')[0] for n in range(3)] == [
        'the frame is damaged', 'Invalid data found when processing input',
        'the frame is damaged']


# ---- any bytes

DAMAGE = st.tuples(st.sampled_from(['flip', 'cut', 'drop', 'swap', 'junk', 'double', 'foreign']),
                   st.integers(0, COUNT - 1), st.integers(0, 10_000), st.integers(1, 255))


def damage(packets: list[bytes], foreign: list[bytes], kind: str, at: int, where: int, mask: int
           ) -> None:
    at %= len(packets)
    packet = bytearray(packets[at])
    where %= len(packet) or 1
    if kind == 'flip' and packet:
        packet[where] ^= mask
        packets[at] = bytes(packet)
    elif kind == 'cut':
        packets[at] = bytes(packet[:where])
    elif kind == 'junk':
        packets[at] = bytes([mask]) * where
    elif kind == 'drop' and len(packets) > 1:
        del packets[at]
    elif kind == 'double':
        packets.insert(at, packets[at])
    elif kind == 'swap':
        packets[at], packets[where % len(packets)] = packets[where % len(packets)], packets[at]
    elif kind == 'foreign':
        packets[at] = foreign[where % len(foreign)]


ALL = {codec: encode(COUNT, encoder, EVERY_KEY) for encoder, codec in CODECS}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(['h264', 'hevc']), st.lists(DAMAGE, min_size=1, max_size=6))
def test_any_damage_is_answered_and_the_stream_recovers(codec, damages):
    packets = list(ALL[codec])
    for one in damages:
        damage(packets, ALL['hevc' if codec == 'h264' else 'h264'], *one)
    good = ALL[codec]
    found = feed(packets + good[:5], codec)
    # good[0] is a keyframe, so each later frame must be right again
    check({n - len(packets): found[n] for n in range(len(packets), len(found))},
          decode(good[:5], codec), range(5))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5), st.sampled_from(['h264', 'h265']))
def test_any_bytes_are_answered(parts, format):
    feed([b'\0\0\1' + b'\0\0\1'.join(parts), *parts], format)


@pytest.mark.parametrize('name, codec', [
    ('h264', 'h264'), ('H264', 'h264'), ('libx264', 'h264'), ('h264_nvenc', 'h264'),
    ('h264;yuv420p;bgr8;bgr8', 'h264'), ('h265', 'hevc'), ('hevc', 'hevc'), ('libx265', 'hevc'),
    ('hevc_vaapi;nv12;bgr8;rgb8', 'hevc'), ('av1', None), ('', None), ('mpeg4', None)])
def test_names_of_codecs(name, codec):
    assert find_codec(name) == codec
