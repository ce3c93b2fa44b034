# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Refuse a build if its precision loses too much accuracy, or keep more layers FP16."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
import tempfile

import onnx

from ..builder.calibration import Calibration, Tensor
from ..builder.prepare import apply_precision, PreparedGraph, Recipe
from ..builder.sensitivity import measure_layer_errors, move_layers_to_fp16
from ..errors import GraphError
from ..model.card import ModelCard
from .compare import Accuracy, compare_precisions, REFERENCE
from .samples import Sample


def compare_models(card: ModelCard, models: Mapping[str, onnx.ModelProto],
                   samples: Iterable[Sample]) -> Accuracy:
    """Compare networks with the FP32 network of the card.

    :param models: the networks to compare, by name of their precision.
    :param samples: the images to compare the network outputs on, with or without label maps.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f'{name}.onnx' for name in models}
        for name, model in models.items():
            onnx.save(model, paths[name])
        return compare_precisions(card, {REFERENCE: card.model, **paths}, samples)


def refuse_loss(accuracy: Accuracy, precision: str, limit: float) -> None:
    """Raise an error if a precision loses more accuracy than the limit.

    :param limit: mean IoU that may be lost. Without label maps, the fraction of pixels that may
        change their label, 0 to 1.
    :raises GraphError: if the accuracy loss is above the limit. The message gives the accuracy
        loss and the limit.
    """
    loss = accuracy.loss(precision)
    if loss > limit:
        what = (f'{precision} loses {loss:.4f} of mean IoU; --max-miou-drop allows {limit:.4f}'
                if accuracy.has_truth() else
                f'{precision} changes the label of {loss:.2%} of the pixels; --max-miou-drop '
                f'allows {limit:.2%}')
        raise GraphError(f'{what}. Calibrate on more varied frames, use --search to find the '
                         f'sensitive layers, or build fp16')


def find_keep_fp16(card: ModelCard, graph: PreparedGraph, recipe: Recipe, calibration: Calibration,
                   tensors: Sequence[Tensor], samples: Sequence[Sample], limit: float,
                   progress: Callable[[int], None] = lambda done: None) -> Calibration:
    """Find the layers that must stay FP16 so that the accuracy loss is within a limit.

    :param graph: the network in FP32.
    :param recipe: gives the precision, which is int8 or mixed.
    :param tensors: a few network inputs. The layers are ranked by how much INT8 changes the
        network output for these inputs.
    :param samples: held-out images to measure the accuracy loss on, with or without label maps.
    :param limit: as in :func:`refuse_loss`.
    :param progress: called after each ranked layer with the number of layers ranked so far.
    :returns: the calibration, with the names of the layers that were found added to
        ``keep_fp16``.
    :raises GraphError: if the precision has no INT8 layers, or if the accuracy loss is above the
        limit even with a single INT8 layer.
    """
    split = apply_precision(graph, recipe, calibration).split
    if split is None:
        raise GraphError(f'{recipe.precision} has no INT8 layers, so --search has nothing to do')
    (name,) = graph.profile
    errors = measure_layer_errors(graph.model, calibration.ranges, split.int8,
                                  [{name: tensor} for tensor in tensors], progress)

    def loss(model: onnx.ModelProto) -> float:
        return compare_models(card, {recipe.precision: model}, samples).loss(recipe.precision)

    found = move_layers_to_fp16(graph.model, calibration.ranges, split, errors, loss, limit)
    moved = tuple(node for node in split.int8 if node not in set(found.int8))
    return replace(calibration, keep_fp16=(*calibration.keep_fp16, *moved))
