# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The progress of a run as text."""

from __future__ import annotations

from dataclasses import replace
import io

import pytest
from rich.console import Console

from trt_segmentation.commands.fleet.progress import describe_status, FleetProgress
from trt_segmentation.fleet.schedule import FleetStatus
from trt_segmentation.view import progress

BUSY = FleetStatus(3, 9, 0, 400, 85.25, 4, 4, 3725.0)


def test_the_status_is_one_line_that_fits() -> None:
    whole = '85.2 frames/s, 1:02:05 left, 4 of 4 workers busy'
    assert describe_status(BUSY, len(whole)) == whole
    assert describe_status(BUSY, len(whole) - 1) == '85.2 frames/s, 1:02:05 left'
    assert describe_status(BUSY, 20) == '85.2 frames/s' and describe_status(BUSY, 5) == ''
    end = FleetStatus(9, 9, 0, 400, 85.25, 0, 4, 0.0)
    assert describe_status(end, 80) == '85.2 frames/s'
    assert describe_status(replace(end, rate=0.0), 80) == ''
    status = FleetStatus(0, 0, 7, 0, 0.0, 0, 1, None)
    assert describe_status(status, 80) == (
        '0.0 frames/s, 7 recordings to divide, 0 of 1 worker busy')


def show(monkeypatch: pytest.MonkeyPatch, width: int, *states: FleetStatus) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(progress, 'Console', lambda stderr: console)
    with FleetProgress() as bar:
        for status in states:
            bar.show(status)
    return text.getvalue().replace('\r', '\n').split('\n')[-2]


def test_eighty_columns_have_the_bar_the_count_the_rate_and_the_time_left(
        monkeypatch: pytest.MonkeyPatch) -> None:
    big = FleetStatus(12345, 24000, 0, 400, 1085.25, 64, 64, 372500.0)
    for status, expected in (
            (BUSY, '3/9 85.2 frames/s, 1:02:05 left'),
            (big, '12345/24000 1085.2 frames/s, 4 days, 7:28:20 left')):
        line = show(monkeypatch, 80, status)
        assert expected in line and 'shards ━' in line and '…' not in line
    assert '4 of 4 workers busy' in show(monkeypatch, 120, BUSY)


def test_a_run_without_work_has_a_total(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ' 6/6 ' in show(monkeypatch, 80, FleetStatus(6, 6, 0, 0, 0.0, 0, 0, None))
    assert ' 0/? ' in show(monkeypatch, 80, FleetStatus(0, 0, 2, 0, 0.0, 0, 1, None))
