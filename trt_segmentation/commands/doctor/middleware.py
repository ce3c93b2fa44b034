# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Check ROS 2: the distribution, the middleware, and the settings for large images."""

from __future__ import annotations

from importlib import metadata
import os
from pathlib import Path
import re

from ...installed.files import profile_export, PROFILES
from ...installed.pip_names import pip_install, ROS_WHEELS
from .check import Check, ERROR, OK, WARNING
from .libraries import absent

DEFAULT_RMW = 'rmw_fastrtps_cpp'
NEEDED = ('rclpy', 'sensor_msgs', 'std_msgs', 'diagnostic_msgs', 'lifecycle_msgs')
_SOURCE = 'source /opt/ros/<distro>/setup.bash'


def distro() -> Check:
    """Check the ROS distribution, and whether the node's packages are installed.

    The packages are not imported, because an import of rclpy from a Python wheel restarts the
    interpreter.
    """
    name = os.environ.get('ROS_DISTRO', '') or _wheels()
    if missing := absent(*NEEDED):
        if len(missing) == len(NEEDED):
            return Check('ROS', WARNING, 'ROS 2 is not installed. Only the node and the demo '
                         'need ROS 2',
                         f'{_SOURCE}, or {pip_install(*ROS_WHEELS)}')
        return Check('ROS', WARNING, f'{name or "unknown distribution"}; the node also needs '
                     f'{", ".join(missing)}', _SOURCE)
    return Check('ROS', OK, name or 'unknown distribution')


def rmw() -> Check:
    """Check whether the middleware in the variable RMW_IMPLEMENTATION is installed."""
    name = os.environ.get('RMW_IMPLEMENTATION', '')
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    if not name:
        return Check('RMW', OK, 'RMW_IMPLEMENTATION is not set; the default is usually '
                     f'{DEFAULT_RMW}')
    if prefixes and not any(list(Path(p, 'lib').glob(f'lib{name}.so*')) for p in prefixes):
        return Check('RMW', ERROR, f'RMW_IMPLEMENTATION is {name}, but no folder in '
                     'AMENT_PREFIX_PATH contains this middleware, so no node can start',
                     f'sudo apt install ros-$ROS_DISTRO-{name.replace("_", "-")}')
    return Check('RMW', OK, name)


def dds_profile() -> Check:
    """Check whether Fast DDS has a profile with enough shared memory for images."""
    name = os.environ.get('RMW_IMPLEMENTATION', '') or DEFAULT_RMW
    if 'fastrtps' not in name:
        return Check('DDS profile', OK, f'{name} does not use a profile of Fast DDS. Images '
                     'need a large socket buffer; see the result for rmem_max')
    variable = next((v for v in PROFILES if os.environ.get(v)), '')
    if not variable:
        return Check(
            'DDS profile', WARNING, 'no profile is set. The launch files of this package set '
            'config/fastdds.xml. A process that you start without a launch file has no profile '
            'and loses most 1080p images',
            profile_export())
    path = Path(os.environ[variable])
    try:
        sizes = [int(size) for size in
                 re.findall(r'<segment_size>\s*(\d+)', path.read_text(encoding='utf-8'))]
    except OSError as error:
        return Check('DDS profile', WARNING, f'{variable} names {path}, which cannot be read '
                     f'({error.strerror}); Fast DDS ignores this variable', profile_export())
    text = f'{path}, {max(sizes, default=0) / 2**20:.1f} MiB of shared memory for each process'
    if max(sizes, default=0) < 16 << 20:
        return Check('DDS profile', WARNING, f'{text}; this is too little for large images',
                     profile_export())
    return Check('DDS profile', OK, text)


def _wheels() -> str:
    for found in metadata.distributions():
        if match := re.fullmatch(r'ros[-_](\w+)[-_]rclpy', found.metadata['Name'] or ''):
            return f'{match[1]} (Python packages)'
    return ''
