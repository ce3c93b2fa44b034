# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A camera that cannot be opened: the message says why, and what the user can do."""

from dataclasses import replace
import errno
import os

import av
import pytest
from rtsp_camera import RtspCamera

from trt_segmentation.errors import VideoError
from trt_segmentation.video.camera_failure import explain_device
from trt_segmentation.video.source import find_source


@pytest.mark.parametrize('status, words', [
    ('401 Unauthorized', r'401 Unauthorized.*\. Give the user and the password .* rtsp://USER:'),
    ('403 Forbidden', '403 Forbidden.* Give a user who may watch the camera: rtsp://USER:'),
    ('404 Not Found', '404 Not Found. The camera has no video at this path'),
    ('503 Service Unavailable', '5XX Server Error reply. Check that the camera is on')])
def test_a_network_camera_that_refuses(status, words):
    with RtspCamera([], 25, status) as camera, pytest.raises(VideoError, match=words):
        find_source(camera.url).open()


@pytest.mark.parametrize('number, reason, advice', [
    (errno.EACCES, 'Permission denied', 'sudo usermod -aG video $USER'),
    (errno.EBUSY, 'Device or resource busy', 'fuser -v /dev/video7'),
    (errno.ENOTTY, 'not a video capture device (Inappropriate ioctl', 'Try another number'),
    (errno.ENODEV, 'not a video capture device (No such device', 'Try another number'),
    (errno.ENOENT, 'No such file or directory', 'List the cameras')])
def test_a_camera_of_this_machine(number, reason, advice):
    with pytest.raises(av.FFmpegError) as caught:
        av.error.err_check(-number)
    found = explain_device(caught.value, '/dev/video7')
    assert reason in found[0] and advice in found[1]


def test_a_file_that_is_no_camera(tmp_path):
    """FFmpeg really opens this file as a camera. Only its name differs from /dev/video0."""
    path = tmp_path / 'video0'
    os.mkfifo(path)
    source = replace(find_source('/dev/video0'), address=str(path))
    with pytest.raises(VideoError, match='not a video capture device'):
        source.open()
