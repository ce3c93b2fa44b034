# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""A street camera and the segmentation node; takes every argument of seg.launch.py too."""

from __future__ import annotations

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

SEG = Path(__file__).resolve().parent / 'seg.launch.py'
ARGUMENTS = [
    DeclareLaunchArgument(
        'image', default_value='/camera/image_raw',
        description='Topic the camera publishes and the node takes; camera_info is beside it.'),
    DeclareLaunchArgument(
        'condition', default_value='day', choices=['day', 'night', 'rain', 'snow', 'tour'],
        description='Light and weather on the street; tour goes through all.'),
    DeclareLaunchArgument(
        'seed', default_value='1', description='Which street: a whole number from 0.'),
    DeclareLaunchArgument(
        'fps', default_value='15.0', description='Frames a second the camera publishes.'),
]


def generate_launch_description() -> LaunchDescription:
    """Arguments, the node with its DDS profile, and the camera."""
    image, fps = LaunchConfiguration('image'), LaunchConfiguration('fps')
    camera = Node(
        package='trt_segmentation', executable='street_camera', name='street_camera',
        namespace=LaunchConfiguration('namespace'), remappings=[('image', image)],
        parameters=[{'condition': LaunchConfiguration('condition'),
                     'seed': ParameterValue(LaunchConfiguration('seed'), value_type=int),
                     'fps': ParameterValue(fps, value_type=float)}],
        output='screen', emulate_tty=True)
    # first, so that its DDS profile is the camera's too
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SEG)), launch_arguments={'image': image}.items())
    return LaunchDescription([*ARGUMENTS, node, camera])
