# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""From an ONNX file to the graph an engine is built from: checked, simplified, typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import onnx

from ..engines import PRECISIONS
from ..errors import GraphError
from ..model.card import ModelCard
from .calibration import Calibration, load_calibration
from .graph import (
    check,
    Finding,
    input_shapes,
    load_model,
    model_digest,
    refuse_errors,
    simplify,
)
from .precision import small_scales, Split, split, to_fp16, to_int8
from .shapes import Profile, profile


@dataclass(frozen=True)
class Recipe:
    """What an engine is to be.

    :param precision: one of :data:`.engines.PRECISIONS`.
    :param sizes: for :func:`.shapes.parse_sizes`; '' for what the model and its card say.
    :param batch: for :func:`.shapes.parse_batch`; '' for 1 to 8, or what the model fixes.
    :param keep_fp16: patterns of node names that INT8 must not touch.
    :param simplify: whether onnxslim may fold and fuse first.
    :raises GraphError: for a precision there is not.
    """

    precision: str = 'fp16'
    sizes: str = ''
    batch: str = ''
    keep_fp16: tuple[str, ...] = ()
    simplify: bool = True

    def __post_init__(self) -> None:
        """Refuse a precision nobody knows."""
        if self.precision not in PRECISIONS:
            near = get_close_matches(self.precision, PRECISIONS, n=1)
            raise GraphError(f'precision {self.precision!r}'
                             + (f', did you mean {near[0]!r}?' if near else '.')
                             + f' Known: {", ".join(PRECISIONS)}')

    @property
    def calibrated(self) -> bool:
        """Whether it takes calibrated ranges."""
        return self.precision in ('int8', 'mixed')


@dataclass(frozen=True)
class PreparedGraph:
    """A network ready to be built, or to be given a precision.

    :param profile: range of its input.
    :param findings: warnings; what is an error was raised.
    :param split: which nodes are INT8; None where none are.
    """

    model: onnx.ModelProto
    profile: Mapping[str, Profile]
    findings: list[Finding] = field(default_factory=list)
    split: Split | None = None

    @property
    def dynamic(self) -> bool:
        """Whether any side of the input is open, so that the engine needs its profile."""
        return any(isinstance(side, str) for shape in input_shapes(self.model).values()
                   for side in shape)


def read_graph(card: ModelCard, recipe: Recipe,
               supported: Callable[[str], bool] = lambda operator: True) -> PreparedGraph:
    """Load, check and simplify a card's network; FP32.

    :param supported: whether the parser to come knows an operator.
    :raises GraphError: naming the node and what to do.
    """
    model = load_model(card.model)
    findings = check(model, supported)
    refuse_errors(findings)
    sizes = profile(input_shapes(model), card.input, recipe.sizes, recipe.batch)
    if recipe.simplify:
        model = simplify(model, {name: one.smallest for name, one in sizes.items()})
    return PreparedGraph(model, sizes, findings)


def give_precision(graph: PreparedGraph, recipe: Recipe,
                   calibration: Calibration | None = None) -> PreparedGraph:
    """The graph in the precision of a recipe.

    :param calibration: needed for int8 and mixed; what it says is too sensitive stays FP16.
    :raises GraphError: where it is missing, or a layer cannot be had in that precision.
    """
    if recipe.precision == 'fp32':
        return graph
    if recipe.precision == 'fp16':
        return PreparedGraph(to_fp16(graph.model), graph.profile, graph.findings)
    if calibration is None:
        raise GraphError(f'{recipe.precision} needs calibrated ranges; give --calibrate BAG, a '
                         f'folder of images, or street')
    chosen = split(graph.model, recipe.precision, (*recipe.keep_fp16, *calibration.keep_fp16))
    model = to_int8(graph.model, calibration.ranges, chosen.int8)
    rough = small_scales(model)
    findings = [Finding('warning', ', '.join(rough[:3]), (
        f'and {len(rough) - 3} more: ' if len(rough) > 3 else '')
        + 'quantisation scales so small that FP16 rounds them; where accuracy suffers, keep their '
        'layers FP16 with --keep-fp16')] if rough else []
    return PreparedGraph(model, graph.profile, [*graph.findings, *findings], chosen)


def calibration_path(card: ModelCard) -> Path:
    """Where a card's calibrated ranges lie: beside its network."""
    return card.model.with_suffix('.scales.json')


def card_calibration(card: ModelCard) -> Calibration:
    """The calibrated ranges beside a card's network.

    :raises GraphError: where there are none, or they were measured on another network.
    """
    path = calibration_path(card)
    found = load_calibration(path)
    if found.model != model_digest(card.model):
        raise GraphError(f'{path} was measured on another network than {card.model}; calibrate '
                         f'again: trt_seg build with --calibrate BAG writes it anew')
    return found
