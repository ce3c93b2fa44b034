# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A value of a wrong type or outside the range is refused, live and at start-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('rclpy')

from rclpy.exceptions import ParameterException
from rclpy.parameter import Parameter

from trt_segmentation.ros.parameters.setting import Setting
from trt_segmentation.ros.process.value_misfit import find_misfit

LENGTH = Setting('length', 1.0, '', low=0.5, high=100.0)
COUNT = Setting('count', 1, '', high=2**31 - 1)


@pytest.mark.parametrize('setting, value, reason', [
    (LENGTH, 0.5, ''), (LENGTH, 100.0, ''), (COUNT, 0, ''), (COUNT, 2**31 - 1, ''),
    (LENGTH, 0.49, 'the value is 0.49; expected a double from 0.5 to 100'),
    (LENGTH, -1.0, 'the value is -1.0; expected a double from 0.5 to 100'),
    (LENGTH, float('nan'), 'the value is nan; expected a double from 0.5 to 100'),
    (COUNT, -1, 'the value is -1; expected an integer from 0 to 2147483647'),
    (LENGTH, 1, 'the value is an integer; expected a double. Write 1.0'),
    (COUNT, 2.0, 'the value is a double; expected an integer. Write 2'),
    (COUNT, 2.5, 'the value is a double; expected an integer'),
    (COUNT, float('inf'), 'the value is inf; expected an integer from 0 to 2147483647'),
    (LENGTH, -1, 'the value is -1; expected a double from 0.5 to 100'),
    (Setting('path', '', ''), 3, 'the value is an integer; expected a string'),
    (Setting('names', (), ''), 3, '')])
def test_the_reason_names_the_right_type_or_the_range(
        setting: Setting, value: Any, reason: str) -> None:
    given = Parameter(setting.name, value=value).get_parameter_value()
    assert find_misfit(setting.descriptor(), given) == reason


@pytest.mark.parametrize('word, reason', [
    ('camera_height:=1', 'camera_height: the value is an integer; expected a double. Write 1.0'),
    ('max_age:=-1.0', 'max_age: the value is -1.0; expected a double from 0 to 3600'),
    ('gpu:=64', 'gpu: the value is 64; expected an integer from 0 to 63'),
    ('ground_frame:=""', "ground_frame: '' is not the name of a tf2 frame, such "
     'as base_footprint'),
    ('ground_frame:=/base', "ground_frame: '/base' is not the name of a tf2 frame, "
     'such as base_footprint'),
    ('roi:=[0, 0, 0, 100]', 'roi: its width or height is 0 in [0, 0, 0, 100]; expected at least 1 '
     'pixel')])
def test_a_wrong_start_up_value_is_refused(make_rig: Callable[..., Any], word: str, reason: str
                                           ) -> None:
    with pytest.raises(ParameterException) as raised:
        make_rig(start=False, cli_args=['--ros-args', '-p', word])
    assert str(raised.value) == reason
