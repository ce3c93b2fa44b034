# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the segmentation node under Nav2's lifecycle manager.

This file accepts every argument of seg.launch.py except ``autostart``. The manager configures and
activates the node, so ``autostart`` is always false here. Nav2 must be installed.
"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_prefix, PackageNotFoundError
from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription

SEG = Path(__file__).resolve().parent / 'seg.launch.py'
NODE = 'trt_segmentation'
MANAGER = 'nav2_lifecycle_manager'


def check_nav2(_: LaunchContext) -> None:
    """Check that Nav2 is installed, before a process is started.

    Without this check, launch_ros would report the missing package only after it has started the
    node. Then ``ros2 launch`` would end, but the node would go on.

    :raises RuntimeError: if Nav2 is not installed.
    """
    try:
        get_package_prefix(MANAGER)
    except PackageNotFoundError as error:
        raise RuntimeError(
            f'the package {MANAGER} is not installed; to install: sudo apt install '
            'ros-$ROS_DISTRO-nav2-lifecycle-manager') from error


def manager_actions(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return a lifecycle manager in the node's namespace."""
    given = context.launch_configurations
    return [Node(
        package=MANAGER, executable='lifecycle_manager',
        name='lifecycle_manager_segmentation', namespace=given.get('namespace', ''),
        parameters=[{
            'autostart': True,  # the manager configures and activates the node at once
            'node_names': [NODE],
            'bond_timeout': 0.0,  # no bond, because the node does not support bonds
            'use_sim_time': given.get('use_sim_time') == 'true' or bool(given.get('bag'))}],
        output='screen', emulate_tty=True)]


def generate_launch_description() -> LaunchDescription:
    """Return the node and the manager."""
    # If an OpaqueFunction included seg.launch.py, ``ros2 launch --show-args`` would not find its
    # arguments.
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SEG)), launch_arguments={'autostart': 'false'}.items())
    return LaunchDescription([OpaqueFunction(function=check_nav2), node,
                              OpaqueFunction(function=manager_actions)])
