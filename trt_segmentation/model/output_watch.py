# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Warns once if a network's answers are not what its model card says."""

from __future__ import annotations

import logging
from typing import Any

import numpy.typing as npt

from ..frame import UNLABELLED
from .card import ModelCard
from .signature import Signature

log = logging.getLogger(__name__)

FIRST = 3
"""Answers that are looked at. In so many, a score is below 0 or above 1 somewhere."""


class AnswerWatch:
    """Looks at the first answers of one open engine, and logs each warning once.

    Warnings that the network's graph gives away are logged when this is made. One thread.

    :param every: look for unknown class ids in every answer, not in the first alone.
    """

    def __init__(self, card: ModelCard, signature: Signature, every: bool = False) -> None:
        self._name = card.name
        self._classes = len(card.classes)
        self._output = signature.output
        self._unlabelled = UNLABELLED[card.label_dtype]
        self._looked = 0
        self._most = 1 << 62 if every and signature.output.kind == 'labels' else FIRST
        for text in signature.warnings:
            self._warn(text)        # what is seen in the answers then is no news

    @property
    def done(self) -> bool:
        """Whether :meth:`look` has nothing left to say."""
        return self._looked >= self._most

    def look(self, answer: npt.NDArray[Any]) -> None:
        """Look at an answer as the network gave it, of any shape; nothing happens if done."""
        if self.done or not answer.size:
            return
        self._looked += 1
        low, high = float(answer.min()), float(answer.max())
        if self._output.kind == 'labels':
            self._look_at_ids(low, high)
        elif self._output.kind not in ('logits', 'sigmoid') or not (low >= 0 and high <= 1):
            self._most = 0          # a score below 0 or above 1, or not a number
        elif self.done:
            right = 'probability' if self._output.kind == 'sigmoid' else 'probabilities'
            self._warn(
                f'output {self._output.name}: all values of the first {FIRST} answers are between '
                f'0 and 1, as probabilities are, and kind {self._output.kind} means scores of any '
                f'size. If the network ends in a sigmoid or softmax, set output: kind: {right} in '
                f'the model card')

    def _look_at_ids(self, low: float, high: float) -> None:
        if low >= 0 and high < self._classes:
            return
        strange = high if high >= self._classes else low
        self._warn(
            f'output {self._output.name}: the network gave class id {strange:g}, and the model '
            f'card names {self._classes} classes (ids 0 to {self._classes - 1}). Pixels of other '
            f'ids become {self._unlabelled}, unlabelled. Give a name for each id under classes in '
            f'the model card')

    def _warn(self, text: str) -> None:
        self._most = 0
        log.warning('model %s: %s', self._name, text)
