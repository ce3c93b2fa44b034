# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A network that is opened beside another one is taken once, or closed."""

from __future__ import annotations

import threading

from serving.doubles import FakePipeline, TIMEOUT, until

from trt_segmentation.errors import EngineError
from trt_segmentation.exchange.opening import Opening


def test_the_caller_takes_the_open_network_once() -> None:
    network = FakePipeline()
    opening = Opening(lambda: network)
    until(lambda: opening.has_ended)
    assert opening.take() is network and opening.take() is None
    opening.give_up()
    assert network.closed == 0 and opening.error is None


def test_an_error_is_kept() -> None:
    error = EngineError('the file is damaged')

    def fail() -> FakePipeline:
        raise error
    opening = Opening(fail)
    until(lambda: opening.has_ended)
    assert opening.error is error and opening.take() is None


def test_a_network_that_opens_after_the_end_is_closed() -> None:
    network, gate = FakePipeline(), threading.Event()

    def wait() -> FakePipeline:
        assert gate.wait(TIMEOUT)
        return network
    opening = Opening(wait)
    opening.give_up()
    assert not opening.has_ended and network.closed == 0
    gate.set()
    until(lambda: network.closed)
    assert opening.take() is None and network.closed == 1


def test_an_open_network_that_nobody_took_is_closed() -> None:
    network = FakePipeline()
    opening = Opening(lambda: network)
    until(lambda: opening.has_ended)
    opening.give_up()
    assert network.closed == 1 and opening.take() is None
