# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Explains why a camera cannot be opened, because the error messages of FFmpeg say too little."""

from __future__ import annotations

import errno
import socket

from .pyav import reason_of

_LIST = 'List the cameras of this machine with `ls /dev/video*`'
_URL = 'rtsp://USER:PASSWORD@HOST/PATH'
_HTTP_ADVICE = {
    'HTTPUnauthorizedError': f'Give the user and the password of the camera: {_URL}',
    'HTTPForbiddenError': f'Give a user who may watch the camera: {_URL}',
    'HTTPNotFoundError': 'The camera has no video at this path. Look for the path in the manual '
                         'of the camera',
}
"""Advice for HTTP errors of a network camera. The keys are class names of PyAV's exceptions."""


def explain_device(error: Exception, device: str) -> tuple[str, str]:
    """Return why a camera of this machine cannot be opened, and what the user can do.

    :param device: path of the camera, such as ``/dev/video0``.
    """
    number = getattr(error, 'errno', None)
    if number == errno.EACCES:
        return reason_of(error), ('Add your user to the group `video`, and log in again: sudo '
                                  'usermod -aG video $USER')
    if number == errno.EBUSY:
        return reason_of(error), ('Another program uses the camera. This command names the '
                                  f'program: fuser -v {device}')
    if number in (errno.ENOTTY, errno.ENODEV):
        return (f'it is not a video capture device ({reason_of(error)})',
                f'Many cameras have a second device for metadata. Try another number. {_LIST}')
    return reason_of(error), _LIST


def explain_network(error: Exception, host: str | None, limit: float | None
                    ) -> tuple[str, str]:
    """Return why a network camera cannot be opened, and what the user can do.

    :param limit: time limit in seconds if this limit was exceeded; None otherwise.
    """
    advice = _HTTP_ADVICE.get(type(error).__name__)
    if advice:
        return reason_of(error), advice
    advice = 'Check that the camera is on, and test the address with `ffplay -rtsp_transport tcp`'
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return f'the host {host} is unknown', advice
    if limit is not None:
        return f'{host} sent no video within {limit:g} s', advice
    return reason_of(error), advice
