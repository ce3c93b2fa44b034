# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Imports PyAV (FFmpeg for Python) when a video is used for the first time.

PyAV is an optional package. The other files in this folder get PyAV from :func:`import_av`.
"""

from __future__ import annotations

from types import ModuleType

from ..errors import VideoError
from ..installed.pip_names import advise_install

MAX_PIXELS = 36_000_000
"""Largest number of pixels of one frame. The highest levels of H.264, H.265 and AV1 allow 35.7
million pixels."""
LIMITS = {'max_pixels': str(MAX_PIXELS)}
"""Decoder options. With them, a decoder allocates no memory for a frame that is too large."""


def import_av() -> ModuleType:
    """Return the module ``av``.

    :raises VideoError: if PyAV cannot be imported. The message says how to install it.
    """
    try:
        import av
    except ImportError as error:
        raise VideoError(f'PyAV is needed to read and write video, but it cannot be imported '
                         f'({error}); {advise_install("av")}') from error
    # Without this call, FFmpeg writes a line to the terminal for each damaged frame. This package
    # reports the damage itself.
    av.logging.set_level(None)
    return av


def reason_of(error: Exception) -> str:
    """Return the text of an FFmpeg error, without the name of the function that failed."""
    return str(getattr(error, 'strerror', None) or error or type(error).__name__)
