# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Describes one parameter of a node, and checks its values."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
import re
from typing import Any

from rcl_interfaces import msg

from ...untrusted.terminal_text import did_you_mean

LIVE = 'takes effect at once'
UNCONFIGURED = 'can change only while the node is unconfigured'
EXCHANGED = 'can change only while the node is unconfigured or active'
NEVER = 'can be set only at start-up'

LONGEST_TEXT = 4096
"""Largest number of characters in a string. Linux does not allow a longer path."""


@dataclass(frozen=True)
class Setting:
    """One parameter of a node.

    :param change: when the parameter may change: :data:`LIVE`, :data:`EXCHANGED`,
        :data:`UNCONFIGURED` or :data:`NEVER`.
    :param low: smallest value of a number. ``high`` is the largest value.
    :param choices: the allowed values of a string. Empty if every string is allowed.
    :param pattern: regular expression for a string or for each item of a list, and a description
        of a text that matches.
    :param most: largest number of items in a list.
    :param group: 0 for a list of strings. For a list of integers, the number of items must be a
        multiple of ``group``.
    """

    name: str
    default: bool | int | float | str | tuple[str, ...]
    description: str
    change: str = LIVE
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    pattern: tuple[str, str] = ('', '')
    most: int = 0
    group: int = 0

    @property
    def constraints(self) -> str:
        """The choices, the largest number of items, and when the value may change, in words."""
        return ((f'one of {", ".join(self.choices)}; ' if self.choices else '')
                + (f'at most {self.most} items; ' if self.most else '') + self.change)

    @property
    def span(self) -> str:
        """The range of a number in words. Empty if the parameter is not a number."""
        number = isinstance(self.default, (int, float)) and not isinstance(self.default, bool)
        return f'{self.low:g} to {self.high:g}' if number else ''

    @property
    def yaml(self) -> str:
        """The default value in YAML."""
        if isinstance(self.default, tuple):
            return '[' + ', '.join(self.default) + ']'
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return str(self.default) or "''"

    def descriptor(self) -> msg.ParameterDescriptor:
        """Return the descriptor for ROS tools. rclpy refuses numbers outside their range."""
        types, kind = msg.ParameterType, type(self.default)
        kinds = {bool: types.PARAMETER_BOOL, int: types.PARAMETER_INTEGER,
                 float: types.PARAMETER_DOUBLE, str: types.PARAMETER_STRING,
                 tuple: (types.PARAMETER_INTEGER_ARRAY if self.group
                         else types.PARAMETER_STRING_ARRAY)}
        descriptor = msg.ParameterDescriptor(
            name=self.name, type=kinds[kind], description=self.description,
            additional_constraints=self.constraints, read_only=self.change == NEVER,
            # An empty list in a YAML file has no type, so rclpy must not check the type.
            dynamic_typing=kind is tuple)
        if kind is float:
            descriptor.floating_point_range = [
                msg.FloatingPointRange(from_value=self.low, to_value=self.high)]
        elif kind is int:
            descriptor.integer_range = [
                msg.IntegerRange(from_value=int(self.low), to_value=int(self.high))]
        return descriptor


def find_refusal(setting: Setting, value: Any, configured: str = '') -> str:
    """Return why a parameter cannot have a value. Empty if the value is accepted.

    This function does not check the types and ranges of numbers. :func:`.find_misfit` does so.

    :param configured: full name of the node if the node is configured. Otherwise empty.
    """
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f'it has {len(value)} characters; expected at most {LONGEST_TEXT}'
    if setting.choices and value not in setting.choices:
        return (f'{value!r} is not known{did_you_mean(str(value), setting.choices) or ";"} '
                f'expected one of {", ".join(setting.choices)}')
    if isinstance(setting.default, tuple) and (reason := _refuse_list(setting, value)):
        return reason
    if isinstance(setting.default, str) and setting.pattern[0] and not re.fullmatch(
            setting.pattern[0], str(value)):
        return f'{value!r} is not {setting.pattern[1]}'
    if setting.change == UNCONFIGURED and configured:
        return (f'{setting.change}; deactivate and clean up the node first: ros2 lifecycle set '
                f'{configured} deactivate, then ros2 lifecycle set {configured} cleanup. Or start '
                'the node again with the new value')
    return ''


def _refuse_list(setting: Setting, value: Any) -> str:
    pattern, words = setting.pattern
    items = value or []  # an empty list in a YAML file arrives as None
    kind, kinds = (int, 'integers') if setting.group else (str, 'strings')
    if not isinstance(items, (list, tuple, array)):
        return f'{value!r} is not a list; expected [] or a list of {kinds}'
    if len(items) > setting.most:
        return f'it has {len(items)} items; expected at most {setting.most}'
    for item in items:
        if type(item) is not kind or not re.fullmatch(pattern, str(item)):
            return f'its item {item!r} is not {words}'
    if setting.group and len(items) % setting.group:
        return f'it has {len(items)} numbers; expected a multiple of {setting.group}'
    if setting.name == 'roi' and 0 in (*items[2::4], *items[3::4]):
        return f'its width or height is 0 in {list(items)}; expected at least 1 pixel'
    if setting.name == 'cameras' and len(set(items)) < len(items):
        return f'each camera needs its own name, but the names are {", ".join(items)}'
    return ''
