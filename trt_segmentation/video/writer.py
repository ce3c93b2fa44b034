# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Writes frames to an mp4 file, and encodes the frames in a separate thread."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
import threading

import numpy as np
import numpy.typing as npt

from ..errors import SegmentationError, VideoError
from ..threads.hand_over import HandOver
from ..untrusted.output_files import check_file, MARKER
from .pyav import import_av, reason_of

BEHIND_BYTES = 128 << 20
"""Largest total size of the frames that wait for the encoder, in bytes."""
BEHIND_FRAMES = 8
"""Largest number of frames that wait for the encoder."""
TIME_BASE = Fraction(1, 60_000)
"""Unit of the time stamps in the file, in seconds. MPEG-4 allows up to 65,535 units per second."""
BT709 = 1
"""FFmpeg's number for the colour space BT.709. Players expect this colour space in HD video."""
LIMITED_RANGE = 1
"""FFmpeg's number for the limited range: luma from 16 to 235. Players expect this range."""
EXACT_ROUNDING = 2 | 0x40000
"""FFmpeg's numbers for bilinear scaling and accurate rounding. Without accurate rounding, FFmpeg
rounds the colours of yuv420p down, and a gray pixel gets a yellow tint."""
_ENCODERS: dict[str, dict[str, str]] = {
    'libx264': {'preset': 'superfast', 'crf': '20'}, 'libopenh264': {}, 'mpeg4': {}}
"""Encoders and their options, from the best to the worst. Not every FFmpeg can encode H.264.
Compared with the preset ``veryfast``, ``superfast`` needs only 60 % of the time, but the files are
1.7 times as large. Time is more important, because the neural network needs the same CPU cores."""
_BITS_A_PIXEL = 0.2
"""Average number of bits per pixel, for encoders that have no setting for the quality."""
_MOV_FLAGS = {'movflags': 'hybrid_fragmented+negative_cts_offsets', 'flush_packets': '1'}
"""Options of the mp4 file. With hybrid_fragmented, a killed process leaves a playable file. With
negative_cts_offsets, the time of the first frame is 0."""


