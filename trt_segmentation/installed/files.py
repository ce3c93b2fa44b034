# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Where the installed launch, config and resource files are, and where the user's cache is."""

from __future__ import annotations

import os
from pathlib import Path
import shlex
import sys

PACKAGE = 'trt_segmentation'
PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""Environment variables that hold the path of Fast DDS's XML profile.

Fast DDS 3 (ROS 2 Kilted and later) reads the first variable. Fast DDS 2 (Humble,
Jazzy) reads the second variable.
"""


def share_path(*parts: str) -> Path:
    """Return the path of a file or folder that this package ships beside its code.

    This looks first in the source tree (an editable install), then in the folders of colcon
    (AMENT_PREFIX_PATH), and then in the folders of pip (the prefix of this environment).

    :param parts: parts of the path below the share folder of this package.
    :raises FileNotFoundError: if the file is in none of these folders. The message lists them.
    """
    source = Path(__file__).resolve().parents[2]
    roots = [source] if (source / 'package.xml').is_file() else []
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    # A wheel's data files are under sys.prefix. `pip --user` and `pip --target` put the
    # files elsewhere, but always two to four folders above the package.
    prefixes += [sys.prefix, *map(str, Path(__file__).resolve().parents[3:7])]
    roots += [Path(prefix) / 'share' / PACKAGE for prefix in prefixes]
    for root in roots:
        if (path := root.joinpath(*parts)).exists():
            return path
    looked = '\n  '.join(dict.fromkeys(str(root.joinpath(*parts)) for root in roots))
    raise FileNotFoundError(
        f'{"/".join(parts)} is not installed with {PACKAGE}; looked for\n  {looked}')


def user_cache_folder() -> Path:
    """Return this package's folder in the user's cache, $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get('XDG_CACHE_HOME', '')
    # The XDG specification says that a relative path must be ignored.
    root = Path(base) if base.startswith('/') else Path.home() / '.cache'
    return root / PACKAGE


def profile_export() -> str:
    """Return the shell command that makes Fast DDS use config/fastdds.xml.

    The command affects every program that the same shell starts after it.
    """
    try:
        path = str(share_path('config', 'fastdds.xml'))
    except FileNotFoundError:
        path = '<share>/trt_segmentation/config/fastdds.xml'
    return f'export {" ".join(f"{name}={shlex.quote(path)}" for name in PROFILES)}'
