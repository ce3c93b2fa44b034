# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Launch arguments that are refused, and the messages. These tests need no ROS launch."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

from trt_segmentation.errors import LaunchArgumentError
from trt_segmentation.ros.launch_arguments import (
    camera_names,
    check_node_arguments,
    check_street_camera_arguments,
)

ROOT = Path(__file__).parents[2]
DEFAULTS = {'image': 'image', 'cameras': '', 'model': '', 'gpu': '', 'namespace': '', 'bag': '',
            'params_file': str(ROOT / 'config' / 'seg.yaml'), 'seed': '1', 'fps': '15.0'}


def refused(**given: str) -> str:
    """Return the message with which arguments of seg.launch.py or demo.launch.py are refused."""
    with pytest.raises(LaunchArgumentError) as caught:
        check_node_arguments({**DEFAULTS, **given})
        check_street_camera_arguments({**DEFAULTS, **given})
    return str(caught.value)


def test_the_defaults_are_accepted() -> None:
    check_node_arguments(DEFAULTS)
    check_street_camera_arguments(DEFAULTS)


@pytest.mark.parametrize(('name', 'value', 'expected'), [
    ('gpu', 'abc', 'expected an integer from 0 to 63'),
    ('gpu', '-1', 'expected an integer from 0 to 63'),
    ('gpu', '64', 'expected an integer from 0 to 63'),
    ('gpu', '0.5', 'expected an integer from 0 to 63'),
    ('cameras', 'fr%nt', "its item 'fr%nt' is not a topic name such as front or front/left"),
    ('cameras', 'left,/front', "its item '/front' is not a topic name"),
    ('cameras', 'left, left', 'each camera needs its own name, but'),
    ('image', 'bad//name', "must not contain repeated '/'; expected a topic name such as"),
    ('image', 'my image', 'characters other than alphanumerics'),
    ('image', '/camera/', 'must not end with a forward slash'),
    ('image', '{camera}/image', 'unknown substitution: {camera}; expected a topic name'),
    ('image', '', 'must not be empty string'),
    ('namespace', 'bad//name', "must not contain repeated '/'; expected a namespace such as"),
    ('namespace', '2nd', 'must not have a token that starts with a number; expected a name'),
    ('namespace', 'front/', "must not end with a '/'"),
    ('model', 'streets', "no model card 'streets', did you mean 'street'?"),
    ('model', 'no/model.yaml', 'the model card no/model.yaml does not exist in /'),
    ('params_file', 'no/params.yaml', 'there is no such file; expected a YAML file of parameters'),
    ('params_file', '', 'it is not a file; expected a YAML file of parameters'),
    ('params_file', '/', 'it is not a file; expected a YAML file of parameters'),
    ('bag', 'no/bag', 'there is no such file or folder; expected the folder of a rosbag2'),
    ('seed', 'abc', 'expected an integer from 0 to 2147483647'),
    ('seed', '-1', 'expected an integer from 0 to 2147483647'),
    ('fps', 'fast', 'expected a number from 0.1 to 1000'),
    ('fps', '0', 'expected a number from 0.1 to 1000'),
    ('fps', 'nan', 'expected a number from 0.1 to 1000'),
])
def test_a_value_that_cannot_be_used_is_refused_by_name(
        name: str, value: str, expected: str) -> None:
    text = refused(**{name: value})
    assert text.startswith(f'{name}:={value} is refused: ')
    assert expected in text and '\n' not in text and '.c:' not in text


@pytest.mark.parametrize('given', [
    {'gpu': '0'}, {'gpu': '63'}, {'image': '/camera/image_raw'}, {'image': '~/image'},
    {'cameras': 'front, left/up', 'image': 'image_raw'}, {'cameras': ' , '},
    {'namespace': 'front'}, {'namespace': '/robot/front'}, {'namespace': '/'},
    {'model': 'street'}, {'model': str(ROOT / 'config' / 'models' / 'street.yaml')},
    {'bag': str(ROOT)}, {'seed': '2147483647'}, {'fps': '1000'}])
def test_a_value_that_can_be_used_is_accepted(given: dict[str, str]) -> None:
    check_node_arguments({**DEFAULTS, **given})
    check_street_camera_arguments({**DEFAULTS, **given})


@pytest.mark.parametrize('image', ['/camera/image_raw', '~/image'])
def test_with_cameras_the_image_name_is_under_each_camera(image: str) -> None:
    assert f'image:={image} is refused' in refused(cameras='front', image=image)


def test_every_camera_of_the_demo_has_a_seed_in_range() -> None:
    assert 'from 0 to 2147483645' in refused(cameras='a,b,c', seed='2147483646')


@pytest.mark.parametrize(('text', 'expected'), [
    ('a: [', 'it cannot be read as YAML'), ('a: 2026-13-41', 'it cannot be read as YAML'),
    ('', 'it holds no parameters'), ('- a', 'it holds no parameters')])
def test_a_parameter_file_that_holds_no_parameters_is_refused(
        tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / 'params.yaml'
    path.write_text(text, 'utf-8')
    assert expected in refused(params_file=str(path))


def test_a_card_without_its_network_is_refused(tmp_path: Path) -> None:
    card = tmp_path / 'mine.yaml'
    card.write_text('model: absent.onnx\nclasses: [a, b]\n', 'utf-8')
    assert f'names the file {tmp_path / "absent.onnx"}, which does not exist' in refused(
        model=str(card))
    card.write_text('model: absent.onnx\nclasses: []\n', 'utf-8')
    assert 'classes: give a list of class names' in refused(model=str(card))


def test_commas_separate_camera_names() -> None:
    assert camera_names(' front,, left/up ') == ['front', 'left/up']
    assert camera_names('') == camera_names(', ') == []
