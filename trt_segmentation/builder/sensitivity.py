# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Which layers INT8 costs the most accuracy, and how few of them have to go back to FP16."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from ..errors import GraphError
from .graph import answer
from .precision import quantise, Ranges, Split, to_int8

Loss = Callable[[onnx.ModelProto], float]


def layer_errors(model: onnx.ModelProto, ranges: Ranges, nodes: Sequence[str],
                 feeds: Sequence[Mapping[str, npt.NDArray[Any]]],
                 progress: Callable[[int], None] = lambda done: None) -> dict[str, float]:
    """How much the output changes when one node alone is INT8.

    :param model: simplified, FP32.
    :param feeds: a few inputs to measure on.
    :returns: relative RMS error of the outputs by node, the worst first.
    """
    truth = [answer(model, feed) for feed in feeds]
    errors = {}
    for done, node in enumerate(nodes, 1):
        changed = quantise(model, ranges, [node])
        errors[node] = float(np.mean([
            _error(expected, answer(changed, feed)) for expected, feed in zip(truth, feeds)]))
        progress(done)
    return dict(sorted(errors.items(), key=lambda item: -item[1]))


def put_back(model: onnx.ModelProto, ranges: Ranges, split: Split, errors: Mapping[str, float],
             loss: Loss, most: float) -> Split:
    """Return the fewest of the worst layers to FP16 that bring the loss down to a bar.

    :param errors: from :func:`layer_errors`, the worst first.
    :param loss: what a network loses to FP32, such as mean IoU on held-out frames; called
        about log2(layers) times.
    :param most: the bar.
    :raises GraphError: where even with a single layer INT8 the loss is above the bar.
    """
    worst = [name for name in errors if name in set(split.int8)]

    def with_back(count: int) -> Split:
        back = set(worst[:count])
        return replace(split, int8=tuple(n for n in split.int8 if n not in back),
                       fp16=(*split.fp16, *worst[:count]),
                       reason=f'{split.reason}, less the {count} most sensitive layers'
                       if count else split.reason)

    def loses(count: int) -> float:
        return loss(to_int8(model, ranges, with_back(count).int8))

    low, high = 0, len(worst) - 1
    if loses(low) <= most:
        return with_back(low)
    if (left := loses(high)) > most:
        raise GraphError(f'INT8 loses {left:.4f} with one layer in it, more than the '
                         f'{most:.4f} allowed; build fp16')
    while high - low > 1:       # low loses too much, high does not
        middle = (low + high) // 2
        low, high = (low, middle) if loses(middle) <= most else (middle, high)
    return with_back(high)


def _error(expected: Sequence[npt.NDArray[Any]], found: Sequence[npt.NDArray[Any]]) -> float:
    squares = [(float(np.sum(np.square(b.astype(np.float64) - a))),
                float(np.sum(np.square(a, dtype=np.float64)))) for a, b in zip(expected, found)]
    wrong, total = map(sum, zip(*squares))
    return float(np.sqrt(wrong / total)) if total else 0.0
