# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the warning about lost images. The warning names the setting to change."""

from __future__ import annotations

from collections.abc import Mapping
import os

from ...installed.files import profile_export, PROFILES
from ...stats import WINDOW

UNKNOWN = 'unknown: this middleware does not report lost messages'
NOT_NUMBERED = 'unknown: needs transport direct and a middleware that numbers messages'
"""Diagnostics show UNKNOWN instead of the number of images that the middleware lost. They show
NOT_NUMBERED instead of the number of images that are missing between two numbered images."""


def describe_loss(topic: str, count: int, rmw: str,
                  environment: Mapping[str, str] = os.environ) -> str:
    """Return one line that reports lost images and names the setting to change.

    :param topic: full name of the image topic.
    :param count: number of images lost in the last :data:`~...stats.WINDOW` seconds.
    :param rmw: name of the middleware, such as rmw_fastrtps_cpp.
    """
    what = f'{rmw} lost {count} image{"s" * (count != 1)} on {topic} in the last {WINDOW:g} s'
    if 'fastrtps' not in rmw:
        return (f'{what}. Enlarge the buffers of the system: sudo sysctl -w '
                'net.core.rmem_max=2147483647. If this is not enough, send smaller, fewer or '
                'compressed images')
    variable = next((name for name in PROFILES if environment.get(name)), '')
    where = (f'This node uses {variable}={environment[variable]}, so start the camera with the '
             'same profile' if variable else 'Start the camera and this node with this profile')
    return (f'{what}. Without the profile config/fastdds.xml, Fast DDS has too little shared '
            f'memory for images. {where}. This command sets the profile: {profile_export()}. If '
            'both programs already use this profile, send smaller, fewer or compressed images')
