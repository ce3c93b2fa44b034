# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The installed version of this package."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """Return the version that pip or colcon installed, or ``unknown (not installed)``."""
    try:
        return metadata.version('trt_segmentation')
    except metadata.PackageNotFoundError:
        return 'unknown (not installed)'
