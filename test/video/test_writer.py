# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""VideoWriter keeps frames, colours and times, spares the user's files, and handles errors."""

from fractions import Fraction
import os
from pathlib import Path
import resource
import subprocess
import sys
from typing import Any

import av
import cv2
import numpy as np
import pytest
from videos import draw, HEIGHT, RATE, run_ffmpeg, WIDTH

from trt_segmentation.errors import OutputError, VideoError
from trt_segmentation.untrusted.output_files import is_ours
from trt_segmentation.video import writer as writer_module
from trt_segmentation.video.reader import VideoReader
from trt_segmentation.video.writer import VideoWriter

SIZE = HEIGHT, WIDTH


def write_video(path, count=30, size=SIZE, rate=Fraction(RATE)):
    with VideoWriter(path, size, rate) as writer:
        for number in range(count):
            writer.write(draw(number, *size))
    return writer


@pytest.mark.parametrize('size', [(HEIGHT, WIDTH), (65, 97), (17, 19)])
def test_frames_come_back_in_order_with_their_colours(tmp_path, size):
    writer = write_video(tmp_path / 'a.mp4', size=size)
    assert writer.codec == 'libx264'
    with VideoReader(tmp_path / 'a.mp4') as reader:
        assert (reader.rate, reader.count) == (RATE, 30)
        assert reader.size == tuple(side + side % 2 for side in size)
        frames = list(reader)
    assert len(frames) == 30 and reader.bad == []
    for number, frame in enumerate(frames):
        truth = draw(number, *size)
        error = np.abs(frame.image[:size[0], :size[1]].astype(int) - truth)
        assert np.median(error) <= 6, f'frame {number}'


def test_the_ffmpeg_program_sees_the_same_colours(tmp_path):
    write_video(tmp_path / 'a.mp4', 1)
    run_ffmpeg('-i', tmp_path / 'a.mp4', tmp_path / 'a.bmp')
    with av.open(str(tmp_path / 'a.bmp')) as picture:
        seen = next(picture.decode(video=0)).to_ndarray(format='bgr24')
    assert np.median(np.abs(seen.astype(int) - draw(0))) <= 6
    with av.open(str(tmp_path / 'a.mp4')) as video:
        context = video.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.color_primaries) == (1, 1, 1)


@pytest.mark.parametrize('size', [SIZE, (65, 97)])
def test_gray_stays_gray(tmp_path, size):
    values = [0, 16, 50, 100, 128, 200, 255]
    with VideoWriter(tmp_path / 'a.mp4', size, Fraction(RATE)) as writer:
        for value in values:
            writer.write(np.full((*size, 3), value, np.uint8))
    with VideoReader(tmp_path / 'a.mp4') as reader:
        ours = [frame.image for frame in reader]
    run_ffmpeg('-i', tmp_path / 'a.mp4', tmp_path / '%d.bmp')
    ffmpegs: list[Any] = [cv2.imread(str(tmp_path / f'{n}.bmp')) for n in range(1, 8)]
    assert len(ours) == len(values)
    for value, *images in zip(values, ours, ffmpegs):
        for image in images:
            assert np.abs(image.astype(int) - value).max() <= 1, value


def test_a_frame_may_be_changed_after_the_call(tmp_path):
    image = draw(0)
    with VideoWriter(tmp_path / 'a.mp4', SIZE, Fraction(RATE)) as writer:
        writer.write(image)
        image[:] = 0
    with VideoReader(tmp_path / 'a.mp4') as reader:
        (frame,) = reader
    assert np.median(np.abs(frame.image.astype(int) - draw(0))) <= 6


def test_times_of_frames_are_kept(tmp_path):
    times = [5_000_000_000, 5_040_000_000, 5_400_000_000, 5_400_000_000, 6_000_000_000]
    with VideoWriter(tmp_path / 'a.mp4', SIZE, Fraction(RATE)) as writer:
        for number, time in enumerate(times):
            writer.write(draw(number), time)
    with VideoReader(tmp_path / 'a.mp4') as reader:
        got = [f.time_ns for f in reader]
    # of two frames with equal times, the second gets the next possible time
    expected = [0, 40_000_000, 400_000_000, 400_016_667, 1_000_000_000]
    assert got == expected


