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

"""The node's parameters of networks and TensorRT engines reach the pipeline."""

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
