# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Declares parameters on a node, and checks every value of these parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from ...untrusted.terminal_text import did_you_mean
from ..process.value_misfit import find_misfit
from .setting import find_refusal, Setting


def declare(node: Node, settings: Iterable[Setting],
            configured: Callable[[], bool] = lambda: False,
            refuse: Callable[[str, Callable[[str], Any]], str] = lambda name, value: ''
            ) -> None:
    """Declare parameters on a node. Check each value at start-up and at each later change.

    :param configured: called at each change; returns whether the node is configured.
    :param refuse: called for each later change that ``settings`` allow. Its first argument is the
        name of the parameter. Its second argument is a function that returns the value of any
        parameter after the change. ``refuse`` returns why the node cannot use the change; empty if
        the node can use the change.
    :raises rclpy.exceptions.ParameterException: if a start-up value is refused. The message has
        the reason.
    """
    full_name = node.get_fully_qualified_name()
    by_name = {setting.name: setting for setting in settings}

    def check(changes: list[Parameter]) -> SetParametersResult:
        # rclpy has already checked types and ranges, and refused to change read-only parameters
        new = {change.name: change.value for change in changes}

        def value(name: str) -> Any:
            found = new[name] if name in new else node.get_parameter(name).value
            return list(found or []) if isinstance(by_name[name].default, tuple) else found

        configured_name = full_name if configured() else ''
        for change in changes:
            setting = by_name.get(change.name)
            if setting and (reason := _refuse_deletion(node, change)
                            or find_refusal(setting, change.value, configured_name)
                            or (node.has_parameter(change.name) and refuse(change.name, value))):
                return SetParametersResult(successful=False, reason=f'{change.name}: {reason}')
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
    for setting in by_name.values():
        _declare_one(node, setting)
    _warn_of_unknown_names(node, [*by_name, 'use_sim_time'])


def _declare_one(node: Node, setting: Setting) -> None:
    default, descriptor = setting.default, setting.descriptor()
    if isinstance(default, tuple):
        _read_null_as_empty(node, setting.name)
    given = node._parameter_overrides.get(setting.name)  # a start-up value
    if given and (reason := find_misfit(descriptor, given.get_parameter_value())
                  or find_refusal(setting, given.value)):
        raise ParameterException(setting.name, reason)  # rclpy joins both texts with a colon
    node.declare_parameter(
        setting.name, list(default) if isinstance(default, tuple) else default, descriptor)


def _read_null_as_empty(node: Node, name: str) -> None:
    """Replace the start-up value ``null`` of a list by an empty list.

    ``ros2 param dump`` writes null for an empty list, and ROS reads null as the string 'null'.
    """
    given = node._parameter_overrides  # rclpy has no public access to the start-up values
    if name in given and given[name].value == 'null':
        given[name] = Parameter(name, Parameter.Type.NOT_SET)


def _warn_of_unknown_names(node: Node, known: list[str]) -> None:
    """Warn of start-up values for parameters that the node does not have. rclpy does not warn."""
    for name in node._parameter_overrides:
        # The parameters qos_overrides.* are declared later, together with their topics.
        if not node.has_parameter(name) and not name.startswith('qos_overrides.'):
            node.get_logger().warning(
                f'parameter {name!r} is ignored, because this node has no parameter of this name'
                f'{did_you_mean(name, known)}')


def _refuse_deletion(node: Node, change: Parameter) -> str:
    """Return why a parameter cannot be deleted; empty if the change deletes no parameter."""
    # A request to delete a parameter has the type NOT_SET. rclpy allows such a request for lists,
    # because lists have a dynamic type here. An empty list in a YAML file has the type NOT_SET
    # too, but is not refused: the node reads the file before it declares the parameter.
    deletes = change.type_ == Parameter.Type.NOT_SET and node.has_parameter(change.name)
    return 'this parameter cannot be deleted. For the default, set it to []' if deletes else ''
