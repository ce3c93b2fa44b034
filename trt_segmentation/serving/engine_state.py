# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The state of a node's engine, with the reason for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EngineState(Enum):
    """What the engine does now."""

    RUNNING = 'running'
    """The engine computes, or it has nothing to compute."""
    STALLED = 'stalled'
    """A batch takes far too long."""
    FAILING = 'failing'
    """The newest batch failed; the next batch is tried with the same engine."""
    REOPENING = 'reopening'
    """The engine failed too often; no frame is taken until it has been reopened."""
    LOST = 'lost'
    """This process can never use the engine again; only a new process can."""


@dataclass(frozen=True)
class EngineStatus:
    """A state of the engine.

    :param reason: one line for diagnostics; empty only if the engine is running.
    """

    state: EngineState = EngineState.RUNNING
    reason: str = ''
