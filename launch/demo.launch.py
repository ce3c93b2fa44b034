# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Starts street cameras and the segmentation node. Also accepts the arguments of seg.launch.py."""

from __future__ import annotations

from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetLaunchConfiguration,
)
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from trt_segmentation.ros.launch_arguments import camera_names, check_street_camera_arguments
from trt_segmentation.ros.street_camera import TOUR
from trt_segmentation.street import CONDITIONS

SEG = Path(__file__).resolve().parent / 'seg.launch.py'
ARGUMENTS = [
    DeclareLaunchArgument(
        'image', default_value='',
        description="Image topic. The topic camera_info is in the same namespace. If 'cameras' is "
                    'set, this is only the part of the topic after the name of each camera. '
                    "Default: /camera/image_raw, or image_raw if 'cameras' is set."),
    DeclareLaunchArgument(
        'cameras', default_value='',
        description='Names of the cameras, such as front,left. Each camera shows a different '
                    'street. Default: one camera without a name.'),
    DeclareLaunchArgument(
        'condition', default_value='day', choices=[*CONDITIONS, TOUR],
        description="Light and weather on the street. 'tour' shows all conditions in turn."),
    DeclareLaunchArgument(
        'seed', default_value='1',
        description='Seed of the first street: an integer, 0 or larger. Each camera after '
                    'the first adds 1 to the seed.'),
    DeclareLaunchArgument(
        'fps', default_value='15.0', description='Frames per second of each camera.'),
]


def choose_image(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Check the arguments, and set ``image`` if the user did not set this argument.

    :raises LaunchArgumentError: if an argument cannot be used. Nothing is started then.
    """
    given = context.launch_configurations
    check_street_camera_arguments(given)
    image = 'image_raw' if camera_names(given['cameras']) else '/camera/image_raw'
    return [SetLaunchConfiguration('image', given['image'] or image)]


def camera_actions(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the actions that start the cameras."""
    given = context.launch_configurations
    image = given['image']
    topics = {name: f'{name}/{image}' for name in camera_names(given['cameras'])} or {'': image}
    return [Node(
        package='trt_segmentation', executable='street_camera',
        name=f'street_camera_{name}'.rstrip('_').replace('/', '_'),
        namespace=given.get('namespace', ''), remappings=[('image', topic)],
        parameters=[{'condition': given['condition'], 'seed': int(given['seed']) + index,
                     'fps': float(given['fps'])}],
        output='screen', emulate_tty=True) for index, (name, topic) in enumerate(topics.items())]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the node with its DDS profile, and the cameras."""
    # If an OpaqueFunction included seg.launch.py, ``ros2 launch --show-args`` would not find its
    # arguments. The node comes before the cameras, because seg.launch.py checks the arguments and
    # sets the DDS profile, which the cameras use too.
    node = IncludeLaunchDescription(PythonLaunchDescriptionSource(str(SEG)))
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=choose_image), node,
                              OpaqueFunction(function=camera_actions)])
