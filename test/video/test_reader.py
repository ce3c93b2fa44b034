# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""VideoReader reads files and cameras: order, times, pixels, damage and threads."""

from fractions import Fraction
import threading

import av
import numpy as np
import pytest
from rtsp_camera import RtspCamera
from videos import (
    damage_frame,
    decode_file,
    encode,
    HEIGHT,
    make_file,
    make_file_with_ffmpeg,
    RATE,
    run_ffmpeg,
    WIDTH,
)

from trt_segmentation.errors import VideoError
from trt_segmentation.video.reader import VideoReader

KINDS = (('libx264', 'mp4'), ('libx264', 'mkv'), ('libx264', 'ts'), ('libx265', 'mkv'),
         ('libx265', 'mp4'), ('libsvtav1', 'mkv'), ('libvpx-vp9', 'webm'), ('mjpeg', 'avi'))


@pytest.mark.parametrize('make', [make_file, make_file_with_ffmpeg])
@pytest.mark.parametrize('codec, suffix', KINDS)
def test_each_frame_comes_once_in_order_with_the_pixels_of_pyav(tmp_path, codec, suffix, make):
    path = make(tmp_path / f'a.{suffix}', codec)
    truth = decode_file(path)
    with VideoReader(path) as reader:
        assert (reader.size, reader.rate, reader.count) == ((HEIGHT, WIDTH), RATE, 40)
        assert reader.path == str(path) and not reader.is_live
        frames = list(reader)
    assert [f.number for f in frames] == list(range(1, 41))
    assert [f.time_ns for f in frames] == [n * 40_000_000 for n in range(40)]
    assert len(truth) == 40 and reader.bad == []
    for frame, expected in zip(frames, truth):
        np.testing.assert_array_equal(frame.image, expected)
        assert frame.image.flags.c_contiguous


def test_every_third_frame(tmp_path):
    path = make_file(tmp_path / 'a.mp4')
    with VideoReader(str(path), every=3) as reader:
        assert reader.count == 14
        frames = list(reader)
    truth = decode_file(path)
    assert [f.number for f in frames] == list(range(1, 41, 3))
    for frame in frames:
        np.testing.assert_array_equal(frame.image, truth[frame.number - 1])


@pytest.mark.parametrize('suffix', ['mp4', 'mkv'])
def test_frames_of_a_window_are_numbered_from_its_begin(tmp_path, suffix):
    path = make_file(tmp_path / f'a.{suffix}')
    truth = decode_file(path)
    with av.open(str(path)) as file:
        keyframes = [n for n, frame in enumerate(file.decode(video=0)) if frame.key_frame]
    assert len(keyframes) > 2
    first, last = keyframes[1], keyframes[2]
    window = (first * 40_000_000, last * 40_000_000)
    with VideoReader(path, window=window) as reader:
        assert reader.count == last - first
        frames = list(reader)
    assert [f.number for f in frames] == list(range(1, last - first + 1))
    assert [f.time_ns for f in frames] == [n * 40_000_000 for n in range(first, last)]
    for frame, expected in zip(frames, truth[first:last]):
        np.testing.assert_array_equal(frame.image, expected)
    with VideoReader(path, every=3, window=window) as reader:
        assert [f.number for f in reader] == list(range(1, last - first + 1, 3))


def test_a_video_of_a_phone_is_turned_upright(tmp_path):
    flat = make_file(tmp_path / 'flat.mp4')
    run_ffmpeg('-i', flat, '-c', 'copy', '-metadata:s:v', 'rotate=90', tmp_path / 'turned.mp4')
    run_ffmpeg('-i', tmp_path / 'turned.mp4', '-frames:v', '1', tmp_path / 'upright.bmp')
    with VideoReader(tmp_path / 'turned.mp4') as reader:
        assert reader.size == (WIDTH, HEIGHT)
        first = next(iter(reader)).image
    truth = decode_file(tmp_path / 'upright.bmp')[0]    # the ffmpeg program turns the frame
    assert first.shape == truth.shape
    assert np.abs(first.astype(int) - truth).mean() < 4
    assert np.abs(first[::-1, ::-1].astype(int) - truth).mean() > 20


