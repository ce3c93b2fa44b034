# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Warn once if the output of a network contradicts its model card."""

from __future__ import annotations

import logging
from typing import Any

import numpy.typing as npt

from ..frame import UNLABELLED
from .card import ModelCard
from .kind import OutputKind
from .signature import Signature

log = logging.getLogger(__name__)

FIRST = 3
"""Number of network outputs to check. If a network gives scores of any size (logits), at
least one value in three outputs is always below 0 or above 1."""


class NetworkOutputWatch:
    """Checks the first network outputs of one open engine, and warns at most once about them.

    If the signature has warnings, the constructor logs these warnings, and no output is checked.
    Only one thread at a time may call methods.

    :param every: True to check every network output for unknown class ids; False to check only the
        first :data:`FIRST` outputs.
    """

    def __init__(self, card: ModelCard, signature: Signature, every: bool = False) -> None:
        self._name = card.name
        self._classes = len(card.classes)
        self._output = signature.output
        self._unlabelled = UNLABELLED[card.label_dtype]
        self._checked = 0
        self._holds_ids = signature.output.kind is OutputKind.LABELS
        self._most = 1 << 62 if every and self._holds_ids else FIRST
        for text in signature.warnings:
            self._warn(text)        # after such a warning, the outputs need no check

    @property
    def is_done(self) -> bool:
        """Whether :meth:`check` has nothing more to check."""
        return self._checked >= self._most

    def check(self, network_output: npt.NDArray[Any]) -> None:
        """Check a network output of any shape. If :attr:`is_done` is true, do nothing."""
        if self.is_done or not network_output.size:
            return
        self._checked += 1
        low, high = float(network_output.min()), float(network_output.max())
        kind = self._output.kind
        if self._holds_ids:
            self._check_ids(low, high)
        elif kind.values != 'scores' or not (low >= 0 and high <= 1):
            self._most = 0          # the values agree with the kind, so stop checking
        elif self.is_done:
            right = OutputKind(('probability', kind.has_class_channels))
            self._warn(
                f'output {self._output.name}: all values of the first {FIRST} network outputs are '
                f'between 0 and 1, so they may be probabilities. But the kind {kind} means scores '
                f'of any size. If the network ends in a sigmoid or softmax, write '
                f'`kind: {right}` under `output` in the model card')

    def _check_ids(self, low: float, high: float) -> None:
        if low >= 0 and high < self._classes:
            return
        strange = high if high >= self._classes else low
        self._warn(
            f'output {self._output.name}: the network gave class id {strange:g}, but the model '
            f'card names {self._classes} classes (ids 0 to {self._classes - 1}). Pixels of other '
            f'ids become {self._unlabelled}, which means unlabelled. Give a name for each id '
            f'under `classes` in the model card')

    def _warn(self, text: str) -> None:
        self._most = 0
        log.warning('model %s: %s', self._name, text)
