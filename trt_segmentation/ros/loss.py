# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the message to the user about images that the middleware lost."""

from __future__ import annotations

from collections.abc import Mapping
import os

from ..installed.files import profile_export, PROFILES
from ..stats import WINDOW

UNKNOWN = 'unknown: this middleware does not report lost messages'
"""Value in diagnostics if the number of lost images is unknown."""

NOT_NUMBERED = 'unknown: only the direct transport counts them, if the middleware numbers messages'
"""Value in diagnostics if the number of skipped images is unknown."""


def describe_loss(topic: str, count: int, rmw: str,
                  environment: Mapping[str, str] = os.environ) -> str:
    """Return one line that reports lost images and names the setting to change.

    :param topic: full name of the image topic.
    :param count: number of images lost in the last :data:`~..stats.WINDOW` seconds.
    :param rmw: name of the middleware, such as rmw_fastrtps_cpp.
    :param environment: environment variables of this process.
    """
    what = f'{count} image{"s" * (count != 1)} on {topic} lost in the last {WINDOW:g} s'
    if 'fastrtps' not in rmw:
        return (f'{what}, by {rmw}; enlarge its buffers (sudo sysctl -w '
                'net.core.rmem_max=2147483647), or send smaller, fewer or compressed images')
    variable = next((name for name in PROFILES if environment.get(name)), '')
    where = (f'This node uses {variable}={environment[variable]}, so start the camera with it'
             if variable else 'Start the camera and this node with this profile')
    return (f'{what}: Fast DDS has too little shared memory for images without the profile '
            f'config/fastdds.xml. {where}, after: {profile_export()} (if both use it already, '
            'send smaller, fewer or compressed images)')
