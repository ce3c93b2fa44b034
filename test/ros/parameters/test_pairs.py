# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A value that does not fit another parameter is refused, and the old value stays."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip('rclpy')

from rclpy.parameter import Parameter

from trt_segmentation.ros.parameters.pairs import find_pair_problem

PLAIN = {'ground': True, 'ground_range': 10.0, 'ground_resolution': 0.1, 'latency_warn_ms': 200.0,
         'latency_error_ms': 1000.0, 'age_warn_ms': 500.0, 'age_error_ms': 2000.0}
MANY_CELLS = 'the ground grid would have 2000 x 2000 cells'


@pytest.mark.parametrize('name, changes, text', [
    ('ground_resolution', {'ground_resolution': 0.01}, MANY_CELLS),
    ('ground_range', {'ground_range': 100.0}, MANY_CELLS),
    ('ground', {'ground_range': 100.0}, MANY_CELLS),
    ('ground_range', {'ground_range': 100.0, 'ground': False}, ''),
    ('ground_range', {'ground_range': 100.0, 'ground_resolution': 0.2}, ''),
    ('latency_warn_ms', {'latency_warn_ms': 1001.0},
     '`latency_warn_ms` would be 1001, and `latency_error_ms` would be 1000; expected a '
     '`latency_warn_ms` that is not above `latency_error_ms`'),
    ('latency_error_ms', {'latency_error_ms': 0.0}, '`latency_warn_ms` would be 200, and '),
    ('latency_error_ms', {'latency_error_ms': 200.0}, ''),
    ('age_warn_ms', {'age_warn_ms': 3000.0}, '`age_warn_ms` would be 3000, and `age_error_ms` '),
    ('alpha', {'age_warn_ms': 3000.0, 'ground_range': 100.0}, '')])
def test_the_reason(name: str, changes: dict[str, Any], text: str) -> None:
    found = find_pair_problem(name, {**PLAIN, **changes}.__getitem__)
    assert found.startswith(text) and bool(found) == bool(text)


def test_a_live_change_is_refused_alone_and_accepted_together_with_its_partner(rig: Any) -> None:
    node = rig.node
    both = [Parameter('age_warn_ms', value=3000.0), Parameter('age_error_ms', value=4000.0)]
    (result,) = node.set_parameters(both[:1])
    assert not result.successful and node.value('age_warn_ms') == 500.0
    assert result.reason.startswith('age_warn_ms: `age_warn_ms` would be 3000, and ')
    assert node.set_parameters_atomically(both).successful
    assert (node.value('age_warn_ms'), node.value('age_error_ms')) == (3000.0, 4000.0)


def test_a_wrong_pair_at_start_up_fails_the_transition_configure(make_rig: Any) -> None:
    rig = make_rig(start=False, cli_args=['--ros-args', '-p', 'latency_warn_ms:=5000.0'])
    assert not rig.node.start()
    assert rig.node.trouble.startswith(
        'cannot configure: latency_warn_ms: `latency_warn_ms` would be 5000, and ')
    assert rig.node.set_parameters([Parameter('latency_error_ms', value=9000.0)])[0].successful
    assert rig.node.start()
