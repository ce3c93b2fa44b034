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
from ..errors import GraphError
from ..fp16.rounding import round_like_fp16
from ..int8.channel_balance import balance_channels
from ..model.card import ModelCard
from .compare import Accuracy, compare_precisions, REFERENCE
from .samples import Sample

SEARCH_FRAMES = 4
"""Number of calibration frames that ``--search`` uses to measure the INT8 error of each layer."""


def compare_models(card: ModelCard, models: Mapping[str, onnx.ModelProto],
                   samples: Iterable[Sample]) -> Accuracy:
    """Compare networks with the FP32 network of the card.

    The networks run on the CPU, but FP16 values are rounded as on a GPU. So an FP16 value above
    65504 becomes infinite.

    :param models: maps the name of each precision to its network.
    :param samples: images for the comparison. They may have label maps or not.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f'{name}.onnx' for name in models}
        for name, model in models.items():
            onnx.save(round_like_fp16(model), paths[name])
        return compare_precisions(card, {REFERENCE: card.model, **paths}, samples)


def refuse_loss(accuracy: Accuracy, precision: str, limit: float) -> None:
    """Refuse a precision that loses more accuracy than the limit.

    :param limit: largest allowed loss of mean IoU. If the samples have no label maps, the limit
        is the largest allowed fraction of pixels with another label than in FP32, 0 to 1.
    :raises GraphError: if the accuracy loss is above the limit. The message gives the accuracy
        loss and the limit.
    """
    loss = accuracy.loss(precision)
    if loss > limit:
        what = (f'{precision} loses {loss:.4f} of mean IoU, but --max-miou-drop allows '
                f'{limit:.4f}' if accuracy.has_truth() else
                f'{precision} changes the label of {loss:.2%} of the pixels, but --max-miou-drop '
                f'allows {limit:.2%}')
        raise GraphError(f'{what}. Calibrate with more varied frames, find the sensitive layers '
                         f'with --search, or build fp16')


def find_keep_fp16(card: ModelCard, graph: PreparedGraph, recipe: Recipe, calibration: Calibration,
                   tensors: Sequence[Tensor], samples: Sequence[Sample], limit: float,
                   progress: Callable[[int], None] = lambda done: None) -> Calibration:
    """Find the layers that must stay FP16 so that the accuracy loss is within a limit.

    :param graph: the network in FP32.
    :param recipe: gives the precision, int8 or mixed.
    :param tensors: a few network inputs. They show how much INT8 in each layer changes the
        network output.
    :param samples: held-out images that measure the accuracy loss. They may have label maps or
        not.
    :param limit: see :func:`refuse_loss`.
    :param progress: called after each measured layer with the number of layers measured.
    :returns: a copy of the calibration. Its ``keep_fp16`` also contains the found layers.
    :raises GraphError: if the precision has no INT8 layers, or if the accuracy loss is above the
        limit even with a single INT8 layer.
    """
    split = apply_precision(graph, recipe, calibration).split
    if split is None:
        raise GraphError(f'{recipe.precision} has no INT8 layers, so --search has nothing to do')
    (name,) = graph.profile
    balanced = balance_channels(graph.model, calibration.balance)
    errors = measure_layer_errors(balanced, calibration.ranges, split.int8,
                                  [{name: tensor} for tensor in tensors], progress)

    def loss(model: onnx.ModelProto) -> float:
        return compare_models(card, {recipe.precision: model}, samples).loss(recipe.precision)

    found = move_layers_to_fp16(balanced, calibration.ranges, split, errors, loss, limit)
    moved = tuple(node for node in split.int8 if node not in set(found.int8))
    return replace(calibration, keep_fp16=(*calibration.keep_fp16, *moved))
