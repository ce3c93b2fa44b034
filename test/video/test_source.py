# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""is_video recognises videos, and find_source finds the source of a name."""

from pathlib import Path
import socket

import pytest
from videos import make_file

from trt_segmentation.errors import VideoError
from trt_segmentation.video.source import find_source, is_video


@pytest.mark.parametrize('codec, suffix', [('libx264', 'mp4'), ('libx264', 'mkv'),
                                           ('mjpeg', 'avi'), ('libx264', 'flv')])
def test_a_video_is_known_by_its_bytes(tmp_path, codec, suffix):
    path = make_file(tmp_path / f'a.{suffix}', codec, 3).rename(tmp_path / 'video')
    assert is_video(path)


@pytest.mark.parametrize('name, content, expected', [
    ('a.MP4', b'', True), ('a.jpg', b'\xff\xd8\xff\xe0', False), ('a', b'', False),
    ('a.heic', b'\0\0\0\x18ftypheic\0\0\0\0', False), ('a.wav', b'RIFF\0\0\0\0WAVE', False),
    ('a.mcap', b'\x89MCAP0\r\n', False)])
def test_other_files(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert is_video(tmp_path / name) is expected


def test_a_folder_and_a_missing_file_are_no_videos(tmp_path):
    (tmp_path / 'folder.mp4').mkdir()
    assert not is_video(tmp_path / 'folder.mp4') and not is_video(tmp_path / 'none.mp4')


def test_cameras():
    assert find_source('/dev/video3').address == '/dev/video3'
    assert find_source('3').address == '/dev/video3'
    camera = find_source('rtsp://me:secret@host:554/a?token=1')
    assert camera.is_live and camera.name == 'rtsp://host:554/a'
    assert camera.address == 'rtsp://me:secret@host:554/a?token=1'


def test_a_host_that_is_unknown(monkeypatch):
    def fail(*_, **__):
        raise OSError(5, 'Input/output error')
    monkeypatch.setattr('av.open', fail)
    monkeypatch.setattr('socket.getaddrinfo', fail)
    with pytest.raises(VideoError, match='as a video: the host nosuchhost is unknown'):
        find_source('rtsp://me:secret@nosuchhost/front').open()


def test_a_camera_that_never_answers(monkeypatch):
    monkeypatch.setattr('trt_segmentation.video.source.SECONDS', 0.2)
    with socket.create_server(('127.0.0.1', 0)) as server, pytest.raises(
            VideoError, match=r'as a video: 127\.0\.0\.1 sent no video within 0\.2 s'):
        find_source(f'rtsp://127.0.0.1:{server.getsockname()[1]}/front').open()


def test_a_file_with_the_name_of_a_number_or_a_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('3', 'http:a.mp4'):
        Path(name).write_bytes(b'x')
        assert find_source(name).address == f'file:{tmp_path / name}'
        assert not find_source(name).is_live


def test_a_git_lfs_pointer_is_named(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'version https://git-lfs.github.com/spec/v1\noid')
    with pytest.raises(VideoError, match='git lfs pull'):
        find_source(tmp_path / 'a.mp4')
