# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The range of input sizes one engine is built for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import re

from ..errors import GraphError
from ..model.card import InputCard

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """The smallest, usual and largest shape of an input; TensorRT tunes for the usual one.

    :raises GraphError: where they are not in that order in every axis.
    """

    smallest: Shape
    usual: Shape
    largest: Shape

    def __post_init__(self) -> None:
        """Refuse what TensorRT would refuse later and less clearly."""
        for axis, sides in enumerate(zip(self.smallest, self.usual, self.largest)):
            if not 0 < sides[0] <= sides[1] <= sides[2]:
                raise GraphError(f'axis {axis} of the profile is {"/".join(map(str, sides))}; '
                                 f'expected min ≤ opt ≤ max, all above 0')

    @property
    def shapes(self) -> tuple[Shape, Shape, Shape]:
        """All three, smallest first."""
        return self.smallest, self.usual, self.largest

OPEN_BATCH = [1, 1, 8]
"""Batches of a network that leaves them open: best at one camera, up to eight at once."""


def parse_sizes(text: str) -> list[tuple[int, int]]:
    """Heights and widths of ``512x1024`` or ``256x256/512x512/1024x1024``: min, opt, max.

    :raises GraphError: where the text is neither.
    """
    sizes = [tuple(map(int, found.groups())) for part in text.split('/')
             if (found := re.fullmatch(r'(\d+)[x×](\d+)', part.strip()))]
    if len(sizes) != len(text.split('/')) or len(sizes) not in (1, 3):
        raise GraphError(f'shapes {text!r}; expected HEIGHTxWIDTH, such as 512x1024, or three '
                         f'of them as min/opt/max')
    return [(height, width) for height, width in sizes * (3 // len(sizes))]


def parse_batch(text: str) -> list[int]:
    """Batch sizes of ``1`` or ``1/2/4``: min, opt, max.

    :raises GraphError: where the text is neither.
    """
    parts = text.split('/')
    if len(parts) not in (1, 3) or not all(part.strip().isdigit() for part in parts):
        raise GraphError(f'batch {text!r}; expected a number, such as 2, or min/opt/max')
    return [int(part) for part in parts] * (3 // len(parts))


def profile(inputs: Mapping[str, Sequence[int | str]], card: InputCard, sizes: str = '',
            batch: str = '') -> dict[str, Profile]:
    """The profile of a network's image input.

    :param inputs: the graph's inputs as :func:`.graph.input_shapes` gives them.
    :param card: says height and width where the graph and ``sizes`` leave them open.
    :param sizes: for :func:`parse_sizes`; '' for what the graph and the card say.
    :param batch: for :func:`parse_batch`; '' for :data:`OPEN_BATCH`, or what the graph fixes.
    :raises GraphError: where a side is left open, or contradicts what the graph fixes.
    """
    ((name, shape),) = inputs.items()
    rows, cols = (1, 2) if shape[1] not in (1, 3) and shape[3] in (1, 3) else (2, 3)
    wanted: dict[int, list[int]] = {}
    if batch:
        wanted[0] = parse_batch(batch)
    if sizes:
        wanted[rows], wanted[cols] = map(list, zip(*parse_sizes(sizes)))
    fallback = {0: OPEN_BATCH, rows: [card.height] * 3, cols: [card.width] * 3}
    axes = [_axis(name, shape, axis, wanted.get(axis), fallback.get(axis, [0]))
            for axis in range(len(shape))]
    smallest, usual, largest = zip(*axes)
    return {name: Profile(smallest, usual, largest)}


def _axis(name: str, shape: Sequence[int | str], axis: int, wanted: list[int] | None,
          fallback: list[int]) -> list[int]:
    side = shape[axis]
    if isinstance(side, int):
        if wanted and wanted != [side] * 3:
            option = 'batch' if axis == 0 else 'shapes'
            raise GraphError(
                f'{name} is fixed at {"×".join(map(str, shape))}, so --{option} cannot make axis '
                f'{axis} {"/".join(map(str, wanted))}; export the model with that axis dynamic')
        return [side] * 3
    if wanted:
        return wanted
    if all(fallback):
        return fallback
    raise GraphError(
        f'{name} is {"×".join(map(str, shape))}, and nothing says how large {side} is; give '
        f'--shapes HEIGHTxWIDTH, or input: height and width in the model card')
