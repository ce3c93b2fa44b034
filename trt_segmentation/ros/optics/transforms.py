# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Gets the pose of a camera from tf2."""

from __future__ import annotations

from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from ...errors import GroundError
from ...ground.pose import Pose

try:
    import tf2_ros
except ImportError:  # not every ROS installation has tf2_ros for Python
    tf2_ros = None


class Transforms:
    """Receives the transforms of /tf and /tf_static. All cameras of a node share this object.

    Make and close this object in the executor's thread. Any thread may call :meth:`find_pose`.

    :raises GroundError: if tf2_ros is not installed.
    """

    def __init__(self, node: Node) -> None:
        if tf2_ros is None:
            raise GroundError(
                '`ground` is true, and the pose of the camera comes from tf2, but tf2_ros is not '
                'installed. To install: sudo apt install ros-$ROS_DISTRO-tf2-ros-py. Or set the '
                'pose with `camera_height`, `camera_pitch` and `camera_roll`')
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        # If a bag is played in a loop, the clock jumps back at the start of each round. tf2 would
        # then refuse the transforms of this round, because the stored transforms have later times.
        # So this callback deletes all stored transforms except the static transforms.
        self._jumps = node.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=lambda jump: self._buffer.clear())
        self._is_open = True

    def find_pose(self, ground_frame: str, header: Header) -> Pose:
        """Return the pose of a camera at the time of an image.

        :param header: the header of the image. The frame id must name the optical frame of the
            camera (x right, y down, z forward).
        :raises GroundError: if tf2 has no pose for this time.
        """
        try:
            found = self._buffer.lookup_transform(
                ground_frame, header.frame_id, Time.from_msg(header.stamp)).transform
        except tf2_ros.TransformException as error:
            reason = ' '.join(str(error).split()).rstrip('.')
            raise GroundError(
                f'tf2 has no pose of the camera {header.frame_id!r} in {ground_frame!r}: '
                f'{reason}. Publish the transform, or set `ground_frame` to a frame that has a '
                'transform to the camera') from error
        place, turn = found.translation, found.rotation
        return Pose.of_transform((place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w))

    def close(self) -> None:
        """Unsubscribe. A second call does nothing."""
        if self._is_open:
            self._listener.unregister()
            self._jumps.unregister()
        self._is_open = False
