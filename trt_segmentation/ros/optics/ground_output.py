# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Computes and publishes a ground grid, a map of the ground, for each label map of a camera."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy.typing as npt
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from ...errors import GroundError, LensError
from ...ground.pose import Pose
from ...ground.table import Cells, GridSize, GroundTable
from ...ground.values import make_values, Values
from ...lens.calibration import read_lens
from ...model.card import ModelCard
from ..transport.qos import make_lifecycle_publisher
from .transforms import Transforms

try:
    from geometry_msgs.msg import Point, Quaternion
    from geometry_msgs.msg import Pose as PoseMessage
    from nav_msgs.msg import MapMetaData, OccupancyGrid
except ImportError:  # not every ROS installation has nav_msgs
    MapMetaData = OccupancyGrid = None

NO_GROUND, NEW_LENS = 'no ground grid', 'camera_info changed'
"""The kinds of problems that :class:`GroundOutput` reports. NO_GROUND means that a ground grid
could not be computed. NEW_LENS means that the camera's calibration changed after the last grid."""

MANY_CAMERAS = ('`camera_height` gives the pose of one camera, but there are {} cameras. Set '
                '`camera_height` to 0, and publish the pose of each camera with tf2')
NO_TRANSFORMS = ('`camera_height` was above 0 when the node was configured, so the node has not '
                 'subscribed to tf2. To use tf2, deactivate and clean up the node, set '
                 '`camera_height` to 0, then configure and activate the node. Or start the node '
                 'again with a `camera_height` of 0')

_CALIBRATION: dict[str, Callable[[CameraInfo], str]] = {
    'the size': lambda info: f'{info.width}x{info.height}',
    'distortion_model': lambda info: str(info.distortion_model),
    'd': lambda info: str([*map(float, info.d)]), 'k': lambda info: str([*map(float, info.k)]),
    'r': lambda info: str([*map(float, info.r)]), 'p': lambda info: str([*map(float, info.p)]),
    'binning': lambda info: f'{info.binning_x}x{info.binning_y}',
    'roi': lambda info: str([info.roi.x_offset, info.roi.y_offset, info.roi.width,
                             info.roi.height])}
"""For each part of a calibration, a function that returns the part as text."""

Warn = Callable[[str, str, Exception], None]


class GroundOutput:
    """Publishes the ground grid of one camera.

    A :class:`.Worker` segments the frames. One of its threads calls :meth:`publish`. When the node
    changes to a new model, a thread of the new worker calls :meth:`change_card`. But if a failed
    engine is being reopened at this time, the executor's thread calls :meth:`change_card`. The
    executor's thread calls the other methods.

    :param camera: name of the camera; empty if the camera has no name.
    :param value: returns the value of the parameter with the given name.
    :param transforms: gives the pose of the camera; None if parameters give the pose.
    :param warn: called with the camera's name, the kind of a problem, and the exception.
    :raises GroundError: if the model card does not say which classes are ground.
    """

    def __init__(self, node: LifecycleNode, camera: str, card: ModelCard, *,
                 value: Callable[[str], Any], transforms: Transforms | None, warn: Warn) -> None:
        self.missing = 0
        """Number of grids that could not be computed."""
        self.error = ''
        """Why the newest missing grid could not be computed. Empty if no grid is missing."""
        self._node, self._camera, self._card = node, camera, card
        self._value, self._transforms, self._warn = value, transforms, warn
        self._table: GroundTable | None = None
        self._sent: CameraInfo | None = None
        self._cost = -1
        self._values: Values = self._read_values()
        name = f'{camera}/segmentation/ground' if camera else '~/ground'
        self._publisher = make_lifecycle_publisher(node, OccupancyGrid, name)

    def publish(self, labels: npt.NDArray[Any], header: Header, info: CameraInfo | None,
                sent: CameraInfo | None) -> None:
        """Compute and publish the grid of a label map, if the topic has a subscriber.

        If the grid cannot be computed, count it in :attr:`missing`, and call ``warn``.

        :param labels: (height, width) class ids, C-contiguous.
        :param header: the header of the image.
        :param info: the camera_info that belongs to the label map; None if none was received.
        :param sent: the camera_info of the camera. If the image was rectified, ``info`` differs.
        """
        if not self._publisher.get_subscription_count():
            return
        try:
            table = self._find_table(header, info, sent)
            grid = table.read(labels, self._read_values())
        except (GroundError, LensError) as error:
            self.missing += 1
            self.error = str(error)
            self._warn(self._camera, NO_GROUND, error)
            return
        self._publisher.publish(grid_message(header, self._value('ground_frame'), table, grid))

    def change_card(self, card: ModelCard) -> None:
        """Use the ground classes of another model card for all later grids.

        :raises GroundError: if the model card does not say which classes are ground.
        """
        self._card, self._cost = card, -1
        self._values = self._read_values()

    def find_height_problem(self, height: float, cameras: int) -> str:
        """Return why ``camera_height`` cannot be set to ``height`` now. Empty if it can.

        :param cameras: number of cameras of the node.
        """
        if height and cameras > 1:
            return MANY_CAMERAS.format(cameras)
        return '' if height or self._transforms else NO_TRANSFORMS

    def close(self) -> None:
        """Destroy the publisher, and unsubscribe from tf2."""
        self._node.destroy_lifecycle_publisher(self._publisher)
        if self._transforms:
            self._transforms.close()

    def _find_table(self, header: Header, info: CameraInfo | None, sent: CameraInfo | None
                    ) -> GroundTable:
        """Return the table that computes the grids, or a new one if lens, pose or size changed."""
        lens, pose = read_lens(info), self._find_pose(header)
        size = GridSize(self._value('ground_range'), self._value('ground_resolution'))
        old = self._table
        if old and old.lens == lens and old.size == size and old.pose.is_near(pose):
            return old
        if old and old.lens != lens and (changes := describe_changes(self._sent, sent)):
            self._warn(self._camera, NEW_LENS, LensError(
                f'{changes}. The ground grid uses the new numbers. If the '
                'camera has no zoom lens, check that only one driver publishes this topic'))
        self._table, self._sent = GroundTable(lens, pose, size), sent
        return self._table

    def _find_pose(self, header: Header) -> Pose:
        if height := self._value('camera_height'):
            return Pose.of_mount(height, self._value('camera_pitch'), self._value('camera_roll'))
        assert self._transforms is not None  # without tf2, find_height_problem() refuses 0
        return self._transforms.find_pose(self._value('ground_frame'), header)

    def _read_values(self) -> Values:
        cost = self._value('walkable_cost')
        if cost != self._cost:
            self._cost = cost
            self._values = make_values(self._card.classes, self._card.ground, cost)
        return self._values


