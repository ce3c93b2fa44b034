# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Says why the type or the range of a parameter does not allow a value.

rclpy also refuses such a value, but its reason is hard to read.
"""

from __future__ import annotations

from rcl_interfaces.msg import ParameterDescriptor, ParameterType, ParameterValue
from rclpy.parameter import Parameter

NUMBERS = (ParameterType.PARAMETER_INTEGER, ParameterType.PARAMETER_DOUBLE)


def find_misfit(descriptor: ParameterDescriptor, value: ParameterValue) -> str:
    """Return why a parameter cannot have a value. Empty if type and range allow the value."""
    kind, expected = value.type, descriptor.type
    if descriptor.dynamic_typing or kind == ParameterType.PARAMETER_NOT_SET:
        return ''
    number = _read_number(value)
    if number is not None:
        for span in (*descriptor.integer_range, *descriptor.floating_point_range):
            if not span.from_value <= number <= span.to_value:
                return (f'the value is {number}; expected {_name_type(expected)} from '
                        f'{span.from_value:.10g} to {span.to_value:.10g}')
    if kind == expected:
        return ''
    advice = ''
    if (kind, expected) == NUMBERS:
        advice = f'. Write {number}.0'
    elif (expected, kind) == NUMBERS and value.double_value.is_integer():
        advice = f'. Write {number:.0f}'
    return f'the value is {_name_type(kind)}; expected {_name_type(expected)}{advice}'


def _read_number(value: ParameterValue) -> int | float | None:
    if value.type == ParameterType.PARAMETER_INTEGER:
        return int(value.integer_value)
    return float(value.double_value) if value.type == ParameterType.PARAMETER_DOUBLE else None


def _name_type(kind: int) -> str:
    name = Parameter.Type(kind).name.lower().replace('_', ' ')
    return f'{"an" if name[0] in "aeiou" else "a"} {name}'
