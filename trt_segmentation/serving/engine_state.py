# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The state of a node's engine, which runs the network, and the reason for this state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EngineState(Enum):
    """What the engine does now."""

    RUNNING = 'running'
    """The engine works, or it waits for frames."""
    STALLED = 'stalled'
    """The engine has been computing one batch for more than :data:`.STALLED_SECONDS`."""
    FAILING = 'failing'
    """The newest batch failed. The engine stays open and computes the next batch."""
    REOPENING = 'reopening'
    """The engine failed too often. All frames are dropped until a new engine is open."""
    LOST = 'lost'
    """Only a new process can use the engine again."""


@dataclass(frozen=True)
class EngineStatus:
    """A state of the engine, and the reason as one line. Only RUNNING has an empty reason."""

    state: EngineState = EngineState.RUNNING
    reason: str = ''
