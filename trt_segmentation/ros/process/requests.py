# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Replies to every service request of other processes. No request can end this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter

from .mishap_counter import clip, MishapCounter

QUEUED = 10
"""Largest number of requests that a ROS 2 service keeps for the node."""

PRIMARY = (State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_INACTIVE,
           State.PRIMARY_STATE_ACTIVE, State.PRIMARY_STATE_FINALIZED)

TYPES = {kind.value for kind in Parameter.Type}

Handler = Callable[[Any, Any], Any]
"""The callback of a service. It gets the request and the response, and returns the response."""


def guard_services(node: Node, errors: MishapCounter) -> None:
    """Make every service of the node reply to every request.

    In rclpy, an exception of a service's callback leaves the executor, and the client gets no
    reply. With this guard the client gets a reply that means no, and the exception is counted.

    :param errors: counts the unexpected exceptions.
    """
    for service in node.services:
        handle = service.callback
        if service.srv_type is ChangeState:
            handle = _check_transition(node, handle)
        elif service.srv_type is SetParameters:
            handle = _set_each_parameter(handle, errors)
        elif service.srv_type is SetParametersAtomically:
            handle = _set_all_parameters(handle, errors)
        service.callback = _answer_always(handle, errors, service.srv_name)


def answer_requests(node: Node, errors: MishapCounter) -> None:
    """Reply to the requests that wait.

    Work that occupies the executor's thread for minutes must call this again and again in that
    thread.
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
    """Return a handler that gives a reply even if the callback raises."""
    def answer(request: Any, response: Any) -> Any:
        try:
            return handle(request, response)
        except Exception as error:
            errors.add_exception(f'service {name}', error)
            return type(response)()  # the given response may be incomplete
    return answer


def _check_transition(node: Any, handle: Handler) -> Handler:
    """Return a handler that refuses transitions that the present state does not have.

    rclpy raises an exception for such a transition (issue #1209). As in rclcpp, a label has
    priority over the id: ``ros2 service call`` sends id 0 if only a label was given.
    """
    def answer(request: Any, response: Any) -> Any:
        machine, wanted = node._state_machine, request.transition
        state, label = machine.current_state
        # a transition during another transition would change the end of the other transition
        known = machine.available_transitions if state in PRIMARY else []
        if any(wanted.label == own[1] if wanted.label else wanted.id == own[0] for own in known):
            return handle(request, response)
        asked = repr(clip(wanted.label)) if wanted.label else f'id {wanted.id}'
        valid = ', '.join(f'{own[1]} (id {own[0]})' for own in known) or 'none'
        node.get_logger().warning(
            f'change_state: there is no transition {asked} in state {label}; valid: {valid}',
            throttle_duration_sec=1.0)
        response.success = False
        return response
    return answer


def _set_each_parameter(handle: Handler, errors: MishapCounter) -> Handler:
    """Return a handler that sets each parameter, even if another parameter is broken."""
    def answer(request: Any, response: Any) -> Any:
        for parameter in request.parameters:
            def set_one(parameter: Any = parameter) -> SetParametersResult:
                (result,) = handle(SetParameters.Request(parameters=[parameter]),
                                   SetParameters.Response()).results
                return result
            response.results.append(_try_to_set([parameter], set_one, errors))
        return response
    return answer


def _set_all_parameters(handle: Handler, errors: MishapCounter) -> Handler:
    """Return a handler that sets either all parameters or none."""
    def answer(request: Any, response: Any) -> Any:
        response.result = _try_to_set(
            request.parameters, lambda: handle(request, response).result, errors)
        return response
    return answer


def _try_to_set(parameters: list[Any], set_them: Callable[[], SetParametersResult],
                errors: MishapCounter) -> SetParametersResult:
    """Set parameters, or return a refusal with the reason."""
    for parameter in parameters:
        if parameter.value.type not in TYPES:
            return SetParametersResult(successful=False, reason=(
                f'{clip(parameter.name)}: value.type is {parameter.value.type}; expected '
                f'{min(TYPES)} to {max(TYPES)}, see rcl_interfaces/msg/ParameterType'))
    try:
        result = set_them()
    except Exception as error:
        errors.add_exception('setting a parameter', error)
        return SetParametersResult(
            successful=False, reason=clip(f'{type(error).__name__}: {error}'))
    result.reason = clip(result.reason)
    return result
