# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.


"""Requests to a node's services, the broken ones too: each is answered, and the node lives."""

from __future__ import annotations

import random
import time
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import (
    ChangeState,
    GetAvailableStates,
    GetAvailableTransitions,
    GetState,
)
from node_rig import camera_image, NODE, TIMEOUT
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from sensor_msgs.msg import Image

from trt_segmentation.model_card import ModelCard
from trt_segmentation.ros.requests import guard_services
from trt_segmentation.ros.tally import LONGEST, Tally

STATES = {'unconfigured': [], 'inactive': ['configure'], 'active': ['configure', 'activate'],
          'finalized': ['shutdown']}
"""Every primary state, and the labels that lead there."""

VALID = {'unconfigured': {1: 'configure', 5: 'shutdown'},
         'inactive': {2: 'cleanup', 3: 'activate', 6: 'shutdown'},
         'active': {4: 'deactivate', 7: 'shutdown'}, 'finalized': {}}
"""Ids and labels of the transitions of each state, by the design of ROS 2."""

LABELS = ('create', 'configure', 'cleanup', 'activate', 'deactivate', 'shutdown', 'destroy',
          'transition_success', 'transition_failure', 'transition_error', 'unconfigured_shutdown',
          'Configure', 'configure ', 'con\0figure', 'é', 'x' * 10000)


class Caller:
    """Calls the services of a rig's node."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self._clients: dict[str, Any] = {}

    def begin(self, kind: Any, name: str, request: Any) -> Any:
        """Send a request; the future of its answer."""
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


@pytest.fixture
def caller(make_rig: Any) -> Caller:
    """Of a node that is unconfigured."""
    return Caller(make_rig(start=False))


def parameter(name: str, type: int, **value: Any) -> ParameterMessage:
    return ParameterMessage(name=name, value=ParameterValue(type=type, **value))


ALPHA = parameter('alpha', 3, double_value=0.25)


@pytest.mark.parametrize('state', STATES)
def test_a_transition_the_state_does_not_have_is_answered_no(caller: Caller, state: str) -> None:
    """By each id, by label, and by a label beside an id, which counts more than the id."""
    for label in STATES[state]:
        assert caller.change(label=label)
    for id in range(256):
        if id not in VALID[state]:
            assert not caller.change(id=id) and caller.rig.node.state == state
    for label in LABELS:
        if label not in VALID[state].values():
            for id in (0, *VALID[state]):
                assert not caller.change(id, label) and caller.rig.node.state == state
    assert caller.state() == state and caller.rig.node.errors.count == 0


@pytest.mark.parametrize(('state', 'id'), [
    (state, id) for state, transitions in VALID.items() for id in transitions])
def test_a_transition_the_state_has_is_made(make_rig: Any, state: str, id: int) -> None:
    """By id, by label, and by label with an id that is another one's or none at all."""
    reached = set()
    for wanted in ({'id': id}, {'label': VALID[state][id]},
                   {'id': 4 if id != 4 else 1, 'label': VALID[state][id]},
                   {'id': 255, 'label': VALID[state][id]}):
        caller = Caller(make_rig(start=False))
        for label in STATES[state]:
            assert caller.change(label=label)
        assert caller.change(**wanted)
        reached.add(caller.state())
        caller.rig.close()
    assert len(reached) == 1 and reached != {state}


@pytest.mark.parametrize('autostart', [True, False])
def test_a_manager_that_sends_ids_as_nav2s_does(make_rig: Any, autostart: bool) -> None:
    """It gives up where the first request is answered no, so it wants ``autostart: false``."""
    rig = make_rig(start=False, cli_args=['--ros-args', '-p', f'autostart:={autostart}'])
    rig.node.begin()
    caller = Caller(rig)
    brought_up = all(
        caller.change(id=id) and caller.state() == state for id, state in (
            (Transition.TRANSITION_CONFIGURE, 'inactive'),
            (Transition.TRANSITION_ACTIVATE, 'active')))
    assert brought_up is not autostart and caller.state() == 'active'
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    camera.publish(camera_image(1))
    rig.until(lambda: maps)
    for id in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP,
               Transition.TRANSITION_UNCONFIGURED_SHUTDOWN):
        assert caller.change(id=id)
    assert caller.state() == 'finalized'


