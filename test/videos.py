# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes videos for tests, with PyAV and with the ffmpeg program."""

from fractions import Fraction
from pathlib import Path
import shutil
import subprocess
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

HEIGHT, WIDTH, RATE = 64, 96, 25


def draw(number: int, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """Return a (height, width, 3) BGR picture. Each number gives another picture."""
    image = np.full((height, width, 3), (200, 100, 40), np.uint8)
    image[:, :width // 2] = (10 + 5 * number % 240, 60, 220)
    at = 3 * number % (width - 16)
    image[height // 4:height // 2, at:at + 16] = (30, 250, 10)
    return image


def encode(count: int, codec: str = 'libx264', every_key: int = 10, *,
           options: dict[str, str] | None = None, height: int = HEIGHT, width: int = WIDTH
           ) -> list[bytes]:
    """Encode drawn pictures. Return one packet in Annex B for each, without B-frames."""
    context: Any = av.CodecContext.create(codec, 'w')
    context.width, context.height, context.pix_fmt = width, height, 'yuv420p'
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.gop_size, context.max_b_frames = every_key, 0
    tune = {'libx264': {'tune': 'zerolatency', 'preset': 'ultrafast'},
            'libx265': {'tune': 'zerolatency', 'preset': 'ultrafast',
                        'x265-params': 'log-level=none'}}
    context.options = {**tune.get(codec, {}), **(options or {})}
    packets = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(draw(number, height, width), format='bgr24')
        frame.pts, frame.time_base = number, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    assert len(packets) == count
    return [bytes(packet) for packet in packets]


def decode(packets: list[bytes], codec: str = 'h264') -> list[npt.NDArray[np.uint8]]:
    """Decode whole packets with PyAV alone. Return BGR images."""
    context: Any = av.CodecContext.create(codec, 'r')
    frames = [f for packet in packets for f in context.decode(av.Packet(packet))]
    return [f.to_ndarray(format='bgr24') for f in frames + context.decode(None)]


def decode_file(path: Path) -> list[npt.NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        frames: list[Any] = list(container.decode(video=0))
    return [f.to_ndarray(format='bgr24') for f in frames]


def damage_frame(path: Path, number: int) -> bytes:
    """Return the file with zeros in place of a frame. Frame n must have the time n × 40 ms."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = next(bytes(p) for p in container.demux() if p.pts == number * 40)  # pts is in ms
    at = data.index(packet)
    data[at:at + len(packet)] = bytes(len(packet))
    return bytes(data)


def run_ffmpeg(*arguments: str | Path) -> None:
    """Run the ffmpeg program. If this machine does not have it, skip the test."""
    if not shutil.which('ffmpeg'):
        pytest.skip('the ffmpeg program is not installed (Debian: apt install ffmpeg)')
    subprocess.run(['ffmpeg', '-nostdin', '-v', 'error', '-y', *map(str, arguments)], check=True,
                   timeout=60)


def make_file(path: Path, codec: str = 'libx264', count: int = 40, *,
              mov_flags: str = '', **options: str) -> Path:
    """Write the drawn pictures to a file, with a keyframe every ten frames."""
    with av.open(str(path), 'w', options={'movflags': mov_flags} if mov_flags else {}) as file:
        stream: Any = file.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        stream.codec_context.gop_size = 10
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(draw(number), format='bgr24')
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def make_file_with_ffmpeg(path: Path, codec: str, count: int = 40, *more: str) -> Path:
    """Make a video of ffmpeg's test picture, with a keyframe every ten frames."""
    run_ffmpeg('-f', 'lavfi', '-i', f'testsrc2=size={WIDTH}x{HEIGHT}:rate={RATE}', '-frames:v',
               str(count), '-c:v', codec, '-g', '10', *more, path)
    return path
