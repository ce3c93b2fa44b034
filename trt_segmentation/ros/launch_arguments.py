# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the arguments of the launch files before they start any process.

Arguments with a fixed list of values are not here: ``choices`` in the launch file checks them.
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
from . import parameters, street_camera
from .parameters import refusal, Setting


def camera_names(cameras: str) -> list[str]:
    """Names of the argument ``cameras``, which commas separate; empty parts are left out."""
    return [name for text in cameras.split(',') if (name := text.strip())]


def check_node_arguments(given: Mapping[str, str]) -> None:
    """Check the arguments of seg.launch.py; an empty one was not given.

    :param given: text by argument name.
    :raises LaunchArgumentError: for the first one that cannot be used.
    """
    names = camera_names(given['cameras'])
    reasons = {
        'cameras': refusal(_setting(parameters.SETTINGS, 'cameras'), names),
        'image': _bad_image(given['image'], names),
        'namespace': given['namespace'] and _bad_namespace(given['namespace']),
        'gpu': given['gpu'] and _bad_number(_setting(parameters.SETTINGS, 'gpu'), given['gpu']),
        'model': given['model'] and _bad_model(given['model']),
        'params_file': _bad_parameter_file(Path(given['params_file'])),
        'bag': given['bag'] and _bad_bag(Path(given['bag'])),
    }
    _raise_first(reasons, given)


def check_street_camera_arguments(given: Mapping[str, str]) -> None:
    """Check the arguments of demo.launch.py that seg.launch.py does not have.

    :param given: text by argument name.
    :raises LaunchArgumentError: for the first one that cannot be used.
    """
    settings = street_camera.SETTINGS
    others = len(camera_names(given['cameras'])[1:])
    _raise_first({
        'fps': _bad_number(_setting(settings, 'fps'), given['fps']),
        # each further camera drives the street of the next seed
        'seed': _bad_number(_setting(settings, 'seed'), given['seed'], others),
    }, given)


def _raise_first(reasons: Mapping[str, str], given: Mapping[str, str]) -> None:
    for name, reason in reasons.items():
        if reason:
            raise LaunchArgumentError(name, given[name], reason)


def _setting(settings: tuple[Setting, ...], name: str) -> Setting:
    (found,) = (setting for setting in settings if setting.name == name)
    return found


def _bad_number(setting: Setting, text: str, reserve: int = 0) -> str:
    """Why a text is not a number in a setting's range, or ''.

    :param reserve: how much less than the setting's largest value the number has to be.
    """
    whole = isinstance(setting.default, int)
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = math.nan
    high = setting.high - reserve
    if setting.low <= number <= high:
        return ''
    kind = 'a whole number' if whole else 'a number'
    return f'expected {kind} from {setting.low:.10g} to {high:.10g}'


def _bad_image(image: str, cameras: list[str]) -> str:
    if cameras and image.startswith('/'):
        return ('with cameras the image is the part of the topic after the name of each camera; '
                'expected a name such as image_raw')
    try:
        name = f'{cameras[0]}/{image}' if cameras else image
        validate_full_topic_name(expand_topic_name(name, 'trt_segmentation', '/'))
    except (NameValidationException, ValueError) as error:
        return f'{_first_line(error)}; expected a topic name such as /camera/image_raw'
    return ''


def _bad_namespace(namespace: str) -> str:
    try:
        # launch_ros puts the slash before a namespace that has none
        validate_namespace(namespace if namespace.startswith('/') else f'/{namespace}')
    except NameValidationException as error:
        return f'{_first_line(error)}; expected a namespace such as front or /robot/front'
    return ''


def _first_line(error: Exception) -> str:
    """What ROS says of a name, without the picture of it and the line of its C source."""
    return str(error).splitlines()[0].partition(', at /')[0].rstrip(':')


def _bad_model(model: str) -> str:
    try:
        card = load_card(model)
    except ModelCardError as error:
        return str(error)
    if not card.model.is_file():
        return f'{card.source}: there is no file {card.model}, which its key model names'
    return ''


def _bad_parameter_file(path: Path) -> str:
    expected = 'expected a YAML file of parameters, such as the config/seg.yaml of this package'
    if not path.is_file():
        return f'{"it is not a file" if path.exists() else "there is no such file"}; {expected}'
    try:
        tree = yaml.safe_load(path.read_bytes())
    # PyYAML lets through what int() and datetime() raise
    except (OSError, ValueError, yaml.YAMLError) as error:
        return f'it cannot be read as YAML: {error}; {expected}'
    return '' if isinstance(tree, dict) else f'it holds no parameters; {expected}'


def _bad_bag(path: Path) -> str:
    return '' if path.exists() else (
        'there is no such file or folder; expected the folder of a rosbag2, or its .mcap or .db3 '
        'file')
