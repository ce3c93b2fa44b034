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

"""Which parameter values suit the model that is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model_card import ModelCard
from ..pipeline import Pipeline

MODEL_DEPENDENT = ('confidence', 'palette')


def unfit(name: str, value: Any, pipeline: Pipeline) -> str:
    """Why a parameter cannot have a value with this pipeline; '' where it can.

    :param name: of any parameter; only :data:`MODEL_DEPENDENT` are ever refused.
    """
    model, classes = pipeline.card.name, len(pipeline.card.classes)
    if name == 'confidence' and value and not pipeline.gives_confidence:
        return (f'model {model} gives class ids, which have no confidence; leave it false, or '
                'export the model with its logits as output')
    if name == 'palette' and value and len(value) != classes:
        return (f'{len(value)} colours for the {classes} classes of model {model}; give one '
                "each, or [] for the card's own")
    return ''


def overlay_palette(colors: Sequence[str], card: ModelCard) -> npt.NDArray[np.uint8]:
    """(classes, 3) uint8 RGB of #rrggbb strings; the card's own where there are none."""
    if not colors:
        return card.palette
    return np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)