def test_a_video_starts_at_the_time_zero(tmp_path):
    write_video(tmp_path / 'a.mp4')
    with av.open(str(tmp_path / 'a.mp4')) as video:
        assert video.streams.video[0].start_time == 0 and video.start_time == 0
        pts = sorted(p.pts for p in video.demux(video=0) if p.pts is not None)
    assert pts == [60_000 * n // RATE for n in range(30)]


def test_a_rate_that_is_no_whole_number(tmp_path):
    write_video(tmp_path / 'a.mp4', rate=Fraction(30_000, 1001))
    with VideoReader(tmp_path / 'a.mp4') as reader:
        assert reader.rate == Fraction(30_000, 1001)
        assert [f.time_ns for f in reader] == [
            round(n * 1001 / 30_000 * 1e9) for n in range(30)]


def test_only_our_own_file_is_replaced(tmp_path):
    path = tmp_path / 'a.mp4'
    write_video(path, 30)
    assert is_ours(path)
    write_video(path, 5)
    with VideoReader(path) as reader:
        assert len(list(reader)) == 5
    path.write_bytes(b'a video of the user')
    with pytest.raises(OutputError, match=r'a\.mp4 exists, and trt_seg did not'):
        VideoWriter(path, SIZE, Fraction(RATE))
    assert path.read_bytes() == b'a video of the user'


def test_a_video_without_frames_is_an_empty_file(tmp_path):
    path = tmp_path / 'a.mp4'
    write_video(path, 30)
    write_video(path, 0)
    assert path.read_bytes() == b''
    write_video(path, 3)
    assert is_ours(path)


def test_an_exception_leaves_a_video_of_all_frames_so_far(tmp_path):
    path = tmp_path / 'a.mp4'
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, SIZE, Fraction(RATE)) as writer:
        for number in range(20):
            writer.write(draw(number))
        raise KeyboardInterrupt
    with VideoReader(path) as reader:
        assert [f.number for f in reader] == list(range(1, 21)) and reader.bad == []


def test_a_killed_process_leaves_a_video_that_plays(tmp_path):
    code = ('import os, sys\n'
            'from fractions import Fraction\n'
            'from pathlib import Path\n'
            'from trt_segmentation.video.writer import VideoWriter\n'
            'from videos import draw\n'
            'writer = VideoWriter(Path(sys.argv[1]), (64, 96), Fraction(25))\n'
            'for number in range(150):\n'
            '    writer.write(draw(number))\n'
            'os._exit(9)\n')
    path = tmp_path / 'a.mp4'
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(
        [str(Path(__file__).parents[1]), *filter(None, sys.path)])}
    assert subprocess.run([sys.executable, '-c', code, path], env=env).returncode == 9
    with VideoReader(path) as reader:
        frames = list(reader)
    assert 50 <= len(frames) <= 150 and is_ours(path)
    for number, frame in enumerate(frames):
        assert np.median(np.abs(frame.image.astype(int) - draw(number))) <= 6


@pytest.mark.parametrize('image, words', [
    (draw(0)[:10], r'shape \(10, 96, 3\)'), (draw(0).astype(np.float32), 'float32'),
    (draw(0)[:, :, 0], r'shape \(64, 96\)')])
def test_a_frame_of_another_shape_is_refused(tmp_path, image, words):
    with VideoWriter(tmp_path / 'a.mp4', SIZE, Fraction(RATE)) as writer:
        with pytest.raises(VideoError, match=words):
            writer.write(image)
        writer.write(draw(0))
    with VideoReader(tmp_path / 'a.mp4') as reader:
        assert len(list(reader)) == 1


def test_a_closed_writer_takes_no_frame(tmp_path):
    writer = VideoWriter(tmp_path / 'a.mp4', SIZE, Fraction(RATE))
    writer.write(draw(0))
    writer.close()
    writer.close()
    with pytest.raises(VideoError, match='is closed'):
        writer.write(draw(1))


@pytest.mark.parametrize('size, rate', [((48_000, 64_000), 25), (SIZE, 0), (SIZE, -1)])
def test_a_size_or_rate_that_no_video_has_is_refused(tmp_path, size, rate):
    with pytest.raises(VideoError, match=r'a\.mp4'):
        VideoWriter(tmp_path / 'a.mp4', size, Fraction(rate))
    assert not (tmp_path / 'a.mp4').exists()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OutputError, match='there is no folder'):
        VideoWriter(tmp_path / 'nothing' / 'a.mp4', SIZE, Fraction(RATE))


def test_a_file_that_cannot_grow_gives_one_error_and_no_hang(tmp_path):
    """A limit on the file size simulates a full disk."""
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(VideoError, match=r'a\.mp4 cannot be written: File too large'), \
            VideoWriter(tmp_path / 'a.mp4', SIZE, Fraction(RATE)) as writer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            for shift in range(300):
                writer.write(np.roll(noise, shift, axis=1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize('missing', [['libx264'], ['libx264', 'libopenh264']])
def test_a_pyav_without_an_encoder_for_h264(tmp_path, monkeypatch, missing):
    left = {k: v for k, v in writer_module._ENCODERS.items() if k not in missing}
    monkeypatch.setattr(writer_module, '_ENCODERS', left)
    assert write_video(tmp_path / 'a.mp4').codec == 'mpeg4'
    with VideoReader(tmp_path / 'a.mp4') as reader:
        assert len(list(reader)) == 30 and reader.bad == []
