# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node under Nav2's lifecycle manager; takes every argument of seg.launch.py.

The manager configures and activates the node, so the node must not do so itself: ``autostart`` is
false here. Nav2 must be installed where this is launched.
"""

from __future__ import annotations

from pathlib import Path

from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription

SEG = Path(__file__).resolve().parent / 'seg.launch.py'
NODE = 'trt_segmentation'


def actions(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node, and a manager in the node's namespace."""
    given = context.launch_configurations
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SEG)), launch_arguments={'autostart': 'false'}.items())
    manager = Node(
        package='nav2_lifecycle_manager', executable='lifecycle_manager',
        name='lifecycle_manager_segmentation', namespace=given.get('namespace', ''),
        parameters=[{
            'autostart': True,  # the manager's own: it starts its nodes as soon as it is up
            'node_names': [NODE],
            'bond_timeout': 0.0,  # the node has no bond, and the manager would give it up
            'use_sim_time': given.get('use_sim_time') == 'true' or bool(given.get('bag'))}],
        output='screen', emulate_tty=True)
    return [node, manager]


def generate_launch_description() -> LaunchDescription:
    """Node and manager."""
    return LaunchDescription([OpaqueFunction(function=actions)])
