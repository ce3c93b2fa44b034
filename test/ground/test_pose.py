# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of a camera: two ways to give it, and wrong poses."""

import math

import numpy as np
import pytest

from trt_segmentation.errors import GroundError
from trt_segmentation.ground.pose import Pose
from trt_segmentation.street.camera import PinholeCamera


def multiply(a, b):
    """Return the product of two quaternions (x, y, z, w)."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (aw * bx + ax * bw + ay * bz - az * by, aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw, aw * bw - ax * bx - ay * by - az * bz)


def about(axis, angle):
    return (*(np.eye(3)[axis] * math.sin(angle / 2)), math.cos(angle / 2))


def test_a_mount_turns_points_as_the_camera_of_the_street_does():
    pose = Pose.of_mount(1.4, 0.13, 0.0)
    camera = PinholeCamera(0, 0, 1.4, 0, 0.13, 900.0, 1280, 720)
    points = np.array([[5.0, 1.0, 0.0], [12.0, -3.0, 0.7], [2.0, 0.2, 2.0]])
    assert (points - pose.position) @ pose.turn == pytest.approx(camera.turn(points), abs=1e-12)


def test_a_positive_roll_lowers_the_right_side():
    right = Pose.of_mount(1.0, 0.0, 0.1).turn @ (1, 0, 0)
    assert right == pytest.approx([0, -math.cos(0.1), -math.sin(0.1)])


def test_a_transform_gives_the_pose_of_the_same_mount():
    # REP 103: an optical frame is the frame of the body, turned by -90 degrees about x and z
    optical = (-0.5, 0.5, -0.5, 0.5)
    body = multiply(about(1, 0.2), about(0, -0.05))
    found = Pose.of_transform((0.0, 0.0, 0.8), multiply(body, optical))
    mount = Pose.of_mount(0.8, 0.2, -0.05)
    assert found.turn == pytest.approx(mount.turn, abs=1e-12)
    assert found.is_near(mount)
    assert not found.is_near(Pose.of_mount(0.8, 0.201, -0.05))
    assert not found.is_near(Pose.of_mount(0.801, 0.2, -0.05))


@pytest.mark.parametrize('position, quaternion, text', [
    ((0, 0, -0.2), (0, 0, 0, 1), 'z = -0.2 m, but it must be above the ground'),
    ((0, 0, 1), (0, 0, 0, 0), 'is not a rotation'),
    ((float('nan'), 0, 1), (0, 0, 0, 1), 'not finite')])
def test_a_wrong_pose_is_refused(position, quaternion, text):
    with pytest.raises(GroundError, match=text):
        Pose.of_transform(position, quaternion)
