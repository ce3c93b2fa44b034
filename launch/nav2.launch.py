# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the segmentation node under Nav2's lifecycle manager.

This file accepts every argument of seg.launch.py except ``autostart``. The manager configures and
activates the node, so ``autostart`` is always false here. Nav2 must be installed.
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
    """Return the node, and a lifecycle manager in the node's namespace."""
    given = context.launch_configurations
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SEG)), launch_arguments={'autostart': 'false'}.items())
    manager = Node(
        package='nav2_lifecycle_manager', executable='lifecycle_manager',
        name='lifecycle_manager_segmentation', namespace=given.get('namespace', ''),
        parameters=[{
            'autostart': True,  # the manager configures and activates the node at once
            'node_names': [NODE],
            'bond_timeout': 0.0,  # 0 means no bond, because the node does not support bonds
            'use_sim_time': given.get('use_sim_time') == 'true' or bool(given.get('bag'))}],
        output='screen', emulate_tty=True)
    return [node, manager]


def generate_launch_description() -> LaunchDescription:
    """Return the node and the manager."""
    return LaunchDescription([OpaqueFunction(function=actions)])
