# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures that start a node on a ROS domain that only this test run uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# pytest finds the fixture of the ROS context by this name
from ros_context import ros  # noqa: F401

from trt_segmentation.errors import EngineError, ModelCardError
from trt_segmentation.model.card import ModelCard


@pytest.fixture
def make_rig(ros: Any,  # noqa: F811
             monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Yield a function that makes rigs with fake pipelines and models of ``classes`` classes."""
    from node_rig import FakePipeline, kept_rigs, Rig

    import trt_segmentation.ros.node as module

    def make(classes: int = 255, start: bool = True, **options: Any) -> Any:
        pipelines: list[Any] = []

        def load(name: str) -> ModelCard:
            if name == 'absent':
                raise ModelCardError(f'no model card {name!r}')
            return ModelCard(name, Path('none.onnx'), tuple(f'class {i}' for i in range(classes)),
                             np.zeros((classes, 3), np.uint8))

        def open_(card: ModelCard, engine: str, **options: Any) -> Any:
            if engine == 'tensorrt':
                raise EngineError('engine tensorrt is not here')
            pipelines.append(FakePipeline(card))
            return pipelines[-1]

        monkeypatch.setattr(module, 'load_card', load)
        monkeypatch.setattr(module, 'open_pipeline', open_)
        rig = Rig(ros, pipelines, **options)
        return keep(rig, start)

    with kept_rigs() as keep:
        yield make


@pytest.fixture
def rig(make_rig: Callable[..., Any]) -> Any:
    return make_rig()
