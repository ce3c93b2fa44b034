# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the layers that lose the most accuracy in INT8, and moves these layers to FP16."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from ..errors import AccuracyLossError
from .graph import run_model
from .precision import convert_to_int8, quantise_nodes, Ranges, Split

Loss = Callable[[onnx.ModelProto], float]


def measure_layer_errors(model: onnx.ModelProto, ranges: Ranges, nodes: Sequence[str],
                         feeds: Sequence[Mapping[str, npt.NDArray[Any]]],
                         progress: Callable[[int], None] = lambda done: None) -> dict[str, float]:
    """Measure how much the network output changes if a single node is INT8.

    :param model: simplified FP32 network.
    :param ranges: ranges of all activations that the nodes read.
    :param nodes: names of the nodes. Each node is measured alone, and all others stay FP32.
    :param feeds: a few network inputs, each as a mapping from the input's name to its array.
    :param progress: called after each node with the number of nodes measured so far.
    :returns: maps each node to the relative RMS error of the network output, the largest error
        first.
    """
    expected = [run_model(model, feed) for feed in feeds]
    errors = {}
    for done, node in enumerate(nodes, 1):
        changed = quantise_nodes(model, ranges, [node])
        errors[node] = float(np.mean([_relative_error(outputs, run_model(changed, feed))
                                      for outputs, feed in zip(expected, feeds)]))
        progress(done)
    return dict(sorted(errors.items(), key=lambda item: -item[1]))


def move_layers_to_fp16(model: onnx.ModelProto, ranges: Ranges, split: Split,
                        errors: Mapping[str, float], loss: Loss, limit: float) -> Split:
    """Move the most sensitive layers to FP16, so that the accuracy loss is within a limit.

    The smallest sufficient number of layers is found by bisection, with about log2(layers) calls
    of ``loss``.

    :param model: simplified FP32 network.
    :param split: tells which layers are INT8 before the search.
    :param errors: error of each layer from :func:`measure_layer_errors`, the largest error first.
    :param loss: returns the accuracy loss of a network, for example its loss of mean IoU against
        the FP32 network.
    :param limit: the largest allowed accuracy loss, in the unit of ``loss``.
    :returns: the split with the remaining INT8 layers.
    :raises AccuracyLossError: if even a single INT8 layer loses more than the limit.
    """
    candidates = [name for name in errors if name in set(split.int8)]

    def split_without(count: int) -> Split:
        moved = candidates[:count]
        return replace(split, int8=tuple(n for n in split.int8 if n not in set(moved)),
                       fp16=(*split.fp16, *moved),
                       reason=f'{split.reason}, without the {count} most sensitive layers'
                       if count else split.reason)

    def loss_without(count: int) -> float:
        return loss(convert_to_int8(model, ranges, split_without(count).int8, split.fp32))

    low, high = 0, len(candidates) - 1
    if loss_without(low) <= limit:
        return split_without(low)
    if (left := loss_without(high)) > limit:
        raise AccuracyLossError(f'INT8 loses {left:.4f} even with a single INT8 layer, but the '
                                f'limit is {limit:.4f}. Build fp16')
    while high - low > 1:       # the loss is above the limit at `low`, but not at `high`
        middle = (low + high) // 2
        low, high = (low, middle) if loss_without(middle) <= limit else (middle, high)
    return split_without(high)


def _relative_error(expected: Sequence[npt.NDArray[Any]],
                    found: Sequence[npt.NDArray[Any]]) -> float:
    squares = [(float(np.sum(np.square(b.astype(np.float64) - a))),
                float(np.sum(np.square(a, dtype=np.float64)))) for a, b in zip(expected, found)]
    wrong, total = map(sum, zip(*squares))
    return float(np.sqrt(wrong / total)) if total else 0.0
