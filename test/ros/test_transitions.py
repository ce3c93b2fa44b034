# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node answers every request for a transition, also if it must refuse the request."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

pytest.importorskip('rclpy')

from caller import ALPHA, Caller, parameter
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import (
    ChangeState,
    GetAvailableStates,
    GetAvailableTransitions,
    GetState,
)
from node_rig import camera_image, NODE, TIMEOUT
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import Image

from trt_segmentation.model.card import ModelCard

STATES = {'unconfigured': [], 'inactive': ['configure'], 'active': ['configure', 'activate'],
          'finalized': ['shutdown']}
"""For each primary state, the labels of the transitions from unconfigured to this state."""

VALID = {'unconfigured': {1: 'configure', 5: 'shutdown'},
         'inactive': {2: 'cleanup', 3: 'activate', 6: 'shutdown'},
         'active': {4: 'deactivate', 7: 'shutdown'}, 'finalized': {}}
"""Ids and labels of the transitions of each state, by the design of ROS 2."""

LABELS = ('create', 'configure', 'cleanup', 'activate', 'deactivate', 'shutdown', 'destroy',
          'transition_success', 'transition_failure', 'transition_error', 'unconfigured_shutdown',
          'Configure', 'configure ', 'con\0figure', 'é', 'x' * 10000)


@pytest.fixture
def caller(make_rig: Any) -> Caller:
    """Return a caller of the services of an unconfigured node."""
    return Caller(make_rig(start=False))


@pytest.mark.parametrize('state', STATES)
def test_a_transition_the_state_does_not_have_is_answered_no(caller: Caller, state: str) -> None:
    """A request may have an id, a label, or both. If it has both, the label decides."""
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
    """The id may be wrong or unknown if the label is right."""
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
def test_a_lifecycle_manager_can_start_and_stop_the_node(make_rig: Any, autostart: bool) -> None:
    """Nav2's manager sends ids. A refused first request stops it, so autostart must be false."""
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


def take_answers(rig: Any) -> list[Any]:
    """Take the responses here, because a transition blocks the thread of the executor."""
    taken = []
    for client in rig.peer.clients:
        with client.handle:
            header, response = client.handle.take_response(client.srv_type.Response)
        if header is not None:
            taken.append(response)
            client.get_pending_request(header.request_id.sequence_number).set_result(response)
    return taken


def test_requests_are_answered_while_deactivate_waits_for_a_hung_engine(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node also goes on to publish diagnostics."""
    rig = make_rig(cli_args=['--ros-args', '-p', 'diagnostics_period:=0.1'])
    caller, answers, waiting, reported = Caller(rig), [], [], []
    publish = rig.node.monitor.publish
    monkeypatch.setattr(rig.node.monitor, 'publish', lambda: (
        publish(), reported.append(rig.node.state)))
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    caller.state()
    caller.set(ALPHA)
    collect = rig.pipeline.collect

    def answer_late() -> Any:
        deadline = time.monotonic() + TIMEOUT
        while ((len(answers) < 3 or 'deactivating' not in reported)
               and time.monotonic() < deadline):
            if waiting:
                answers.extend(take_answers(rig))
            time.sleep(0.01)
        return collect()

    rig.pipeline.collect = answer_late
    camera.publish(camera_image(1))
    rig.until(lambda: rig.node._supervisor.worker.busy_since)
    waiting += [
        caller.begin(GetState, 'get_state', GetState.Request()),
        caller.begin(SetParameters, 'set_parameters', SetParameters.Request(parameters=[
            parameter('alpha', 3, double_value=0.75)])),
        caller.begin(ChangeState, 'change_state', ChangeState.Request(
            transition=Transition(id=4)))]
    assert rig.node.trigger_deactivate().name == 'SUCCESS'
    assert len(answers) == 3 and 'deactivating' in reported
    state, alpha, again = (future.result() for future in waiting)
    assert state.current_state.label == 'deactivating' and not again.success
    assert alpha.results[0].successful and rig.node.value('alpha') == 0.75
    rig.until(lambda: maps)
    rig.until(lambda: [report for report in reports
                       if report.status[0].message.startswith('deactivating; ')])


def test_requests_are_answered_while_configure_is_at_work(
        caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients get states and parameters, and the node refuses another transition."""
    rig, during, waiting = caller.rig, [], []
    import trt_segmentation.ros.node as module
    open_pipeline = module.open_pipeline

    def build(card: ModelCard, engine: str, **options: Any) -> Any:
        deadline = time.monotonic() + TIMEOUT
        while len(during) < len(waiting) and time.monotonic() < deadline:
            during.extend(take_answers(rig))
            time.sleep(0.01)
        return open_pipeline(card, engine, **options)

    monkeypatch.setattr(module, 'open_pipeline', build)
    caller.state()  # after this call the node knows the clients
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
            way = way[-1:]  # the node is already in the state before this one
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
