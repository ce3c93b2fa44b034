# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the segmentation node. The option -s of ros2 launch lists the arguments of this file."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
from typing import Any

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from trt_segmentation.engines import ENGINES, PRECISION_CHOICES
from trt_segmentation.installed.files import PROFILES
from trt_segmentation.ros.launch_arguments import camera_names, check_node_arguments

SHARE = Path(__file__).resolve().parent.parent
FINAL_EXIT_CODES = (0, 2)
"""Exit codes after which the node is not started again.

0 means that the node was told to end. 2 means that the node could not start, and would fail again.
"""
AS_FILE = 'Default: the value in params_file.'
ARGUMENTS = [
    DeclareLaunchArgument(
        'image', default_value='image',
        description="Image topic. The topic camera_info is in the same namespace. If 'cameras' is "
                    'set, this is only the part of the topic after the name of each camera, such '
                    'as image_raw.'),
    DeclareLaunchArgument(
        'cameras', default_value='',
        description='Names of the cameras, such as front,left. For each camera, the node '
                    'subscribes to CAMERA/IMAGE, and publishes CAMERA/segmentation/label_map and '
                    f'the other results. {AS_FILE}'),
    DeclareLaunchArgument(
        'model', default_value='',
        description=f'Name of an installed model card, or path of a .yaml model card. {AS_FILE}'),
    DeclareLaunchArgument(
        'engine', default_value='', choices=['', *ENGINES],
        description="Library that runs the network. 'auto' chooses the best library that works "
                    f'on this machine. {AS_FILE}'),
    DeclareLaunchArgument(
        'precision', default_value='', choices=['', *PRECISION_CHOICES],
        description=f"Number format in which TensorRT computes. 'auto' means fp16. {AS_FILE}"),
    DeclareLaunchArgument(
        'gpu', default_value='',
        description=f'CUDA index of the GPU. {AS_FILE}'),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the node and its topics.'),
    DeclareLaunchArgument(
        'params_file', default_value=str(SHARE / 'config' / 'seg.yaml'),
        description='YAML file with the parameters of the node.'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='', choices=['', 'true', 'false'],
        description="Whether the node takes the time from /clock. Default: true if 'bag' is set, "
                    'else the value in params_file.'),
    DeclareLaunchArgument(
        'autostart', default_value='', choices=['', 'true', 'false'],
        description='Whether the node configures and activates itself at start-up. Choose '
                    f'false if a lifecycle manager configures and activates the node. {AS_FILE}'),
    DeclareLaunchArgument(
        'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='Lowest severity of the messages that are logged.'),
    DeclareLaunchArgument(
        'respawn', default_value='true', choices=['true', 'false'],
        description='Whether the node starts again 2 s after an error ended its process. For '
                    'example, a lost GPU ends the process, because only a new process can use '
                    'the GPU. A node that could not start does not start again.'),
    DeclareLaunchArgument(
        'bag', default_value='',
        description='rosbag2 recording to play. The player publishes its time on /clock.'),
]


def overrides(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters that launch arguments set. They replace the values in params_file."""
    found: dict[str, Any] = {
        name: given[name] for name in ('model', 'engine', 'precision') if given[name]}
    if given['gpu']:
        found['gpu'] = int(given['gpu'])
    if cameras := camera_names(given['cameras']):
        found['cameras'] = cameras
    if given['autostart']:
        found['autostart'] = given['autostart'] == 'true'
    if sim := given['use_sim_time'] or ('true' if given['bag'] else ''):
        found['use_sim_time'] = sim == 'true'
    return found


def actions(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the node, and the player of a bag if a bag is given.

    :raises LaunchArgumentError: if an argument cannot be used. Nothing is started then.
    """
    given = context.launch_configurations
    check_node_arguments(given)
    cameras = camera_names(given['cameras'])
    remappings = [(f'{name}/image', f'{name}/{given["image"]}') for name in cameras]
    node = node_actions(given['respawn'] == 'true', {
        'package': 'trt_segmentation', 'executable': 'seg_node', 'name': 'trt_segmentation',
        'namespace': given['namespace'], 'output': 'screen', 'emulate_tty': True,
        'parameters': [given['params_file'], overrides(given)],
        'remappings': remappings or [('image', given['image'])],
        'ros_arguments': ['--log-level', given['log_level']]})
    return [*node, *player_actions(given['bag'])] if given['bag'] else node


def player_actions(bag: str) -> list[LaunchDescriptionEntity]:
    """Return ``ros2 bag play`` for a bag. If the player fails, the launch ends with an error."""
    player = ExecuteProcess(cmd=['ros2', 'bag', 'play', '--clock', '100', bag], output='screen')

    def ended(event: ProcessExited, context: LaunchContext) -> None:
        if event.returncode and not context.is_shutdown:
            # launch logs this exception as an error, ends every process and exits with 1.
            raise RuntimeError(f'bag:={bag} cannot be played: ros2 bag play ended with exit code '
                               f'{event.returncode}; the messages of ros2 bag play above say why')

    return [RegisterEventHandler(OnProcessExit(target_action=player, on_exit=ended)), player]


def node_actions(respawn: bool, options: dict[str, Any]) -> list[LaunchDescriptionEntity]:
    """Return a node and, if ``respawn`` is true, a handler that starts it again after an error.

    launch_ros has a ``respawn`` option too, but that option ignores the exit code.
    """
    node = Node(**options)

    def ended(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        if event.returncode in FINAL_EXIT_CODES or context.is_shutdown:
            return []
        return [TimerAction(period=2.0, actions=node_actions(respawn, options))]

    watch = RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))
    return [watch, node] if respawn else [node]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the DDS profile for large images, and the node.

    If an environment variable already configures Fast DDS, the profile is left out.
    """
    is_set = any(name in os.environ for name in (*PROFILES, 'FASTDDS_BUILTIN_TRANSPORTS'))
    profile = str(SHARE / 'config' / 'fastdds.xml')
    environment = [] if is_set else [SetEnvironmentVariable(name, profile) for name in PROFILES]
    return LaunchDescription([*ARGUMENTS, *environment, OpaqueFunction(function=actions)])
