# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters for networks and TensorRT engines reach the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trt_segmentation.pipeline import EngineSettings


@pytest.mark.parametrize('given,expected', [
    ({}, (1, 1, EngineSettings('', 1 << 30, 3))),
    ({'cameras': '[a, b, c]'}, (1, 1, EngineSettings('', 1 << 30, 3))),
    ({'cameras': '[a, b, c]', 'max_batch': 2}, (1, 2, EngineSettings('', 1 << 30, 3))),
    ({'cameras': '[a, b]', 'max_batch': 8}, (1, 2, EngineSettings('', 1 << 30, 3))),
    ({'engine_cache': '/opt/engines', 'workspace_mib': 512, 'optimization_level': 5,
      'networks': 2, 'max_batch': 4}, (2, 1, EngineSettings('/opt/engines', 512 << 20, 5)))])
def test_engine_parameters_reach_the_pipeline(
        make_rig: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, given: dict[str, Any],
        expected: tuple[int, int, EngineSettings]) -> None:
    arguments = [part for name, value in given.items() for part in ('-p', f'{name}:={value}')]
    rig = make_rig(start=False, cli_args=['--ros-args', *arguments] if arguments else None)
    module = __import__('trt_segmentation.ros.node', fromlist=['open_pipeline'])
    seen, open_ = [], module.open_pipeline

    def noted(*args: Any, **options: Any) -> Any:
        seen.append((options['networks'], options['max_batch'], options['settings']))
        return open_(*args, **options)
    monkeypatch.setattr(module, 'open_pipeline', noted)
    assert rig.node.start()
    assert seen == [expected]
