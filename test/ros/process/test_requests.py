# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node answers every request about parameters, also a broken request, and goes on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy')

from caller import ALPHA, Caller, parameter
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
)

from trt_segmentation.ros.process.mishap_counter import LONGEST, MishapCounter
from trt_segmentation.ros.process.requests import guard_services


@pytest.fixture
def caller(make_rig: Any) -> Caller:
    """Return a caller of the services of an unconfigured node."""
    return Caller(make_rig(start=False))


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


@pytest.mark.parametrize('type', [0, 3])
def test_a_parameter_without_a_name_is_refused(caller: Caller, type: int) -> None:
    nameless = parameter('', type)
    refused, given = caller.set(nameless, ALPHA)
    assert not refused.successful and given.successful
    assert refused.reason == 'a parameter has an empty name; `ros2 param list` shows the names'
    assert not caller.atomically(parameter('alpha', 3, double_value=0.75), nameless).successful
    assert caller.rig.node.value('alpha') == 0.25 and not caller.rig.node.has_parameter('')


@pytest.mark.parametrize('given, reason', [
    (parameter('latency_warn_ms', 2, integer_value=20),
     'latency_warn_ms: the value is an integer; expected a double. Write 20.0'),
    (parameter('gpu', 3, double_value=1.0), 'gpu: the value is a double; expected an integer. '
     'Write 1'),
    (parameter('gpu', 3, double_value=1.5), 'gpu: the value is a double; expected an integer'),
    (parameter('health', 4, string_value='yes'),
     'health: the value is a string; expected a bool'),
    (parameter('latency_warn', 3, double_value=20.0),
     "this node has no parameter 'latency_warn', did you mean 'latency_warn_ms'?"),
    (parameter('zzz', 1), "this node has no parameter 'zzz'")])
def test_a_wrong_name_or_type_is_refused_with_the_right_one(
        caller: Caller, given: ParameterMessage, reason: str) -> None:
    refused, alpha = caller.set(given, ALPHA)
    assert (refused.successful, refused.reason, alpha.successful) == (False, reason, True)
    result = caller.atomically(parameter('alpha', 3, double_value=0.75), given)
    assert (result.successful, result.reason) == (False, reason)
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
    """Both services get every kind of value for every parameter. Their reasons are short."""
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


def test_a_list_or_text_that_is_too_long_is_refused(caller: Caller) -> None:
    """Each camera has several publishers, so ten thousand cameras would stop the node."""
    def cameras(count: int) -> ParameterMessage:
        return parameter('cameras', 9, string_array_value=[f'c{i}' for i in range(count)])

    within, above = caller.set(cameras(64), cameras(65))
    assert within.successful and not above.successful
    assert above.reason == 'cameras: it has 65 items; expected at most 64'
    (text,) = caller.set(parameter('model', 4, string_value='x' * 4097))
    assert text.reason == 'model: it has 4097 characters; expected at most 4096'


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
    """After an unexpected exception, each service still gives its reply for a failure."""
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


def test_a_mishap_counter_logs_now_and_then_and_counts_each_time(
        monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, lines = 0.0, list[str]()
    now = SimpleNamespace(monotonic=lambda: seconds)
    monkeypatch.setattr('trt_segmentation.ros.process.mishap_counter.time', now)
    counter = MishapCounter(lines.append)
    for seconds in (0.0, 1.0, 4.9, 5.0, 9.0):
        counter.add(f'at {seconds}')
    assert lines == ['at 0.0', 'at 5.0'] and (counter.count, counter.newest) == (5, 'at 9.0')
