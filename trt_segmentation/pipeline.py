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

"""The two calls every pipeline has, and which one to open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .engines import EngineError, ENGINES, Identity
from .frame import Frame, Segmentation, Wanted
from .model_card import ModelCard


class Pipeline(Protocol):
    """Camera bytes in, segmentations out, in the order they went in.

    One thread calls :meth:`submit`, one (the same or another) calls :meth:`collect`.
    """

    identity: Identity
    card: ModelCard
    alpha: float
    """Weight of the class colours in the overlay, 0 to 1; may be set from any thread."""

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        """Start a batch; the frames' bytes must stay as they are until it is collected.

        :raises EngineError: when the engine failed; nothing of the batch is pending then.
        """

    def collect(self) -> list[Segmentation]:
        """Wait for the oldest batch and return its answers, one a frame, in order.

        :raises EngineError: when the engine failed on it; the batch is gone then.
        """

    def close(self) -> None:
        """Free everything; a second call does nothing."""


def open_pipeline(card: ModelCard, engine: str = 'auto') -> Pipeline:
    """Open the pipeline an engine name asks for; ``auto`` takes the best that works here.

    :param engine: one of :data:`ENGINES`.
    :raises EngineError: naming what was asked for, why it cannot be had and what can.
    """
    from .host.pipeline import HostPipeline
    if engine not in ENGINES:
        raise EngineError(f'engine {engine!r}; expected one of {", ".join(ENGINES)}')
    if engine in ('auto', 'onnxruntime-cpu'):
        asked = 'asked for' if engine != 'auto' else 'the only engine built so far'
        return HostPipeline(card, reason=asked)
    raise EngineError(
        f'engine {engine} is not built yet; use onnxruntime-cpu or auto')
