# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Lets a node delay its answer to a request that sets parameters. The executor runs meanwhile.

In rclpy, a service's callback returns the response, so the executor waits for the callback. If the
callback is a coroutine, the executor does not wait, but calls the coroutine again and again, which
keeps a core busy. So this module replaces the callback and the method that sends responses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node


class LateAnswer:
    """A request that sets parameters and has no answer yet.

    Use this object only in the executor's thread.

    :param handle: sets the parameters, and returns the response.
    :param send: sends a response. Its second argument is the header of the request.
    """

    def __init__(self, request: Any, handle: Callable[[], Any],
                 send: Callable[[Any, Any], None]) -> None:
        self.parameters = list(request.parameters)
        """The parameters of the request, as rcl_interfaces/Parameter."""
        self.header: Any = None
        """Header of the request. None until the callback of the service has returned."""
        self._handle = handle
        self._send = send

    def set_parameters(self, name: str) -> tuple[Any, bool]:
        """Set the parameters of the request.

        :returns: the response, and whether the parameter with the given name was set.
        """
        response = self._handle()
        if isinstance(response, SetParametersAtomically.Response):
            return response, response.result.successful
        return response, any(result.successful for parameter, result in
                             zip(self.parameters, response.results) if parameter.name == name)

    def send(self, response: Any) -> None:
        """Send the response. Call this once."""
        self._send(response, self.header)


def answer_later(node: Node, must_wait: Callable[[LateAnswer], bool]) -> None:
    """Call a function for each request that sets parameters. The function can delay the answer.

    :param must_wait: called with each request. If this function returns False, the node answers at
        once. If it returns True, it must keep the request. The code that keeps
        the request must call :meth:`LateAnswer.send` later, after ``must_wait`` has returned.
    """
    for service in node.services:
        if service.srv_type in (SetParameters, SetParametersAtomically):
            _delay_answers(service, must_wait)


def _delay_answers(service: Any, must_wait: Callable[[LateAnswer], bool]) -> None:
    handle, send = service.callback, service.send_response

    def answer(request: Any, response: Any) -> Any:
        late = LateAnswer(request, lambda: handle(request, service.srv_type.Response()), send)
        return late if must_wait(late) else handle(request, response)

    def send_or_keep(response: Any, header: Any) -> None:
        if isinstance(response, LateAnswer):
            response.header = header
        else:
            send(response, header)

    service.callback, service.send_response = answer, send_or_keep
