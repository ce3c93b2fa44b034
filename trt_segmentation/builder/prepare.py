# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare an ONNX file for TensorRT: check it, simplify it, and set its precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from ..errors import GraphError
from ..fp16.large_values import find_large_weights, find_nodes_of, FP16_MAX
from ..int8.channel_balance import balance_channels
from ..model.card import ModelCard
from .calibration import Calibration, load_calibration
from .check import check_model, Finding, refuse_errors
from .graph import input_shapes, load_model, model_digest, simplify_model
from .precision import (
    choose_int8_nodes,
    convert_to_fp16,
    convert_to_int8,
    find_small_scales,
    Split,
)
from .settings import Recipe
from .shapes import make_profile, Profile


@dataclass(frozen=True)
class PreparedGraph:
    """A network that was read and checked.

    :param model: the network, in FP32 before :func:`apply_precision`.
    :param profile: maps the name of the input to the range of its sizes.
    :param findings: the warnings about the network. A network with errors is refused earlier.
    :param split: which nodes are INT8; None if no node is INT8.
    :param fp32: names of the nodes that stay FP32, because FP16 cannot hold their values.
    """

    model: onnx.ModelProto
    profile: Mapping[str, Profile]
    findings: list[Finding] = field(default_factory=list)
    split: Split | None = None
    fp32: tuple[str, ...] = ()

    @property
    def is_dynamic(self) -> bool:
        """Whether a dimension of the input is dynamic. If so, the engine needs the profile."""
        return any(isinstance(side, str) for shape in input_shapes(self.model).values()
                   for side in shape)


def read_graph(card: ModelCard, recipe: Recipe,
               supports_operator: Callable[[str], bool] = lambda operator: True
               ) -> PreparedGraph:
    """Load, check and simplify the FP32 network of a card.

    :param supports_operator: see :func:`.check.check_model`.
    :raises GraphError: if the network cannot be used. The message names the node.
    """
    model = load_model(card.model, card.output.name if cuts_resize(card, recipe) else None)
    findings = check_model(model, supports_operator)
    refuse_errors(findings)
    sizes = make_profile(input_shapes(model), card.input, recipe.sizes, recipe.batch)
    # simplify_model() runs the network in ONNX Runtime, which cannot run TensorRT plugins.
    if recipe.simplify and not card.plugins:
        model = simplify_model(model, {name: p.smallest for name, p in sizes.items()})
    return PreparedGraph(model, sizes, findings)


def cuts_resize(card: ModelCard, recipe: Recipe) -> bool:
    """Return whether the recipe or the card asks to remove the last Resize of the network."""
    return recipe.cut_resize or card.output.cut_resize


def apply_precision(graph: PreparedGraph, recipe: Recipe,
                    calibration: Calibration | None = None) -> PreparedGraph:
    """Convert a graph to the precision of a recipe. A recipe has the settings for the graph.

    :param graph: the network in FP32.
    :param calibration: ranges of the activations; int8 and mixed need them. Nodes whose names
        match ``keep_fp16`` of the calibration stay FP16. Nodes with values that are too large for
        FP16 stay FP32, and a finding names them. If the values were never measured, a finding
        says so.
    :returns: a new graph, or ``graph`` itself for fp32.
    :raises GraphError: if a needed calibration is missing, or if the network cannot be converted.
    """
    if recipe.precision == 'fp32':
        return graph
    above = {**find_large_weights(graph.model),
             **((calibration and calibration.above_fp16) or {})}
    fp32 = find_nodes_of(graph.model, above)
    range_findings = _report_fp16_range(calibration, above, fp32)
    if recipe.precision == 'fp16':
        return PreparedGraph(convert_to_fp16(graph.model, fp32), graph.profile,
                             [*graph.findings, *range_findings], fp32=fp32)
    if calibration is None:
        raise GraphError(f'{recipe.precision} needs calibrated ranges. Give --calibrate with a '
                         f'bag, with a folder of images, or with the word street')
    split = choose_int8_nodes(graph.model, recipe.precision,
                              (*recipe.keep_fp16, *calibration.keep_fp16), fp32)
    balanced = balance_channels(graph.model, calibration.balance)
    model = convert_to_int8(balanced, calibration.ranges, split.int8, fp32)
    small = find_small_scales(model)
    more = f' and {len(small) - 3} other scales' if len(small) > 3 else ''
    findings = [Finding('warning', ', '.join(small[:3]) + more, (
        'these quantisation scales are too small for the full precision of FP16. If the accuracy '
        'suffers, keep the layers of these scales FP16 with --keep-fp16'))] if small else []
    return PreparedGraph(model, graph.profile, [*graph.findings, *range_findings, *findings],
                         split, fp32)


def _report_fp16_range(calibration: Calibration | None, above: Mapping[str, float],
                       fp32: tuple[str, ...]) -> list[Finding]:
    found = []
    if fp32:
        found.append(Finding('warning', ', '.join(fp32), (
            f'these nodes stay FP32, because their values reach {max(above.values()):.4g} and the '
            f'largest FP16 number is {FP16_MAX:.0f}')))
    if calibration is None or calibration.above_fp16 is None:
        found.append(Finding('warning', '', (
            f'nobody measured whether the values of the network stay below {FP16_MAX:.0f}, the '
            'largest FP16 number. A larger value spoils the labels. To measure the values, run '
            '`trt_seg build` with --calibrate BAG. Nodes with larger values then stay FP32')))
    return found


def calibration_path(card: ModelCard) -> Path:
    """Path of the file with a card's calibrated ranges. This file is beside the ONNX file."""
    return card.model.with_suffix('.scales.json')


def load_card_calibration(card: ModelCard) -> Calibration:
    """Load the calibrated ranges of a card.

    :raises GraphError: if the ranges are missing or were measured on another network.
    """
    path = calibration_path(card)
    found = load_calibration(path)
    if found.model != model_digest(card.model):
        raise GraphError(f'the ranges in {path} were measured on another network than '
                         f'{card.model}. To measure them again, run trt_seg build with '
                         f'--calibrate BAG')
    return found


def find_calibration(card: ModelCard, recipe: Recipe,
                     log: Callable[[str], None]) -> Calibration | None:
    """Load the calibrated ranges of a card, if the precision of the recipe uses them.

    :param log: receives the reason if fp16 cannot use the ranges of the card.
    :returns: None for fp32, and for fp16 if the card has no usable ranges.
    :raises GraphError: if the precision is int8 or mixed and the card has no usable ranges.
    """
    if recipe.needs_calibration:
        return load_card_calibration(card)
    if recipe.precision != 'fp16' or not calibration_path(card).exists():
        return None
    try:
        return load_card_calibration(card)
    except GraphError as error:
        log(f'fp16 is built without measured values: {error}')
        return None
