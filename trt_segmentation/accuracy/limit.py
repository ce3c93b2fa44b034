# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the accuracy that a precision loses within a limit, or refuse the build."""

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

    :param models: network for each precision.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f'{name}.onnx' for name in models}
        for name, model in models.items():
            onnx.save(model, paths[name])
        return compare_precisions(card, {REFERENCE: card.model, **paths}, samples)


def refuse_loss(accuracy: Accuracy, precision: str, limit: float) -> None:
    """Raise an error if a precision loses more accuracy than the limit.

    :raises GraphError: with the loss and the limit.
    """
    loss = accuracy.loss(precision)
    if loss > limit:
        what = 'mean IoU' if accuracy.has_truth() else 'of the pixels change their label'
        raise GraphError(f'{precision} loses {loss:.4f} ({what}), more than the {limit:.4f} of '
                         f'--max-miou-drop; calibrate on more varied frames, use --search to find '
                         f'the sensitive layers, or build fp16')


def find_keep_fp16(card: ModelCard, graph: PreparedGraph, recipe: Recipe, calibration: Calibration,
                   tensors: Sequence[Tensor], samples: Sequence[Sample], limit: float,
                   progress: Callable[[int], None] = lambda done: None) -> Calibration:
    """Find the layers that must stay FP16 so that the loss of accuracy is within a limit.

    :param graph: FP32.
    :param tensors: a few network inputs. The layers are ranked by how much INT8 changes the
        network output for these inputs.
    :param samples: held-out images to measure the loss on, with or without truth.
    :param limit: mean IoU that may be lost; without truth, fraction of pixels that may change.
    :param progress: called after each ranked layer with the number of layers ranked.
    :returns: the calibration, with the names of these layers added to ``keep_fp16``.
    :raises GraphError: if no set of layers keeps the loss within the limit.
    """
    split = apply_precision(graph, recipe, calibration).split
    if split is None:
        raise GraphError(f'{recipe.precision} has no INT8 layers to search among')
    (name,) = graph.profile
    errors = measure_layer_errors(graph.model, calibration.ranges, split.int8,
                                  [{name: tensor} for tensor in tensors], progress)

    def loss(model: onnx.ModelProto) -> float:
        return compare_models(card, {recipe.precision: model}, samples).loss(recipe.precision)

    found = move_layers_to_fp16(graph.model, calibration.ranges, split, errors, loss, limit)
    moved = tuple(node for node in split.int8 if node not in set(found.int8))
    return replace(calibration, keep_fp16=(*calibration.keep_fp16, *moved))
