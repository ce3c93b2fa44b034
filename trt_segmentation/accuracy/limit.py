# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Limit the accuracy loss of a build: refuse the build, or keep more layers FP16."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
import tempfile

import onnx

from ..builder.calibration import Calibration, Tensor
from ..builder.prepare import apply_precision, PreparedGraph
from ..builder.sensitivity import measure_layer_errors, move_layers_to_fp16
from ..builder.settings import Recipe
from ..errors import AccuracyLossError, GraphError
from ..fp16.rounding import round_like_fp16
from ..int8.channel_balance import balance_channels
from ..model.card import ModelCard
from .compare import Accuracy, compare_precisions, REFERENCE
from .samples import Sample

SEARCH_FRAMES = 4
"""Number of calibration frames that ``--search`` uses to measure the INT8 error of each layer."""
_INT8_ADVICE = ('Calibrate with more varied frames, keep the sensitive layers FP16 with --search '
                'together with --calibrate, or build fp16')
_ADVICE = {'int8': _INT8_ADVICE, 'mixed': _INT8_ADVICE, 'fp16': (
    'Give --calibrate, so that nodes with values above 65504 stay FP32, or build fp32')}
AddBar = Callable[[str, int], Callable[[int], None]]
"""Shows a new progress bar. The arguments are the text before the bar and the number of all steps.
The result is a function that sets the number of finished steps."""


def hide_bar(name: str, total: int) -> Callable[[int], None]:
    """An :data:`AddBar` that shows nothing."""
    return lambda done: None


def compare_models(card: ModelCard, models: Mapping[str, onnx.ModelProto],
                   samples: Iterable[Sample]) -> Accuracy:
    """Compare networks with the FP32 network of the card.

    The networks run on the CPU, but FP16 values are rounded as on a GPU. So a value that is too
    large for FP16 becomes infinite.

    :param models: maps the name of each precision to its network.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f'{name}.onnx' for name in models}
        for name, model in models.items():
            onnx.save(round_like_fp16(model), paths[name])
        return compare_precisions(card, {REFERENCE: card.model, **paths}, samples)


def refuse_loss(accuracy: Accuracy, precision: str, limit: float, warning: str = '') -> None:
    """Refuse a precision that loses more accuracy than the limit.

    :param limit: largest allowed :meth:`.Accuracy.loss`.
    :param warning: a text about the samples for the end of the message; may be empty.
    :raises AccuracyLossError: if the accuracy loss is above the limit.
    """
    loss = accuracy.loss(precision)
    if loss > limit:
        what = (f'{precision} loses {loss:.4f} of mean IoU, but --max-miou-drop allows '
                f'{limit:.4f}' if accuracy.has_truth() else
                f'{precision} changes the label of {loss:.2%} of the pixels, but --max-miou-drop '
                f'allows {limit:.2%}')
        advice = _ADVICE.get(precision, 'Build with the last Resize of the network')
        raise AccuracyLossError(f'{what}. {advice}' + (f'. {warning}' if warning else ''))


def convert_to_precisions(graph: PreparedGraph, recipe: Recipe, calibration: Calibration | None,
                          names: Iterable[str], log: Callable[[str], None]
                          ) -> dict[str, onnx.ModelProto]:
    """Convert a network to several precisions. If this fails for a precision, log why.

    :param graph: the network in FP32.
    :param recipe: gives all settings except the precision.
    :param calibration: the value ranges of the tensors. If None, the precisions that need these
        ranges are skipped.
    """
    models = {}
    for name in names:
        given = replace(recipe, precision=name)
        if given.needs_calibration and calibration is None:
            continue
        try:
            models[name] = apply_precision(graph, given, calibration).model
        except GraphError as error:
            log(f'{name} is not compared: {error}')
    return models


def find_keep_fp16(card: ModelCard, graph: PreparedGraph, recipe: Recipe, calibration: Calibration,
                   tensors: Sequence[Tensor], samples: Sequence[Sample], limit: float,
                   add_bar: AddBar = hide_bar) -> Calibration:
    """Find the layers that must stay FP16 so that the accuracy loss is within a limit.

    :param graph: the network in FP32.
    :param recipe: gives the precision, int8 or mixed.
    :param tensors: a few network inputs, to measure how much INT8 in each layer changes the
        network output.
    :param samples: images that the calibration did not use, to measure the accuracy loss. They
        may have label maps or not.
    :param limit: see :func:`refuse_loss`.
    :returns: a copy of the calibration. Its ``keep_fp16`` also contains the found layers.
    :raises GraphError: if the precision has no INT8 layers.
    :raises AccuracyLossError: if even one single INT8 layer makes the loss larger than the limit.
    """
    split = apply_precision(graph, recipe, calibration).split
    if split is None:
        raise GraphError(f'{recipe.precision} has no INT8 layers, so --search has nothing to do')
    (name,) = graph.profile
    balanced = balance_channels(graph.model, calibration.balance)
    errors = measure_layer_errors(balanced, calibration.ranges, split.int8,
                                  [{name: tensor} for tensor in tensors],
                                  add_bar('layers ranked for --search', len(split.int8)))

    def loss(model: onnx.ModelProto) -> float:
        return compare_models(card, {recipe.precision: model}, samples).loss(recipe.precision)

    found = move_layers_to_fp16(balanced, calibration.ranges, split, errors, loss, limit)
    moved = tuple(node for node in split.int8 if node not in set(found.int8))
    return replace(calibration, keep_fp16=(*calibration.keep_fp16, *moved))
