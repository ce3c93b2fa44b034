# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node; `ros2 launch trt_segmentation seg.launch.py -s` lists the arguments."""

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
from trt_segmentation.ros.launch_arguments import camera_names, check_node_arguments

SHARE = Path(__file__).resolve().parent.parent
PROFILE = ('FASTDDS_DEFAULT_PROFILES_FILE',  # Fast DDS 3: Kilted and later
           'FASTRTPS_DEFAULT_PROFILES_FILE')  # Fast DDS 2: Humble, Jazzy
STAYS_DOWN = (0, 2)
"""Exit codes of a node that was told to end, and of one that would not start again either."""
AS_FILE = 'Not given: what params_file says.'
ARGUMENTS = [
    DeclareLaunchArgument(
        'image', default_value='image',
        description='Image topic; camera_info is taken from beside it. With cameras: the topic '
                    'under each one, such as image_raw.'),
    DeclareLaunchArgument(
        'cameras', default_value='',
        description='Cameras on this engine, such as front,left: <camera>/<image> in and '
                    f'<camera>/segmentation/label_map and so on out. {AS_FILE}'),
    DeclareLaunchArgument(
        'model', default_value='',
        description=f'Model card: an installed name or the path of a .yaml file. {AS_FILE}'),
    DeclareLaunchArgument(
        'engine', default_value='', choices=['', *ENGINES],
        description=f'What runs the network; auto takes the best that works here. {AS_FILE}'),
    DeclareLaunchArgument(
        'precision', default_value='', choices=['', *PRECISION_CHOICES],
        description=f'What TensorRT computes in; auto is fp16. {AS_FILE}'),
    DeclareLaunchArgument(
        'gpu', default_value='', description=f'Index of the GPU, as CUDA counts. {AS_FILE}'),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the node and its topics.'),
    DeclareLaunchArgument(
        'params_file', default_value=str(SHARE / 'config' / 'seg.yaml'),
        description='Parameters of the node.'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='', choices=['', 'true', 'false'],
        description='Take the time from /clock. Not given: true with bag, else what '
                    'params_file says.'),
    DeclareLaunchArgument(
        'autostart', default_value='', choices=['', 'true', 'false'],
        description=f'Configure and activate with no lifecycle manager. {AS_FILE}'),
    DeclareLaunchArgument(
        'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='Least severity that is logged.'),
    DeclareLaunchArgument(
        'respawn', default_value='true', choices=['true', 'false'],
        description='Start the node again 2 s after its process died, as it does where the GPU '
                    'was lost, which only a new process can use again.'),
    DeclareLaunchArgument(
        'bag', default_value='', description='rosbag2 to play, with its time as the clock.'),
]


def overrides(given: Mapping[str, str]) -> dict[str, Any]:
    """Parameters that were given as arguments; they win over params_file."""
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
    """Node, and the player of the bag if one is given.

    :raises LaunchArgumentError: for an argument that cannot be used; nothing is started then.
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
    """``ros2 bag play`` of a bag; a player that fails ends the launch with an error."""
    player = ExecuteProcess(cmd=['ros2', 'bag', 'play', '--clock', '100', bag], output='screen')

    def ended(event: ProcessExited, context: LaunchContext) -> None:
        if event.returncode and not context.is_shutdown:
            # launch logs an exception as an error, ends every process and exits with 1
            raise RuntimeError(f'bag:={bag} cannot be played: ros2 bag play ended with exit code '
                               f'{event.returncode}; its own lines above say why')

    return [RegisterEventHandler(OnProcessExit(target_action=player, on_exit=ended)), player]


def node_actions(respawn: bool, options: dict[str, Any]) -> list[LaunchDescriptionEntity]:
    """A node, and what starts it again where it died; Node's own respawn knows no exit codes."""
    node = Node(**options)

    def ended(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        if event.returncode in STAYS_DOWN or context.is_shutdown:
            return []
        return [TimerAction(period=2.0, actions=node_actions(respawn, options))]

    watch = RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))
    return [watch, node] if respawn else [node]


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS profile for large images where the user has set none, and the node."""
    theirs = any(name in os.environ for name in (*PROFILE, 'FASTDDS_BUILTIN_TRANSPORTS'))
    profile = str(SHARE / 'config' / 'fastdds.xml')
    environment = [] if theirs else [SetEnvironmentVariable(name, profile) for name in PROFILE]
    return LaunchDescription([*ARGUMENTS, *environment, OpaqueFunction(function=actions)])
