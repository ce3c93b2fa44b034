# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Requests of strangers: every one is answered, and none ends the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter

from .tally import clipped, Tally

QUEUED = 10
"""Requests a service of ROS 2 keeps while nobody takes them."""

PRIMARY = (State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_INACTIVE,
           State.PRIMARY_STATE_ACTIVE, State.PRIMARY_STATE_FINALIZED)

TYPES = {kind.value for kind in Parameter.Type}

Handler = Callable[[Any, Any], Any]
"""A service's callback: takes request and response, returns the response."""


def guard_services(node: Node, errors: Tally) -> None:
    """Make every service the node has answer every request.

    rclpy lets an exception of a service's callback out of the executor, and the client gets no
    answer. Here the client gets an answer that says no, and the exception is counted.

    :param errors: where exceptions are counted that no check here expects.
    """
    for service in node.services:
        handle = service.callback
        if service.srv_type is ChangeState:
            handle = _valid_transitions(node, handle)
        elif service.srv_type is SetParameters:
            handle = _each_parameter(handle, errors)
        elif service.srv_type is SetParametersAtomically:
            handle = _all_parameters(handle, errors)
        service.callback = _always_answered(handle, errors, service.srv_name)


def answer_requests(node: Node, errors: Tally) -> None:
    """Answer the requests that wait; for work that keeps the executor's thread for minutes.

    To be called in that thread, every now and then.
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
            errors.caught(f'service {service.srv_name}', error)


def _always_answered(handle: Handler, errors: Tally, name: str) -> Handler:
    def answer(request: Any, response: Any) -> Any:
        try:
            return handle(request, response)
        except Exception as error:
            errors.caught(f'service {name}', error)
            return type(response)()  # the first one may be half filled
    return answer


def _valid_transitions(node: Any, handle: Handler) -> Handler:
    """Refuse transitions the present state does not have, by which rclpy raises (issue #1209).

    As in rclcpp, a label counts more than the id beside it: ``ros2 service call`` sends id 0
    where only a label was given.
    """
    def answer(request: Any, response: Any) -> Any:
        machine, wanted = node._state_machine, request.transition
        state, label = machine.current_state
        # while a transition runs, the state machine would take its outcome from a stranger, too
        known = machine.available_transitions if state in PRIMARY else []
        if any(wanted.label == own[1] if wanted.label else wanted.id == own[0] for own in known):
            return handle(request, response)
        asked = repr(clipped(wanted.label)) if wanted.label else f'id {wanted.id}'
        valid = ', '.join(f'{own[1]} (id {own[0]})' for own in known) or 'none'
        node.get_logger().warning(
            f'change_state: there is no transition {asked} in state {label}; valid: {valid}',
            throttle_duration_sec=1.0)
        response.success = False
        return response
    return answer


def _each_parameter(handle: Handler, errors: Tally) -> Handler:
    """Set parameters one by one, so that a broken one does not keep the others from it."""
    def answer(request: Any, response: Any) -> Any:
        for parameter in request.parameters:
            def one(parameter: Any = parameter) -> SetParametersResult:
                (result,) = handle(SetParameters.Request(parameters=[parameter]),
                                   SetParameters.Response()).results
                return result
            response.results.append(_result([parameter], one, errors))
        return response
    return answer


def _all_parameters(handle: Handler, errors: Tally) -> Handler:
    def answer(request: Any, response: Any) -> Any:
        response.result = _result(
            request.parameters, lambda: handle(request, response).result, errors)
        return response
    return answer


def _result(parameters: list[Any], set_them: Callable[[], SetParametersResult],
            errors: Tally) -> SetParametersResult:
    """Set parameters; a refusal with the reason where they cannot be."""
    for parameter in parameters:
        if parameter.value.type not in TYPES:
            return SetParametersResult(successful=False, reason=(
                f'{clipped(parameter.name)}: value.type is {parameter.value.type}; expected '
                f'{min(TYPES)} to {max(TYPES)}, see rcl_interfaces/msg/ParameterType'))
    try:
        result = set_them()
    except Exception as error:
        errors.caught('setting a parameter', error)
        return SetParametersResult(
            successful=False, reason=clipped(f'{type(error).__name__}: {error}'))
    result.reason = clipped(result.reason)
    return result
