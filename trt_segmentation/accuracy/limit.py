# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A network in INT8 that keeps within a loss of accuracy, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
import tempfile

import onnx

from ..builder.calibration import Calibration, Tensor
from ..builder.prepare import give_precision, PreparedGraph, Recipe
from ..builder.sensitivity import layer_errors, put_back
from ..errors import GraphError
from ..model.card import ModelCard
from .compare import Accuracy, compare, REFERENCE, Shot


def report(card: ModelCard, graph: PreparedGraph, recipe: Recipe,
           shots: Iterable[Shot]) -> Accuracy:
    """Compare a graph that has its precision with the card's own FP32 network."""
    return compare_models(card, {recipe.precision: graph.model}, shots)


def compare_models(card: ModelCard, models: Mapping[str, onnx.ModelProto],
                   shots: Iterable[Shot]) -> Accuracy:
    """Compare networks, by precision, with the card's own FP32 one."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f'{name}.onnx' for name in models}
        for name, model in models.items():
            onnx.save(model, paths[name])
        return compare(card, {REFERENCE: card.model, **paths}, shots)


def refuse_loss(accuracy: Accuracy, precision: str, most: float) -> None:
    """Raise where a precision loses more than a bar.

    :raises GraphError: with both numbers.
    """
    loss = accuracy.loss(precision)
    if loss > most:
        what = 'mean IoU' if accuracy.has_truth() else 'of the pixels change their label'
        raise GraphError(f'{precision} loses {loss:.4f} ({what}), more than the {most:.4f} of '
                         f'--max-miou-drop; calibrate on more varied frames, search for the '
                         f'sensitive layers, or build fp16')


def find_keep_fp16(card: ModelCard, graph: PreparedGraph, recipe: Recipe, calibration: Calibration,
                   tensors: Sequence[Tensor], shots: Sequence[Shot], most: float,
                   progress: Callable[[int], None] = lambda done: None) -> Calibration:
    """Put the layers that INT8 costs most back to FP16 until the loss is within a bar.

    :param graph: FP32.
    :param tensors: a few inputs, to rank layers by what INT8 does to the output.
    :param shots: held-out images, with truth or without; what the bar is measured on.
    :param most: mean IoU that may be lost or, without truth, fraction of pixels that may change.
    :returns: the calibration, knowing which nodes stay FP16.
    :raises GraphError: where no set of layers keeps within the bar.
    """
    split = give_precision(graph, recipe, calibration).split
    if split is None:
        raise GraphError(f'{recipe.precision} has no INT8 layers to search among')
    (name,) = graph.profile
    errors = layer_errors(graph.model, calibration.ranges, split.int8,
                          [{name: tensor} for tensor in tensors], progress)

    def loss(model: onnx.ModelProto) -> float:
        return report(card, replace(graph, model=model), recipe, shots).loss(recipe.precision)

    found = put_back(graph.model, calibration.ranges, split, errors, loss, most)
    back = tuple(node for node in split.int8 if node not in set(found.int8))
    return replace(calibration, keep_fp16=(*calibration.keep_fp16, *back))
