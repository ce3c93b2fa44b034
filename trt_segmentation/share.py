# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

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
    source = Path(__file__).resolve().parent.parent
    roots = [source] if (source / 'package.xml').is_file() else []
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    # a wheel's data files lie under sys.prefix; pip --user and --target put them elsewhere,
    # always two to four folders above the package
    prefixes += [sys.prefix, *map(str, Path(__file__).resolve().parents[2:6])]
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
