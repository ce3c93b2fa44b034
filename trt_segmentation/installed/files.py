# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the launch, config and resource files of trt_segmentation, and the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path
import shlex
import sys

PACKAGE = 'trt_segmentation'
PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""Environment variables for the path of an XML profile. Fast DDS 3 (ROS 2 Kilted and later) reads
the first variable, and Fast DDS 2 (Humble and Jazzy) reads the second variable."""


def share_path(*parts: str) -> Path:
    """Return the path of a file or folder that this package installs besides its code.

    For an editable install, the search starts in the source tree. The search goes on in the
    folders of colcon (AMENT_PREFIX_PATH), and then in the folders of pip.

    :param parts: parts of the path below the share folder of this package.
    :raises FileNotFoundError: if no folder has the file. The message lists the folders.
    """
    source = Path(__file__).resolve().parents[2]
    roots = [source] if (source / 'package.xml').is_file() else []
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    # pip installs data files under sys.prefix. With --target, the files are beside the package.
    # With --user or --prefix, the files are in a folder two to five levels above the package.
    prefixes += [sys.prefix, *map(str, Path(__file__).resolve().parents[2:7])]
    roots += [Path(prefix) / 'share' / PACKAGE for prefix in prefixes]
    for root in roots:
        if (path := root.joinpath(*parts)).exists():
            return path
    looked = '\n  '.join(dict.fromkeys(str(root.joinpath(*parts)) for root in roots))
    raise FileNotFoundError(
        f'{"/".join(parts)} is not installed with {PACKAGE}. None of these paths exists:\n'
        f'  {looked}')


def user_cache_folder() -> Path:
    """Return this package's folder in the user's cache folder, $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get('XDG_CACHE_HOME', '')
    # The XDG specification says that a relative path must be ignored.
    root = Path(base) if base.startswith('/') else Path.home() / '.cache'
    return root / PACKAGE


def profile_export() -> str:
    """Return the shell command that gives later programs the profile fastdds.xml."""
    try:
        path = str(share_path('config', 'fastdds.xml'))
    except FileNotFoundError:
        path = '<share>/trt_segmentation/config/fastdds.xml'
    return f'export {" ".join(f"{name}={shlex.quote(path)}" for name in PROFILES)}'