def describe_changes(old: CameraInfo | None, new: CameraInfo | None) -> str:
    """Return the parts of a calibration that differ, as text with the old and the new values.

    Empty if no part differs, or if one of the calibrations is None.
    """
    if old is None or new is None:
        return ''
    found = [(name, text(old), text(new)) for name, text in _CALIBRATION.items()]
    return '; '.join(f'{name} was {before}, and is now {after}'
                     for name, before, after in found if before != after)


def grid_message(header: Header, frame: str, table: GroundTable, grid: Cells) -> Any:
    """Return a ground grid as a nav_msgs/OccupancyGrid message with the stamp of the image."""
    data = array('b')  # rclpy stores an array.array unchanged
    data.frombytes(grid.data)
    x, y = table.origin.tolist()
    return OccupancyGrid(
        header=Header(stamp=header.stamp, frame_id=frame), data=data,
        info=MapMetaData(
            map_load_time=header.stamp, resolution=table.size.resolution,
            width=grid.shape[1], height=grid.shape[0],
            origin=PoseMessage(position=Point(x=x, y=y, z=0.0), orientation=Quaternion(w=1.0))))


def make_ground_outputs(node: LifecycleNode, names: Sequence[str], card: ModelCard,
                        value: Callable[[str], Any], warn: Warn) -> dict[str, GroundOutput]:
    """Make the ground output of each camera.

    :raises GroundError: if nav_msgs or tf2_ros is not installed, if the model card names no ground
        classes, or if ``camera_height`` is set for several cameras.
    """
    if OccupancyGrid is None:
        raise GroundError('`ground` is true, but the package nav_msgs is not installed. To '
                          'install: sudo apt install ros-$ROS_DISTRO-nav-msgs')
    if value('camera_height') and len(names) > 1:
        raise GroundError(MANY_CAMERAS.format(len(names)))
    transforms = None if value('camera_height') else Transforms(node)
    outputs: dict[str, GroundOutput] = {}
    with ExitStack() as opened:
        if transforms:
            opened.callback(transforms.close)
        for name in names:
            outputs[name] = GroundOutput(
                node, name, card, value=value, transforms=transforms, warn=warn)
            opened.callback(outputs[name].close)
        opened.pop_all()  # not reached after an exception, so everything is closed
    return outputs
