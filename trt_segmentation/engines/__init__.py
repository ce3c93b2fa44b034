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

"""Inference engines: bytes in, enqueue, bytes out."""

from dataclasses import dataclass

ENGINES = ('auto', 'tensorrt', 'onnxruntime-cuda', 'onnxruntime-cpu')
"""Names of engines; auto takes the first of the others that works."""


class EngineError(RuntimeError):
    """An engine that cannot be had here, or failed; says which, why and what to do."""

    sticky = False
    """Whether this process cannot use the GPU again, so that only a new one helps."""


@dataclass(frozen=True)
class Identity:
    """What answers: shown at start-up, in diagnostics and in every report.

    :param model: the card's name.
    :param engine: one of :data:`ENGINES`, never auto.
    :param version: the engine library's version.
    :param precision: fp32, fp16, int8 or mixed.
    :param device: the CPU's or GPU's name.
    :param reason: why this engine was taken.
    :param cache: ``hit`` where the engine came from the cache, ``built`` where it was built now,
        '' where there is nothing to build.
    """

    model: str
    engine: str
    version: str
    precision: str
    device: str
    reason: str
    cache: str = ''
