# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Opens the source of a video: a file, a camera of this machine, or a network camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import VideoError
from ..untrusted.git_lfs import is_lfs_pointer, LFS_ADVICE
from ..untrusted.regular_file import expand_home
from .camera_failure import explain_device, explain_network
from .pyav import import_av, LIMITS, reason_of

if TYPE_CHECKING:
    from av.container import InputContainer

VIDEO_SUFFIXES = frozenset([
    '.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.ts', '.m2ts', '.mts', '.mpg', '.mpeg',
    '.flv', '.wmv', '.3gp', '.ogv', '.h264', '.264', '.h265', '.265', '.hevc', '.ivf', '.obu'])
"""Suffixes of video files, in lower case."""
FORMATS = ('mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,h264,hevc,ivf,obu,'
           'mpegvideo,m4v')
"""FFmpeg's names of the file formats that are read. Playlists and scripts are refused, because
FFmpeg would open the files and network addresses that they name."""
SECONDS = 10.0
"""Time limit in seconds to open a camera, and to read one frame from a camera."""
_SIGNATURES = ((4, b'ftyp'), (4, b'moov'), (4, b'mdat'), (0, b'\x1a\x45\xdf\xa3'), (8, b'AVI '),
               (0, b'FLV\x01'), (0, b'DKIF'))
"""Offset and value of bytes that identify a video file: three for MP4, and one each for Matroska,
AVI, FLV and IVF."""
_PICTURE_BRANDS = (b'heic', b'heix', b'mif1', b'avif')
"""Bytes that follow ``ftyp`` in HEIC and AVIF pictures. MP4 videos have other bytes there."""
CAMERA = re.compile(r'/dev/video\d+|\d+')
"""Matches the path or the number of a camera of this machine."""


@dataclass(frozen=True)
class VideoSource:
    """The source of a video.

    :param address: path or URL that FFmpeg opens.
    :param name: name for messages. It never contains the password of a network camera.
    :param is_live: whether the source is a camera. A camera does not wait for the reader.
    :param format: FFmpeg's name of the input format; None to let FFmpeg find the format.
    :param options: options for FFmpeg.
    """

    address: str
    name: str
    is_live: bool
    format: str | None
    options: dict[str, str]

    def open(self) -> InputContainer:
        """Open the source. The caller must close the returned container.

        :raises VideoError: if the source cannot be opened. The message names the source.
        """
        av = import_av()
        limit = SECONDS if self.is_live else None
        began = time.monotonic()
        try:
            container: InputContainer = av.open(
                self.address, 'r', self.format, {**LIMITS, **self.options},
                metadata_errors='replace', timeout=limit)
        except (av.FFmpegError, OSError, ValueError) as error:
            reason, advice = self._explain(error, time.monotonic() - began)
            raise VideoError(f'{self.name} cannot be opened as a video: {reason}. {advice}'
                             ) from error
        return container

    def _explain(self, error: Exception, seconds: float) -> tuple[str, str]:
        """Return why the source cannot be opened after ``seconds``, and what the user can do."""
        if self.format:
            return explain_device(error, self.address)
        if self.is_live:
            return explain_network(error, urlsplit(self.address).hostname,
                                   SECONDS if seconds >= SECONDS else None)
        return reason_of(error), ('The file is cut off or damaged, or it is no video. Check it '
                                  'with `ffprobe`, or convert it with `ffmpeg`')


def find_source(source: str | Path) -> VideoSource:
    """Return the video source that a user names.

    :param source: path of a video file, path or number of a camera (``/dev/video0`` or 0), or URL
        that begins with ``rtsp://`` or ``rtsps://``.
    :raises VideoError: if the source is none of these, if the file cannot be read, or if it is
        only a Git LFS pointer to a video.
    """
    text = str(source)
    if isinstance(source, str) and '://' in text:
        return _find_network_camera(text)
    if CAMERA.fullmatch(text) and not (text.isdigit() and Path(text).is_file()):
        device = f'/dev/video{text}' if text.isdigit() else text
        return VideoSource(device, device, True, 'v4l2', {})
    try:
        path = expand_home(source)
        if not path.is_file():
            raise VideoError(f'there is no video file {text}; give a file, a camera such as '
                             f'/dev/video0 or 0, or an rtsp:// URL')
        if is_lfs_pointer(path):
            raise VideoError(f'{text} is {LFS_ADVICE}')
    except OSError as error:
        raise VideoError(f'{text} cannot be read: {error.strerror or error}') from error
    # Without "file:", FFmpeg would read the text before a colon in the path as a protocol.
    return VideoSource(f'file:{path.absolute()}', text, False, None,
                       {'protocol_whitelist': 'file', 'format_whitelist': FORMATS})


def _find_network_camera(url: str) -> VideoSource:
    parts = urlsplit(url)
    if parts.scheme not in ('rtsp', 'rtsps'):
        raise VideoError(f'{parts.scheme}:// cannot be read; give a file, a camera such as '
                         f'/dev/video0, or an rtsp:// URL')
    name = parts._replace(netloc=parts.netloc.rpartition('@')[2], query='').geturl()
    # Use TCP. Over UDP, packets can be lost, and every lost packet damages many frames.
    return VideoSource(url, name, True, None, {
        'rtsp_transport': 'tcp', 'timeout': str(int(SECONDS * 1e6)),
        'protocol_whitelist': 'rtsp,rtsps,rtp,tcp,udp,tls,crypto,srtp',
        'format_whitelist': 'rtsp'})


def is_video(path: Path) -> bool:
    """Return whether a file is a video, by its suffix or its first bytes. PyAV is not needed."""
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return path.is_file()
    try:
        if not path.is_file():
            return False
        with path.open('rb') as file:
            head = file.read(16)
    except OSError:
        return False
    if head[4:8] == b'ftyp' and head[8:12] in _PICTURE_BRANDS:
        return False
    return any(head[at:at + len(mark)] == mark for at, mark in _SIGNATURES)
