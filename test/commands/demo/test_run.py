# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""How the demo chooses its camera's rate, on simulated machines with and without a GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from trt_segmentation.commands.demo import run
from trt_segmentation.engines.nvidia_driver import Driver, DriverGpu

NO_GPU = Driver('', (0, 0), (), 'there is no NVIDIA GPU here')
H200 = Driver('580.65.06', (13, 0), (DriverGpu('NVIDIA H200', (9, 0), 140 << 30, False),))


def choose(monkeypatch: pytest.MonkeyPatch, driver: Driver, asked: str, opened: str
           ) -> tuple[float, int, list[str]]:
    """Choose. Return the rate, how often the demo waited for the node, and the printed lines."""
    monkeypatch.setattr(run, 'ask_driver', lambda: driver)
    waits: list[Any] = []
    lines: list[str] = []
    recorder = SimpleNamespace(ready=lambda: True, diagnostics={'engine': {
        'engine': opened, 'device': 'a device', 'reason': 'no onnxruntime-cuda: no cuDNN'}})
    demo: Any = SimpleNamespace(recorder=recorder, wait_until=waits.append)
    bars: Any = SimpleNamespace(print_line=lines.append)
    return run._choose_rate(demo, asked, bars), len(waits), lines


def test_a_gpu_gets_30_hz_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(monkeypatch, H200, 'auto', 'onnxruntime-cuda') == (
        30.0, 1, ['onnxruntime-cuda runs the network on a device'])


def test_a_gpu_that_does_not_work_leaves_the_cpu_and_the_reason_is_said(
        monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(monkeypatch, H200, 'auto', 'onnxruntime-cpu') == (
        10.0, 1, ['the CPU runs the network, although there is NVIDIA H200: '
                  'no onnxruntime-cuda: no cuDNN'])


@pytest.mark.parametrize(('driver', 'asked'), [(NO_GPU, 'auto'), (H200, 'onnxruntime-cpu')])
def test_the_camera_draws_while_the_node_starts_if_the_cpu_is_known(
        monkeypatch: pytest.MonkeyPatch, driver: Driver, asked: str) -> None:
    assert choose(monkeypatch, driver, asked, 'onnxruntime-cpu') == (10.0, 0, [])
