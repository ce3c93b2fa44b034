# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A request to set parameters may be answered later. Every other request is answered at once."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip('rclpy')

from caller import ALPHA, Caller, parameter
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically

from trt_segmentation.ros.process.late_answers import answer_later, LateAnswer
from trt_segmentation.ros.process.requests import answer_requests

HALF = parameter('half_overlay', 1, bool_value=True)
BAD = parameter('alpha', 3, double_value=2.0)


@pytest.fixture
def kept() -> list[LateAnswer]:
    return []


@pytest.fixture
def caller(make_rig: Any, kept: list[LateAnswer]) -> Caller:
    """Return a caller of a node that answers a request later if the request sets ``alpha``."""
    rig = make_rig(start=False)

    def must_wait(request: LateAnswer) -> bool:
        if not any(one.name == 'alpha' for one in request.parameters):
            return False
        kept.append(request)
        return True
    answer_later(rig.node, must_wait)
    return Caller(rig)


def test_requests_are_answered_in_any_order(caller: Caller, kept: list[LateAnswer]) -> None:
    first = caller.begin(SetParameters, 'set_parameters',
                         SetParameters.Request(parameters=[BAD, ALPHA, HALF]))
    second = caller.begin(SetParametersAtomically, 'set_parameters_atomically',
                          SetParametersAtomically.Request(parameters=[BAD]))
    caller.rig.until(lambda: len(kept) == 2)
    values = caller(GetParameters, 'get_parameters', GetParameters.Request(names=['alpha']))
    assert values.values[0].double_value == 0.5
    assert caller.set(HALF)[0].successful and not first.done() and not second.done()
    by_size = {len(one.parameters): one for one in kept}
    for late, future, was_set in ((by_size[1], second, False), (by_size[3], first, True)):
        response, found = late.set_parameters('alpha')
        assert found is was_set and not future.done()
        late.send(response)
        caller.rig.until(future.done)
    assert [one.successful for one in first.result().results] == [False, True, True]
    assert not second.result().result.successful
    assert caller.rig.node.value('alpha') == 0.25


def test_a_late_answer_also_works_during_a_long_transition(
        caller: Caller, kept: list[LateAnswer]) -> None:
    """During a long transition, the node itself reads the requests."""
    future = caller.begin(SetParameters, 'set_parameters',
                          SetParameters.Request(parameters=[ALPHA]))
    while not kept:
        answer_requests(caller.rig.node, caller.rig.node.errors)
    assert kept[0].header is not None and not future.done()
    kept[0].send(kept[0].set_parameters('alpha')[0])
    caller.rig.until(future.done)
    assert future.result().results[0].successful and caller.rig.node.errors.count == 0
