# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Where the installed launch, config and resource files are."""

from __future__ import annotations

import os
from pathlib import Path
import shlex
import sys

PACKAGE = 'trt_segmentation'
PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""What Fast DDS reads the path of its XML profile from: version 3 the first, version 2 the other.
"""


def share_path(*parts: str) -> Path:
    """Path of a file or folder this package ships beside its code.

    Looks in the source tree (an editable install), then where colcon (AMENT_PREFIX_PATH) or
    pip (this environment's prefix) put it.

    :raises FileNotFoundError: naming every place looked in.
    """
    source = Path(__file__).resolve().parents[2]
    roots = [source] if (source / 'package.xml').is_file() else []
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    # a wheel's data files lie under sys.prefix; pip --user and --target put them elsewhere,
    # always two to four folders above the package
    prefixes += [sys.prefix, *map(str, Path(__file__).resolve().parents[3:7])]
    roots += [Path(prefix) / 'share' / PACKAGE for prefix in prefixes]
    for root in roots:
        if (path := root.joinpath(*parts)).exists():
            return path
    looked = '\n  '.join(dict.fromkeys(str(root.joinpath(*parts)) for root in roots))
    raise FileNotFoundError(
        f'{"/".join(parts)} is not installed with {PACKAGE}; looked for\n  {looked}')


def profile_export() -> str:
    """The shell command that has Fast DDS use config/fastdds.xml in what starts after it."""
    try:
        path = str(share_path('config', 'fastdds.xml'))
    except FileNotFoundError:
        path = '<share>/trt_segmentation/config/fastdds.xml'
    return f'export {" ".join(f"{name}={shlex.quote(path)}" for name in PROFILES)}'