class VideoWriter:
    """Writes frames to an mp4 file. A thread of the writer encodes the frames.

    Only one thread may call the methods. If the process is killed, about the last second of the
    video is missing in the file.

    :param path: path of the file. An existing file is replaced only if this package wrote it.
    :param size: (height, width) of every frame. If a side is odd, the video gets an additional
        row or column, because H.264 needs even sides.
    :param rate: frames per second.
    :ivar codec: name of the encoder, such as ``libx264``. The name is ``mpeg4`` if the installed
        PyAV cannot encode H.264.
    :raises OutputError: if the path cannot be written, or if another program wrote the file.
    :raises VideoError: if PyAV is missing, if the encoder refuses the size or the rate, or if the
        system refuses to create the file.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction) -> None:
        av = import_av()
        if rate <= 0:
            raise VideoError(f'{path}: the rate is {rate} frames a second; it must be above 0')
        check_file(path, '')
        self._path, self._size = path, size
        self._rate = Fraction(rate).limit_denominator(1001)
        self._number, self._last_pts, self._first_ns = 0, -1, 0
        self._error: Exception | None = None
        self._is_closed = False
        self.codec = next(name for name in _ENCODERS if _has_encoder(name))
        try:
            self._container = av.open(f'file:{path.absolute()}', 'w', 'mp4', options=_MOV_FLAGS)
            self._container.metadata['comment'] = MARKER
            self._add_stream()
            self._stream.codec_context.open()
            path.write_bytes(b'')
        except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
            raise VideoError(f'{path} cannot be written as a video of {size[1]}x{size[0]} pixels '
                             f'at {self._rate} frames a second: {reason_of(error)}') from error
        most = max(1, min(BEHIND_FRAMES, BEHIND_BYTES // (size[0] * size[1] * 3)))
        self._behind = HandOver[tuple[int, npt.NDArray[np.uint8]]](most)
        self._thread = threading.Thread(target=self._encode, name='video writer', daemon=True)
        self._thread.start()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self.close()
        except SegmentationError:
            if error is None:       # an exception in the with block is more important
                raise

    def write(self, image: npt.NDArray[np.uint8], time_ns: int | None = None) -> None:
        """Add a frame. If too many frames wait for the encoder, the call waits too.

        :param image: (height, width, 3) uint8 BGR. The array is copied.
        :param time_ns: time of the frame in nanoseconds. The video starts at the time of the first
            frame. If ``time_ns`` is None, frame n is shown n / ``rate`` seconds after the start;
            the first frame has n = 0.
        :raises VideoError: if the frame has another size or type, if an earlier frame could not
            be written, or if the writer is closed.
        """
        if self._is_closed:
            raise VideoError(f'{self._path} is closed; a frame cannot be added')
        if image.shape != (*self._size, 3) or image.dtype != np.uint8:
            raise VideoError(f'{self._path}: a frame has shape {image.shape} and type '
                             f'{image.dtype}; expected {(*self._size, 3)} and uint8')
        odd = self._size[0] % 2, self._size[1] % 2
        pixels = np.pad(image, ((0, odd[0]), (0, odd[1]), (0, 0)), 'edge') if any(odd) else \
            np.array(image, order='C')
        if not self._behind.put((self._next_pts(time_ns), pixels)):
            self._raise_error()

    def close(self) -> None:
        """Encode the waiting frames, and complete the file. A second call does nothing.

        If no frame was written, the file is empty.

        :raises VideoError: if a frame could not be written. The earlier frames can be played.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._behind.finish()
        self._thread.join()
        self._raise_error()

    def _add_stream(self) -> None:
        height, width = (side + side % 2 for side in self._size)
        stream = self._container.add_stream(self.codec, rate=self._rate,
                                            options=_ENCODERS[self.codec])
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        context = stream.codec_context
        context.time_base = TIME_BASE
        # One keyframe per second: an incomplete file can be played up to its last keyframe.
        context.gop_size = max(1, round(self._rate))
        if not _ENCODERS[self.codec]:
            context.bit_rate = round(height * width * self._rate * _BITS_A_PIXEL)
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        self._stream = stream

    def _next_pts(self, time_ns: int | None) -> int:
        if time_ns is None:
            time = self._number / self._rate
        else:
            self._first_ns = self._first_ns if self._number else time_ns
            time = Fraction(time_ns - self._first_ns, 1_000_000_000)
        self._number += 1
        # In an mp4 file, two frames must not have the same time.
        self._last_pts = max(self._last_pts + 1, round(time / TIME_BASE))
        return self._last_pts

    def _encode(self) -> None:
        av = import_av()
        from av.video.reformatter import VideoReformatter
        reformatter = VideoReformatter()
        try:
            with self._container:
                while (item := self._behind.get()) is not None:
                    pts, image = item
                    frame = reformatter.reformat(
                        av.VideoFrame.from_ndarray(image, format='bgr24'), format='yuv420p',
                        dst_colorspace=BT709, dst_color_range=LIMITED_RANGE,
                        interpolation=EXACT_ROUNDING)
                    frame.pts, frame.time_base = pts, TIME_BASE
                    self._container.mux(self._stream.encode(frame))
                # FFmpeg crashes if it completes a hybrid_fragmented file without frames.
                if self._number:
                    self._container.mux(self._stream.encode())
        except Exception as error:
            self._error = error
        finally:
            self._behind.stop()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise VideoError(f'{self._path} cannot be written: {reason_of(self._error)}'
                             ) from self._error


def _has_encoder(name: str) -> bool:
    av = import_av()
    try:
        av.Codec(name, 'w')
    except av.codec.codec.UnknownCodecError:
        return False
    return True
