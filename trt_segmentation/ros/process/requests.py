# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a node reply to every service request, so that no request can end the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter

from ...untrusted.terminal_text import did_you_mean
from .mishap_counter import clip, MishapCounter
from .value_misfit import find_misfit

QUEUED = 10
"""One call of :func:`answer_requests` replies to at most this many requests of each service."""

PRIMARY = (State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_INACTIVE,
           State.PRIMARY_STATE_ACTIVE, State.PRIMARY_STATE_FINALIZED)

TYPES = {kind.value for kind in Parameter.Type}

Handler = Callable[[Any, Any], Any]
"""The callback of a service. The callback gets a request and an empty response, and
returns a response."""


def guard_services(node: Node, errors: MishapCounter) -> None:
    """Make every service of the node reply to every request.

    Without this guard, if a service's callback raises an exception, rclpy sends no reply, and the
    executor raises the exception. With this guard, the client gets a refusal with the reason, or
    a response with default values such as ``success=False``.

    :param errors: counts the exceptions.
    """
    for service in node.services:
        handle = service.callback
        if service.srv_type is ChangeState:
            handle = _check_transition(node, handle)
        elif service.srv_type is SetParameters:
            handle = _set_each_parameter(node, handle, errors)
        elif service.srv_type is SetParametersAtomically:
            handle = _set_all_parameters(node, handle, errors)
        service.callback = _answer_always(handle, errors, service.srv_name)


def answer_requests(node: Node, errors: MishapCounter) -> None:
    """Reply to the waiting requests of every service. Call this in the executor's thread.

    During a callback, the executor replies to no request. So a callback that takes seconds must
    call this function again and again.
    """
    for service in node.services:
        try:
            for _ in range(QUEUED):
                with service.handle:
                    request, header = service.handle.service_take_request(
                        service.srv_type.Request)
                if header is None:
                    break
                service.send_response(
                    service.callback(request, service.srv_type.Response()), header)
        except Exception as error:
            errors.add_exception(f'service {service.srv_name}', error)


def _answer_always(handle: Handler, errors: MishapCounter, name: str) -> Handler:
    def answer(request: Any, response: Any) -> Any:
        try:
            return handle(request, response)
        except Exception as error:
            errors.add_exception(f'service {name}', error)
            return type(response)()  # a new response, because the given one may be incomplete
    return answer


def _check_transition(node: Any, handle: Handler) -> Handler:
    """Return a handler that refuses impossible transitions, for which rclpy raises an exception.

    See ros2/rclpy issue #1209. If a request has a label, the id is ignored, as in rclcpp, because
    ``ros2 service call`` sends id 0 if the user gives only a label.
    """
    def answer(request: Any, response: Any) -> Any:
        machine, wanted = node._state_machine, request.transition
        state, label = machine.current_state
        # While a transition runs, every requested transition is refused.
        known = machine.available_transitions if state in PRIMARY else []
        if any(wanted.label == own[1] if wanted.label else wanted.id == own[0] for own in known):
            return handle(request, response)
        asked = repr(clip(wanted.label)) if wanted.label else f'id {wanted.id}'
        valid = ', '.join(f'{own[1]} (id {own[0]})' for own in known) or 'none'
        node.get_logger().warning(
            f'change_state: there is no transition {asked} in state {label}; expected one of: '
            f'{valid}', throttle_duration_sec=1.0)
        response.success = False
        return response
    return answer


def _set_each_parameter(node: Node, handle: Handler, errors: MishapCounter) -> Handler:
    """Return a handler that sets each parameter, even if another parameter is refused."""
    def answer(request: Any, response: Any) -> Any:
        for parameter in request.parameters:
            def set_one(parameter: Any = parameter) -> SetParametersResult:
                (result,) = handle(SetParameters.Request(parameters=[parameter]),
                                   SetParameters.Response()).results
                return result
            response.results.append(_try_to_set(node, [parameter], set_one, errors))
        return response
    return answer


def _set_all_parameters(node: Node, handle: Handler, errors: MishapCounter) -> Handler:
    """Return a handler that sets either all parameters or none."""
    def answer(request: Any, response: Any) -> Any:
        response.result = _try_to_set(
            node, request.parameters, lambda: handle(request, response).result, errors)
        return response
    return answer


def _try_to_set(node: Node, parameters: list[Any], set_them: Callable[[], SetParametersResult],
                errors: MishapCounter) -> SetParametersResult:
    """Call ``set_them``. If a parameter cannot be set, return a refusal with the reason."""
    for parameter in parameters:
        if reason := _find_problem(node, parameter):
            return SetParametersResult(successful=False, reason=clip(reason))
    try:
        result = set_them()
    except Exception as error:
        errors.add_exception('setting a parameter', error)
        return SetParametersResult(
            successful=False, reason=clip(f'{type(error).__name__}: {error}'))
    result.reason = clip(result.reason)
    return result


def _find_problem(node: Node, parameter: Any) -> str:
    """Return what is wrong with a parameter's name or value. Empty if nothing is wrong."""
    name, kind = parameter.name, parameter.value.type
    if not name:
        return 'a parameter has an empty name; `ros2 param list` shows the names'
    if kind not in TYPES:
        return (f'{name}: value.type is {kind}; expected {min(TYPES)} to {max(TYPES)}, as in '
                'rcl_interfaces/msg/ParameterType')
    if not node.has_parameter(name):
        known = node.list_parameters([], 0).names
        return f'this node has no parameter {name!r}{did_you_mean(name, known)}'
    reason = find_misfit(node.describe_parameter(name), parameter.value)
    return f'{name}: {reason}' if reason else ''
