# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""An input or output tensor of a network: its name, type and shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

from ..errors import EngineError
from ..untrusted.terminal_text import did_you_mean

MOST_NUMBERS = 1 << 31
"""Largest accepted number of elements of a tensor. The scores of 150 classes for 2048×4096 pixels
have 1.26e9 elements, so they are accepted."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a network.

    :param dtype: NumPy name of the element type.
    :param shape: the size of each axis; None for an axis whose size is known only at run time.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sides = '×'.join('?' if n is None else str(n) for n in self.shape)
        return f'{self.name} ({self.dtype} {sides or "scalar"})'


def find_tensor(kind: str, name: str, tensors: Sequence[Tensor]) -> Tensor:
    """Find a tensor by its name.

    :param kind: ``input`` or ``output``, for the message.
    :raises EngineError: if there is no such tensor. The message lists all names.
    """
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    near = did_you_mean(name, (tensor.name for tensor in tensors))
    raise EngineError(
        f'the model has no {kind} named {name!r}{near or "."} '
        f'Its {kind}s are: {", ".join(map(str, tensors)) or "none"}. '
        f'Set `{kind}: name` in the model card to one of these names')


def refuse_oversize(kind: str, tensor: Tensor) -> None:
    """Refuse a tensor that is too large. Only a broken or hostile file has such a tensor.

    :param kind: ``input`` or ``output``, for the message.
    :raises EngineError: if the tensor has more than :data:`MOST_NUMBERS` elements.
    """
    count = math.prod(side for side in tensor.shape if side is not None)
    if count > MOST_NUMBERS:
        raise EngineError(f'{kind} {tensor} has {count:.3g} numbers; at most {MOST_NUMBERS:.3g} '
                          f'are accepted. Export the model with the size of your camera images, '
                          f'or smaller')
