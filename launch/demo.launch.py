# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Street cameras and the segmentation node; takes every argument of seg.launch.py too."""

from __future__ import annotations

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from trt_segmentation.ros.launch_arguments import camera_names, check_street_camera_arguments

SEG = Path(__file__).resolve().parent / 'seg.launch.py'
ARGUMENTS = [
    DeclareLaunchArgument(
        'image', default_value='',
        description='Topic the camera publishes and the node takes; camera_info is beside it. '
                    'Not given: /camera/image_raw, and with cameras image_raw under each one.'),
    DeclareLaunchArgument(
        'cameras', default_value='',
        description='Cameras to start, such as front,left, each on a street of its own; not '
                    'given: one without a name.'),
    DeclareLaunchArgument(
        'condition', default_value='day', choices=['day', 'night', 'rain', 'snow', 'tour'],
        description='Light and weather on the street; tour goes through all.'),
    DeclareLaunchArgument(
        'seed', default_value='1', description='Which street: a whole number from 0.'),
    DeclareLaunchArgument(
        'fps', default_value='15.0', description='Frames a second the camera publishes.'),
]


def actions(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node with its DDS profile, and the cameras, for the arguments given.

    :raises LaunchArgumentError: for an argument that cannot be used; nothing is started then.
    """
    given = context.launch_configurations
    check_street_camera_arguments(given)
    names = camera_names(given['cameras'])
    image = given['image'] or ('image_raw' if names else '/camera/image_raw')
    topics = {name: f'{name}/{image}' for name in names} or {'': image}
    cameras = [Node(
        package='trt_segmentation', executable='street_camera',
        name=f'street_camera_{name}'.rstrip('_').replace('/', '_'),
        namespace=given.get('namespace', ''), remappings=[('image', topic)],
        parameters=[{'condition': given['condition'], 'seed': int(given['seed']) + index,
                     'fps': float(given['fps'])}],
        output='screen', emulate_tty=True) for index, (name, topic) in enumerate(topics.items())]
    # first: it checks its arguments, and its DDS profile is the cameras' too
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SEG)), launch_arguments={'image': image}.items())
    return [node, *cameras]


def generate_launch_description() -> LaunchDescription:
    """Arguments, node and cameras."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=actions)])
