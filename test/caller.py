# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Calls the services of the node of a rig."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_rig import NODE
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically


class Caller:
    """A client of the services of a rig's node. Each call waits for the response."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self._clients: dict[str, Any] = {}

    def begin(self, kind: Any, name: str, request: Any) -> Any:
        if name not in self._clients:
            self._clients[name] = self.rig.peer.create_client(kind, f'{NODE}/{name}')
            self.rig.until(self._clients[name].service_is_ready)
        return self._clients[name].call_async(request)

    def __call__(self, kind: Any, name: str, request: Any) -> Any:
        future = self.begin(kind, name, request)
        self.rig.until(future.done)
        return future.result()

    def change(self, id: int = 0, label: str = '') -> bool:
        request = ChangeState.Request(transition=Transition(id=id, label=label))
        return bool(self(ChangeState, 'change_state', request).success)

    def state(self) -> str:
        label = self(GetState, 'get_state', GetState.Request()).current_state.label
        assert label == self.rig.node.state
        return str(label)

    def set(self, *parameters: ParameterMessage) -> list[Any]:
        request = SetParameters.Request(parameters=list(parameters))
        return list(self(SetParameters, 'set_parameters', request).results)

    def atomically(self, *parameters: ParameterMessage) -> Any:
        request = SetParametersAtomically.Request(parameters=list(parameters))
        return self(SetParametersAtomically, 'set_parameters_atomically', request).result


def parameter(name: str, type: int, **value: Any) -> ParameterMessage:
    return ParameterMessage(name=name, value=ParameterValue(type=type, **value))


ALPHA = parameter('alpha', 3, double_value=0.25)
