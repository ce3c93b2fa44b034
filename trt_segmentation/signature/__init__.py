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

"""What a network's tensors mean: which is the image, which the answer, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model_card import InputCard, OutputCard
from .answer import AnswerOutput, find_answer
from .image import find_image, ImageInput
from .tensor import Tensor

__all__ = ['AnswerOutput', 'ImageInput', 'Signature', 'Tensor', 'resolve']


@dataclass(frozen=True)
class Signature:
    """How to feed a network and read it.

    :param reasons: one line for every decision the card did not take.
    """

    input: ImageInput
    output: AnswerOutput
    reasons: tuple[str, ...]


def resolve(inputs: Sequence[Tensor], outputs: Sequence[Tensor], input: InputCard,
            output: OutputCard, classes: int | None) -> Signature:
    """Decide what a network's tensors mean.

    :param classes: number of classes of the card; None to infer it from the network.
    :raises EngineError: naming the tensor, what it is, what was expected and what to do.
    """
    reasons: list[str] = []
    image = find_image(inputs, input, reasons)
    answer = find_answer(outputs, output, classes, image, reasons)
    return Signature(image, answer, tuple(reasons))
