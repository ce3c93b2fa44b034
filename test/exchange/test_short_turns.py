# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Python's switch interval is short only while a network is opened or closed."""

from __future__ import annotations

from collections.abc import Iterator
import sys

import pytest

from trt_segmentation.exchange.short_turns import short_turns, TURN_SECONDS


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    yield
    sys.setswitchinterval(before)


def interval() -> float:
    return round(sys.getswitchinterval(), 6)


def test_the_last_user_restores_the_interval() -> None:
    first, second = short_turns(), short_turns()
    with first:
        second.__enter__()
        assert interval() == TURN_SECONDS
    assert interval() == TURN_SECONDS
    second.__exit__(None, None, None)
    assert interval() == 0.004


def test_an_error_restores_the_interval() -> None:
    with pytest.raises(KeyError), short_turns():
        raise KeyError
    assert interval() == 0.004


def test_a_shorter_interval_stays() -> None:
    sys.setswitchinterval(0.00025)
    with short_turns():
        assert interval() == 0.00025
    assert interval() == 0.00025
