# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural street scenes with the class of every pixel."""

from .classes import CLASSES
from .drive import Drive, Scene, scene
from .weather import CONDITIONS

__all__ = ['CLASSES', 'CONDITIONS', 'Drive', 'Scene', 'scene']
