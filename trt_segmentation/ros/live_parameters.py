# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the parameters that are needed for every frame, and checks new values of parameters.

A :class:`.Worker` segments the frames of a node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TYPE_CHECKING

import numpy as np

from ..errors import EngineError
from ..frame import Wanted
from ..pipeline import Pipeline
from ..serving.protocols import BatchLimits, ServedCamera
from ..untrusted.terminal_text import count_noun
from .health import HealthReference
from .optics.camera_viewport import CameraViewport
from .optics.view_check import find_view_problem, VIEW_DEFAULTS
from .parameters.pairs import find_pair_problem, PAIRED

if TYPE_CHECKING:
    from .node import SegmentationNode

MODEL_DEPENDENT = ('confidence', 'palette', 'health')
"""Parameters whose valid values depend on the model."""


class LiveParameters:
    """Gives the worker the present settings of a node. See :class:`.LiveSettings`.

    The worker's threads call the methods.

    :param value: returns the value of the parameter with the given name.
    :param pipeline: the worker's pipeline. :meth:`apply_colours` sets the colours of its overlays.
    """

    def __init__(self, value: Callable[[str], Any], pipeline: Pipeline) -> None:
        self._value = value
        self._pipeline = pipeline
        self._palette: list[str] | None = None  # None until the colours are set

    def batch_limits(self) -> BatchLimits:
        """See :meth:`.LiveSettings.batch_limits`."""
        return BatchLimits(self._value('max_batch') or self._pipeline.batch,
                           self._value('batch_wait_ms') / 1e3)

    def max_age_ms(self) -> float:
        """See :meth:`.LiveSettings.max_age_ms`."""
        return float(self._value('max_age')) * 1e3

    def apply_colours(self) -> None:
        """See :meth:`.LiveSettings.apply_colours`."""
        self._pipeline.alpha = self._value('alpha')
        if (colors := self._value('palette')) != self._palette:
            # Right before the model is exchanged, `palette` may already have the colours of the
            # new model. If their number is wrong, the colours of the old card are used.
            fits = len(colors) == len(self._pipeline.card.classes)
            self._pipeline.palette = (  # a colour is #rrggbb
                np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)
                if fits else self._pipeline.card.palette)
            self._palette = colors

    def schedule_outputs(self, camera: ServedCamera) -> Wanted:
        """See :meth:`.LiveSettings.schedule_outputs`."""
        wanted = camera.schedule_outputs(
            self._value('confidence') and self._pipeline.gives_confidence,
            self._value('overlay_rate'))
        return replace(wanted, half_overlay=wanted.overlay and self._value('half_overlay'),
                       tally=self._value('health'))


def check_values(node: SegmentationNode) -> None:
    """Check the present values of the parameters. Call this in the executor's thread.

    :raises EngineError: if the node cannot use the value of a parameter.
    """
    for name in (*MODEL_DEPENDENT, *PAIRED, *VIEW_DEFAULTS):
        if reason := refuse_change(node, name, node.value):
            raise EngineError(f'{name}: {reason}')


def refuse_change(node: SegmentationNode, name: str, value: Callable[[str], Any]) -> str:
    """Return why a node cannot use the value of a parameter. Empty if the value is accepted.

    Call this in the executor's thread.

    :param name: name of any parameter.
    :param value: returns the value that the parameter with the given name has after the change.
    """
    if name == 'camera_height' and (grounds := [c.ground for c in node.cameras if c.ground]):
        return grounds[0].find_height_problem(value(name), len(grounds))
    names = value('cameras') or ['']
    cameras = [(camera.viewport, camera.info) for camera in node.cameras] or [
        (CameraViewport(one, index, len(names), value), None) for index, one in enumerate(names)]
    return (node.exchange.check_value(name, value(name)) or find_pair_problem(name, value)
            or find_view_problem(name, value(name), cameras))


def find_problem(name: str, value: Any, pipeline: Pipeline | None,
                 reference: HealthReference | None) -> str:
    """Return why a parameter value does not fit an open model. Empty if the value fits.

    :param name: name of any parameter. Only a parameter in :data:`MODEL_DEPENDENT` is checked.
    :param pipeline: the pipeline of the model. None if no model is open. Then every value fits.
    """
    if pipeline is None:
        return ''
    if name == 'health' and value and reference:
        return reference.find_problem()
    model, classes = pipeline.card.name, len(pipeline.card.classes)
    if name == 'confidence' and value and not pipeline.gives_confidence:
        return (f'model {model} gives class ids, which have no confidence; set `confidence` '
                'to false, or export the model with its logits as output')
    if name == 'palette' and value and len(value) != classes:
        return (f'{count_noun(len(value), "colour")} for the {classes} classes of model {model}; '
                "give one for each class, or [] for the card's colours")
    return ''
