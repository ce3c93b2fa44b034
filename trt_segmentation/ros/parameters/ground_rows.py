# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the ground grid."""

from __future__ import annotations

import math

from .setting import Setting, UNCONFIGURED

GROUND = (
    Setting('ground', False, 'Whether the node publishes ~/ground, a nav_msgs/OccupancyGrid of '
            'the ground around the camera. The grid needs `camera_info`, the pose of the camera, '
            'and the section `ground` of the model card. The node computes the grid only while '
            'someone subscribes.', UNCONFIGURED),
    Setting('ground_frame', 'base_footprint', 'tf2 frame of the ground grid. The ground is the '
            'plane z = 0 of this frame.',
            pattern=(r'[^/\s].*', 'the name of a tf2 frame, such as base_footprint')),
    Setting('ground_range', 10.0, 'Distance in metres from the point below the camera to each '
            'side of the ground grid. The grid is a square.', low=0.5, high=100.0),
    Setting('ground_resolution', 0.1, 'Length of the side of a ground cell in metres. A grid has '
            'at most 1000 x 1000 cells.', low=0.01, high=10.0),
    Setting('walkable_cost', 50, 'Value of a ground cell that is walkable. 0 means free. A '
            'drivable cell always has the value 0, and an obstacle always has the value 100.',
            high=99),
    Setting('camera_height', 0.0, 'Height of the camera above the ground in metres. 0 means that '
            'tf2 gives the pose of the camera.', high=100.0),
    Setting('camera_pitch', 0.0, 'Angle of the optical axis below the horizon in radians. Used '
            'only if `camera_height` is above 0.', low=-math.pi / 2, high=math.pi / 2),
    Setting('camera_roll', 0.0, 'Rotation of the camera about its optical axis in radians. If the '
            'angle is above 0, the right side of the camera is lower than the left side. Used '
            'only if `camera_height` is above 0.',
            low=-math.pi, high=math.pi),
)
