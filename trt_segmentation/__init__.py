# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation of camera images for ROS 2.

The class ``Segmenter`` segments pictures, videos and camera streams from Python.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import SegmentationError
    from .segmented_image import SegmentedImage
    from .segmenter import Segmenter

# Turn off the telemetry of ONNX Runtime 1.32, before any module imports ONNX Runtime.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')

__all__ = ['SegmentationError', 'SegmentedImage', 'Segmenter', '__version__']

_PLACES = {'SegmentationError': 'errors', 'SegmentedImage': 'segmented_image',
           'Segmenter': 'segmenter'}
"""Maps each public name to its module. A module is imported when its name is first used."""

__version__: str


def __getattr__(name: str) -> object:
    from importlib import import_module
    if name == '__version__':
        from .installed.version import version
        return version()
    if name not in _PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'.{_PLACES[name]}', __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