def test_a_trimmed_video_begins_between_keyframes(tmp_path):
    whole = make_file(tmp_path / 'whole.mp4')
    run_ffmpeg('-ss', '0.2', '-i', whole, '-c', 'copy', tmp_path / 'trimmed.mp4')
    with VideoReader(tmp_path / 'trimmed.mp4') as reader:
        images = [f.image for f in reader]
    np.testing.assert_array_equal(images, decode_file(whole)[5:])
    assert reader.bad == []


def test_damaged_frames_are_left_out_up_to_the_next_keyframe(tmp_path):
    path = make_file(tmp_path / 'a.mkv')
    truth = decode_file(path)
    path.write_bytes(damage_frame(path, 14))
    with VideoReader(path) as reader:
        frames = list(reader)
    shown = [f.time_ns // 40_000_000 for f in frames]
    before = [number for number in shown if number < 14]
    assert shown == [*before, *range(20, 40)] and before == list(range(len(before)))
    assert len(before) > 5 and len(reader.bad) == 1
    (part,) = reader.damaged
    assert part.line == reader.bad[0] and part.end_ns == 20 * 40_000_000
    assert part.times_ns == tuple(
        number * 40_000_000 for number in range(40) if number not in shown)
    for window, lost in (((0, 20), len(part.times_ns)), ((20, 40), 0)):
        begin, end = (number * 40_000_000 for number in window)
        with VideoReader(path, window=(begin, end)) as reader:
            assert len(list(reader)) + lost == 20
        assert sum(len(part.times_ns) for part in reader.damaged) == lost
    for number, frame in zip(shown, frames):
        np.testing.assert_array_equal(frame.image, truth[number])


@pytest.mark.parametrize('codec', ['libx264', 'libx265', 'libvpx-vp9', 'mpeg4'])
@pytest.mark.parametrize('damaged', [10, 11, 17, 18, 19])
def test_a_keyframe_right_after_the_damage_is_shown(tmp_path, codec, damaged):
    path = make_file(tmp_path / 'a.mkv', codec, bf='0', **{
        'x265-params': 'bframes=0:log-level=none'} if codec == 'libx265' else {})
    truth = decode_file(path)
    path.write_bytes(damage_frame(path, damaged))
    with VideoReader(path) as reader:
        frames = {frame.number - 1: frame.image for frame in reader}
    assert list(frames) == [*range(damaged), *range(20, 40)]
    assert reader.damaged[0].end_ns == 20 * 40_000_000
    for number, image in frames.items():
        np.testing.assert_array_equal(image, truth[number])


@pytest.mark.parametrize('b_frames', ['0', '3'])
@pytest.mark.parametrize('damaged', [0, 1, 14, 18, 20, 38, 39])
def test_the_message_names_each_lost_frame(tmp_path, damaged, b_frames):
    path = make_file(tmp_path / 'a.mkv', bf=b_frames)
    path.write_bytes(damage_frame(path, damaged))
    with VideoReader(path) as reader:
        frames = list(reader)
    (part,) = reader.damaged
    lost = sorted(set(range(1, 41)) - {f.number for f in frames})
    assert all(f.time_ns == (f.number - 1) * 40_000_000 for f in frames)
    assert damaged + 1 in lost and lost == list(range(lost[0], lost[-1] + 1))
    assert part.times_ns == tuple((number - 1) * 40_000_000 for number in lost)
    which = f'frames {lost[0]} to {lost[-1]}' if len(lost) > 1 else f'frame {lost[0]}'
    assert part.line.startswith(f'{which}: ') and part.count == len(lost)


@pytest.mark.parametrize('suffix, more', [('mp4', {'mov_flags': 'faststart'}), ('mkv', {})])
def test_a_file_that_is_cut_off_gives_its_beginning_and_says_so(tmp_path, suffix, more):
    path = make_file(tmp_path / f'a.{suffix}', 'libx264', 100, **more)
    truth = decode_file(path)
    data = path.read_bytes()
    path.write_bytes(data[:len(data) * 6 // 10])
    with VideoReader(path) as reader:
        frames = list(reader)
    assert 20 < len(frames) < 80 and len(reader.bad) == 1 and 'cut off' in reader.bad[0]
    for frame in frames:
        np.testing.assert_array_equal(frame.image, truth[frame.number - 1])


def test_a_frame_of_another_size_is_left_out(tmp_path):
    small = b''.join(encode(10, height=32, width=48))
    (tmp_path / 'a.h264').write_bytes(b''.join(encode(10)) + small + b''.join(encode(10)))
    with VideoReader(tmp_path / 'a.h264') as reader:
        assert reader.count is None
        frames = list(reader)
    assert [f.number for f in frames] == [*range(1, 11), *range(21, 31)]
    assert {f.image.shape for f in frames} == {(HEIGHT, WIDTH, 3)}
    assert reader.bad == ['frames 11 to 20: frame 11 has 48x32 pixels, but the video has 96x64']


def test_a_frame_with_absurd_pixels_is_refused(tmp_path, monkeypatch):
    path = make_file(tmp_path / 'a.mkv')
    monkeypatch.setattr('trt_segmentation.video.reader.LIMITS', {'max_pixels': '1000'})
    with pytest.raises(VideoError, match=r'a\.mkv'):
        VideoReader(path)


def test_close_ends_a_waiting_thread_and_an_iteration(tmp_path):
    path = make_file(tmp_path / 'a.mp4', 'libx264', 200)
    reader = VideoReader(path)
    source = iter(reader)
    assert next(source).number == 1
    reader.close()
    reader.close()
    assert list(source) == []
    assert 'video reader' not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize('source, words', [
    ('nothing.mp4', 'there is no video file'), ('http://host/a.mp4', 'http:// cannot be read'),
    ('/dev/video61', '/dev/video61 cannot be opened'), ('61', '/dev/video61 cannot be opened'),
    ('rtsp://me:secret@127.0.0.1:1/x', r'rtsp://127\.0\.0\.1:1/x cannot be opened')])
def test_a_source_that_cannot_be_opened_is_named(source, words):
    with pytest.raises(VideoError, match=words) as caught:
        VideoReader(source)
    assert 'secret' not in str(caught.value)


@pytest.mark.parametrize('content', [b'', b'no video', b'#EXTM3U\n#EXTINF:1,\nsecret.ts\n',
                                     b"ffconcat version 1.0\nfile '/etc/passwd'\n"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    """A play list is refused too, because FFmpeg would open the files that it names."""
    path = tmp_path / 'a.mp4'
    path.write_bytes(content)
    with pytest.raises(VideoError, match='cannot be opened as a video'):
        VideoReader(path)


def test_every_must_be_positive(tmp_path):
    with pytest.raises(VideoError, match='`every` is 0'):
        VideoReader(tmp_path / 'a.mp4', every=0)


def read_to_the_end(reader):
    """Return the frames of a network camera, and the message at the end."""
    frames = []
    with pytest.raises(VideoError, match='sends no more frames: ') as caught:
        frames.extend(reader)   # extend() keeps the frames before the exception
    return frames, str(caught.value)


def test_a_network_camera_starts_at_a_keyframe_and_its_end_is_reported():
    """A camera goes on for ever. So if the connection is closed, the camera broke down."""
    packets = encode(30)
    with RtspCamera(packets[5:], RATE) as camera, VideoReader(camera.url) as reader:
        assert reader.is_live and reader.count is None and reader.size == (HEIGHT, WIDTH)
        frames, message = read_to_the_end(reader)
    assert message == f'{camera.url} sends no more frames: the camera ended the video'
    assert frames and reader.dropped + len(frames) == 20 and reader.bad == []
    times = [f.time_ns for f in frames]
    assert times == sorted(times)


def test_a_slow_receiver_gets_the_newest_frame_of_a_camera():
    with RtspCamera(encode(30), RATE) as camera, VideoReader(camera.url) as reader:
        assert camera.sent.wait(60)
        reader._thread.join(60)
        frames, _ = read_to_the_end(reader)
    assert [f.number for f in frames] == [30] and reader.dropped == 29
    assert reader.rate == Fraction(RATE)


def test_a_camera_that_stalls_is_reported(monkeypatch):
    for module in ('reader', 'source'):
        monkeypatch.setattr(f'trt_segmentation.video.{module}.SECONDS', 3.0)
    with RtspCamera(encode(60), RATE, stalls=True) as camera, VideoReader(camera.url) as reader:
        frames, message = read_to_the_end(reader)
    assert frames and reader.dropped + len(frames) == 60
    assert message == f'{camera.url} sends no more frames: there was no frame for 3 s'
