# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the arguments of the launch files before a process is started.

If a launch file lists the ``choices`` of an argument, ROS itself checks this argument.
"""

from __future__ import annotations

from collections.abc import Mapping
import math
from pathlib import Path

from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.validate_full_topic_name import validate_full_topic_name
from rclpy.validate_namespace import validate_namespace
import yaml

from ..errors import LaunchArgumentError, ModelCardError
from ..model.card import load_card
from . import street_camera
from .parameters.setting import find_refusal, Setting
from .parameters.table import SETTINGS


def camera_names(cameras: str) -> list[str]:
    """Return the names in the comma-separated text of the argument ``cameras``."""
    return [name for text in cameras.split(',') if (name := text.strip())]


def check_node_arguments(given: Mapping[str, str]) -> None:
    """Check the arguments of seg.launch.py.

    :param given: the text of each argument, by the argument's name. If the user did not give an
        argument, the text is the argument's default value, which may be empty.
    :raises LaunchArgumentError: if an argument cannot be used. The error names this argument.
    """
    names = camera_names(given['cameras'])
    reasons = {
        'cameras': find_refusal(_setting(SETTINGS, 'cameras'), names),
        'image': _refuse_image(given['image'], names),
        'namespace': given['namespace'] and _refuse_namespace(given['namespace']),
        'gpu': given['gpu'] and _refuse_number(_setting(SETTINGS, 'gpu'), given['gpu']),
        'model': given['model'] and _refuse_model(given['model']),
        'params_file': _refuse_parameter_file(Path(given['params_file'])),
        'bag': '' if not given['bag'] or Path(given['bag']).exists() else (
            'there is no such file or folder; expected the folder of a rosbag2 recording, or the '
            '.mcap or .db3 file of a recording'),
    }
    _raise_first(reasons, given)


def check_street_camera_arguments(given: Mapping[str, str]) -> None:
    """Check the arguments that only demo.launch.py has.

    :param given: the text of each argument, by the argument's name.
    :raises LaunchArgumentError: if an argument cannot be used. The error names this argument.
    """
    settings = street_camera.SETTINGS
    others = len(camera_names(given['cameras'])[1:])
    _raise_first({
        'fps': _refuse_number(_setting(settings, 'fps'), given['fps']),
        # Each camera after the first adds 1 to the seed. The last seed must be in range too.
        'seed': _refuse_number(_setting(settings, 'seed'), given['seed'], others),
    }, given)


def _raise_first(reasons: Mapping[str, str], given: Mapping[str, str]) -> None:
    for name, reason in reasons.items():
        if reason:
            raise LaunchArgumentError(name, given[name], reason)


def _setting(settings: tuple[Setting, ...], name: str) -> Setting:
    (found,) = (setting for setting in settings if setting.name == name)
    return found


def _refuse_number(setting: Setting, text: str, reserve: int = 0) -> str:
    """Return why a text is not a number in a setting's range. Empty if the number is in range.

    :param reserve: smallest allowed distance from the number to the setting's largest value.
    """
    whole = isinstance(setting.default, int)
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = math.nan
    high = setting.high - reserve
    if setting.low <= number <= high:
        return ''
    kind = 'an integer' if whole else 'a number'
    return f'expected {kind} from {setting.low:.10g} to {high:.10g}'


def _refuse_image(image: str, cameras: list[str]) -> str:
    if cameras and image.startswith('/'):
        return ("if `cameras` is set, give `image` without the camera's name; expected a name "
                'without a leading /, such as image_raw')
    try:
        name = f'{cameras[0]}/{image}' if cameras else image
        validate_full_topic_name(expand_topic_name(name, 'trt_segmentation', '/'))
    except (NameValidationException, ValueError) as error:
        return f'{_first_line(error)}; expected a topic name such as /camera/image_raw'
    return ''


def _refuse_namespace(namespace: str) -> str:
    try:
        # If a namespace has no leading slash, launch_ros adds the slash.
        validate_namespace(namespace if namespace.startswith('/') else f'/{namespace}')
    except NameValidationException as error:
        return f'{_first_line(error)}; expected a namespace such as front or /robot/front'
    return ''


def _first_line(error: Exception) -> str:
    """Return the first line of ROS's message, without the C source path that ROS appends."""
    return str(error).splitlines()[0].partition(', at /')[0].rstrip(':')


def _refuse_model(model: str) -> str:
    try:
        card = load_card(model)
    except ModelCardError as error:
        return str(error)
    if not card.model.is_file():
        return (f'the key `model` of {card.source} names the file {card.model}, which does not '
                'exist')
    return ''


def _refuse_parameter_file(path: Path) -> str:
    expected = 'expected a YAML file of parameters, such as config/seg.yaml of trt_segmentation'
    if not path.is_file():
        return f'{"it is not a file" if path.exists() else "there is no such file"}; {expected}'
    try:
        tree = yaml.safe_load(path.read_bytes())
    # PyYAML does not catch a ValueError of int() or datetime().
    except (OSError, ValueError, yaml.YAMLError) as error:
        return f'it cannot be read as YAML: {error}; {expected}'
    return '' if isinstance(tree, dict) else f'it holds no parameters; {expected}'
