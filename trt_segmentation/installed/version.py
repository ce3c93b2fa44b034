# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The version that is installed."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """As pip or colcon installed it; ``unknown`` of a source tree that nothing installed."""
    try:
        return metadata.version('trt_segmentation')
    except metadata.PackageNotFoundError:
        return 'unknown (not installed)'
