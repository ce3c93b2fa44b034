# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The kinds of network outputs, such as logits or class ids."""

from __future__ import annotations

from enum import Enum


class OutputKind(Enum):
    """What the values of a network output are.

    The value of each member is the pair (:attr:`values`, :attr:`has_class_channels`). In a model
    card and in messages, the name of the member is in lower case.
    """

    LOGITS = ('scores', True)
    """One score for each class. The class with the largest score wins."""
    PROBABILITIES = ('probability', True)
    """One probability for each class. The network ends in a softmax or sigmoid."""
    SIGMOID = ('scores', False)
    """The logit of class 1. The sigmoid of this logit is the probability of class 1."""
    PROBABILITY = ('probability', False)
    """The probability of class 1. The network ends in a sigmoid."""
    LABELS = ('labels', False)
    """Class ids."""

    def __str__(self) -> str:
        return self.name.lower()

    @property
    def values(self) -> str:
        """``scores``, ``probability`` or ``labels``, as in ``Ending.values`` of onnx_graph.py."""
        return self.value[0]

    @property
    def has_class_channels(self) -> bool:
        """Whether each class has a channel. If this is false, the output has one channel."""
        return self.value[1]

    @property
    def is_binary(self) -> bool:
        """Whether the output tells two classes apart with one channel of floats."""
        return self in (OutputKind.SIGMOID, OutputKind.PROBABILITY)
