# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Drawn street scenes with the class of every pixel."""

from .canvas import CLASSES
from .drive import Drive, Scene, scene
from .look import CONDITIONS

__all__ = ['CLASSES', 'CONDITIONS', 'Drive', 'Scene', 'scene']