def test_two_clients_that_storm_transitions_are_all_answered(make_rig: Any) -> None:
    rig = make_rig(start=False)
    callers, chosen = (Caller(rig), Caller(rig)), random.Random(5)
    counts = {True: 0, False: 0}
    for _ in range(150):
        futures = [
            caller.begin(ChangeState, 'change_state', ChangeState.Request(transition=Transition(
                id=chosen.choice([0, 1, 1, 2, 3, 3, 4, 10, 60, 99, 255]),
                label=chosen.choice(['', '', '', 'activate', 'transition_success']))))
            for caller in callers for _ in range(2)]
        rig.until(lambda futures=futures: all(future.done() for future in futures))
        for future in futures:
            counts[future.result().success] += 1
    assert counts[True] + counts[False] == 600 and min(counts.values()) > 50, counts
    assert rig.node.errors.count == 0
    while callers[0].state() != 'active':
        assert callers[0].change(label={'unconfigured': 'configure'}.get(
            rig.node.state, 'activate'))
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    camera.publish(camera_image(1))
    rig.until(lambda: maps)


def test_requests_are_answered_while_configure_is_at_work(
        caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """States and parameters can be asked for, and another transition is answered no."""
    rig, during, waiting = caller.rig, [], []
    import trt_segmentation.ros.node as module
    open_pipeline = module.open_pipeline

    def build(card: ModelCard, engine: str, **options: Any) -> Any:
        deadline = time.monotonic() + TIMEOUT
        while len(during) < len(waiting) and time.monotonic() < deadline:
            take_answers()
            time.sleep(0.01)
        return open_pipeline(card, engine, **options)

    def take_answers() -> None:  # the executor cannot: its thread is in configure
        for client in rig.peer.clients:
            with client.handle:
                header, response = client.handle.take_response(client.srv_type.Response)
            if header is not None:
                during.append(response)
                client.get_pending_request(header.request_id.sequence_number).set_result(response)

    monkeypatch.setattr(module, 'open_pipeline', build)
    caller.state()  # so that each client is known to the node
    assert not caller.change(id=3)
    caller.set(ALPHA)
    waiting += [
        caller.begin(ChangeState, 'change_state', ChangeState.Request(
            transition=Transition(id=id))) for id in (10, 1)]
    waiting += [
        caller.begin(GetState, 'get_state', GetState.Request()),
        caller.begin(SetParameters, 'set_parameters', SetParameters.Request(parameters=[ALPHA])),
        caller.begin(SetParameters, 'set_parameters', SetParameters.Request(
            parameters=[parameter('model', 4, string_value='other')]))]
    assert rig.node.trigger_configure().name == 'SUCCESS'
    transition, another, state, alpha, model = (future.result() for future in waiting)
    assert len(during) == 5
    assert not transition.success and not another.success
    assert state.current_state.label == 'configuring'
    assert alpha.results[0].successful and rig.node.value('alpha') == 0.25
    assert not model.results[0].successful
    assert 'only while the node is unconfigured' in model.results[0].reason
    assert caller.state() == 'inactive'


def test_the_other_lifecycle_services_answer_in_every_state(caller: Caller) -> None:
    for state, way in STATES.items():
        if state in ('active', 'finalized'):
            way = way[-1:]  # from the state before
        for label in way:
            assert caller.change(label=label)
        assert caller.state() == state
        states = caller(GetAvailableStates, 'get_available_states', GetAvailableStates.Request())
        assert State(id=3, label='active') in states.available_states
        graph = caller(GetAvailableTransitions, 'get_transition_graph',
                       GetAvailableTransitions.Request())
        assert len(graph.available_transitions) > 20
        now = caller(GetAvailableTransitions, 'get_available_transitions',
                     GetAvailableTransitions.Request())
        assert {one.transition.id: one.transition.label
                for one in now.available_transitions} == VALID[state]


@pytest.mark.parametrize('type', [10, 99, 255])
def test_a_parameter_of_no_type_is_refused_and_the_others_are_set(
        caller: Caller, type: int) -> None:
    broken = parameter('model', type)
    refused, given = caller.set(broken, ALPHA)
    assert not refused.successful and given.successful
    for part in ('model', f'value.type is {type}', 'expected 0 to 9'):
        assert part in refused.reason
    assert caller.rig.node.value('alpha') == 0.25 and caller.rig.node.value('model') == 'street'
    result = caller.atomically(parameter('alpha', 3, double_value=0.75), broken)
    assert not result.successful and f'value.type is {type}' in result.reason
    assert caller.rig.node.value('alpha') == 0.25
    assert caller.rig.node.errors.count == 0


NAMES = ('', ' ', '.', '..', '/', 'a' * 100_000, 'no\nsuch', '\x1b[31m', 'nul\0', 'é', 'alpha.',
         'use_sim_time', 'qos_overrides./diagnostics.publisher.depth',
         'start_type_description_service')


def values() -> list[ParameterValue]:
    huge = 50_000
    return [ParameterValue(), *(ParameterValue(type=type) for type in range(1, 10)),
            ParameterValue(type=1, bool_value=True), ParameterValue(type=2, integer_value=-2**63),
            ParameterValue(type=3, double_value=float('nan')),
            ParameterValue(type=3, double_value=float('-inf')),
            ParameterValue(type=4, string_value='x' * huge),
            ParameterValue(type=4, string_value='\0\n\x1b[2J'),
            ParameterValue(type=5, byte_array_value=[b'\xff'] * huge),
            ParameterValue(type=6, bool_array_value=[True] * huge),
            ParameterValue(type=7, integer_array_value=[2**63 - 1] * huge),
            ParameterValue(type=8, double_array_value=[float('inf')] * huge),
            ParameterValue(type=9, string_array_value=['front'] * huge),
            ParameterValue(type=9, string_array_value=['x' * huge, ''])]


def test_no_value_of_a_parameter_ends_the_node(caller: Caller) -> None:
    """Every kind of value for every parameter, by both services: answered, reasons short."""
    rig = caller.rig
    for name in (*NAMES, *(name for name in rig.node._parameters if name not in NAMES)):
        sent = [ParameterMessage(name=name, value=value) for value in values()]
        results = [*caller.set(*sent), *(caller.atomically(one) for one in sent[:12])]
        assert len(results) == len(sent) + 12
        for result in results:
            assert result.successful or result.reason
            assert len(result.reason) <= LONGEST + 1
    assert rig.node.errors.count == 0
    assert caller.state() == 'unconfigured'


def test_a_list_of_a_stranger_is_bounded(caller: Caller) -> None:
    """Each camera is some publishers, so ten thousand of them would stop the node."""
    def cameras(count: int) -> ParameterMessage:
        return parameter('cameras', 9, string_array_value=[f'c{i}' for i in range(count)])

    within, above = caller.set(cameras(64), cameras(65))
    assert within.successful and not above.successful
    assert above.reason == 'cameras: 65 of them; expected 64 at most'
    (text,) = caller.set(parameter('model', 4, string_value='x' * 4097))
    assert text.reason == 'model: it has 4097 characters; expected 4096 at most'


def test_parameters_are_asked_for_in_absurd_ways(caller: Caller) -> None:
    for name in NAMES:
        for names in ([name], ['alpha', name], [name] * 1000):
            for kind, service in ((GetParameters, 'get_parameters'),
                                  (GetParameterTypes, 'get_parameter_types'),
                                  (DescribeParameters, 'describe_parameters')):
                caller(kind, service, kind.Request(names=names))
        for depth in (0, 1, 2**32, 2**64 - 1):
            caller(ListParameters, 'list_parameters',
                   ListParameters.Request(prefixes=[name, name], depth=depth))
    listed = caller(ListParameters, 'list_parameters', ListParameters.Request()).result.names
    assert 'alpha' in listed and caller.rig.node.errors.count == 0


def test_a_callback_that_raises_is_answered_counted_and_reported(make_rig: Any) -> None:
    """What no check here foresees; each service still gives the answer that says no."""
    rig = make_rig()
    caller, reports = Caller(rig), rig.hear(DiagnosticArray, '/diagnostics')
    real = {service.srv_type: service.callback for service in rig.node.services}

    def raises(request: Any, response: Any) -> Any:
        raise ValueError('nobody foresaw it')

    for service in rig.node.services:
        service.callback = raises
    guard_services(rig.node, rig.node.errors)
    assert not caller.change(id=4) and rig.node.state == 'active'
    (result,) = caller.set(ALPHA)
    assert not result.successful and result.reason == 'ValueError: nobody foresaw it'
    assert not caller.atomically(ALPHA).successful
    assert not caller(GetParameters, 'get_parameters', GetParameters.Request(names=['a'])).values
    assert rig.node.errors.count == 4
    rig.until(lambda: reports and pairs(reports[-1])['executor_errors'] == '4')
    (found,) = (report for report in reports if 'errors caught' in report.status[0].message)
    assert found.status[0].level == b'\1'
    assert 'ValueError: nobody foresaw it' in pairs(found)['executor_error']
    for service in rig.node.services:
        service.callback = real[service.srv_type]
    assert caller.state() == 'active'


def pairs(report: DiagnosticArray) -> dict[str, str]:
    return {pair.key: pair.value for pair in report.status[0].values}


def test_a_tally_logs_now_and_then_and_counts_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, lines = SimpleNamespace(monotonic=lambda: seconds), list[str]()
    monkeypatch.setattr('trt_segmentation.ros.tally.time', now)
    tally, seconds = Tally(lines.append), 0.0
    for seconds in (0.0, 1.0, 4.9, 5.0, 9.0):
        tally.add(f'at {seconds}')
    assert lines == ['at 0.0', 'at 5.0'] and (tally.count, tally.newest) == (5, 'at 9.0')
