# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The range of input sizes that an engine accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import re

from ..errors import GraphError
from ..model.card import InputCard
from .settings import OPEN_BATCH

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """The range of shapes that an engine accepts. The engine is fastest at the usual shape.

    :raises GraphError: if the shapes are not in ascending order in every axis.
    """

    smallest: Shape
    usual: Shape
    largest: Shape

    def __post_init__(self) -> None:
        # TensorRT's own message about a wrong order is less clear.
        for axis, sides in enumerate(zip(self.smallest, self.usual, self.largest)):
            if not 0 < sides[0] <= sides[1] <= sides[2]:
                raise GraphError(f'axis {axis} of the profile is {"/".join(map(str, sides))}; '
                                 f'expected MIN ≤ OPT ≤ MAX, all above 0')

    @property
    def shapes(self) -> tuple[Shape, Shape, Shape]:
        """All three shapes."""
        return self.smallest, self.usual, self.largest


def parse_sizes(text: str) -> list[tuple[int, int]]:
    """Parse image sizes such as ``512x1024`` or ``256x256/512x512/1024x1024``.

    :returns: (height, width) of the smallest, usual and largest image, in pixels.
    :raises GraphError: if the text does not contain one or three sizes.
    """
    sizes = [tuple(map(int, found.groups())) for part in text.split('/')
             if (found := re.fullmatch(r'(\d+)[x×](\d+)', part.strip()))]
    if len(sizes) != len(text.split('/')) or len(sizes) not in (1, 3):
        raise GraphError(f'the shapes {text!r} cannot be read; expected HEIGHTxWIDTH, such as '
                         f'512x1024, or three such sizes as MIN/OPT/MAX')
    return [(height, width) for height, width in sizes * (3 // len(sizes))]


def parse_batch(text: str) -> list[int]:
    """Parse batch sizes such as ``1`` or ``1/2/4``.

    :returns: the smallest, usual and largest batch.
    :raises GraphError: if the text does not contain one or three numbers.
    """
    parts = text.split('/')
    if len(parts) not in (1, 3) or not all(part.strip().isdigit() for part in parts):
        raise GraphError(f'the batch {text!r} cannot be read; expected a number, such as 2, or '
                         f'three numbers as MIN/OPT/MAX')
    return [int(part) for part in parts] * (3 // len(parts))


def make_profile(inputs: Mapping[str, Sequence[int | str]], card: InputCard, sizes: str = '',
                 batch: str = '') -> dict[str, Profile]:
    """Make the profile of a network's image input.

    :param inputs: the graph's inputs, from :func:`.graph.input_shapes`.
    :param card: gives height and width if neither the graph nor ``sizes`` gives them.
    :param sizes: see :class:`.settings.Recipe`, which also describes ``batch``.
    :returns: maps the name of the input to its profile.
    :raises GraphError: if the size of an axis is unknown, or if the graph fixes a size that
        differs from the requested size.
    """
    ((name, shape),) = inputs.items()
    rows, cols = (1, 2) if shape[1] not in (1, 3) and shape[3] in (1, 3) else (2, 3)
    wanted: dict[int, list[int]] = {}
    if batch:
        wanted[0] = parse_batch(batch)
    if sizes:
        wanted[rows], wanted[cols] = map(list, zip(*parse_sizes(sizes)))
    fallback = {0: list(OPEN_BATCH), rows: [card.height] * 3, cols: [card.width] * 3}
    axes = [_axis_sizes(name, shape, axis, wanted.get(axis), fallback.get(axis, [0]))
            for axis in range(len(shape))]
    smallest, usual, largest = zip(*axes)
    return {name: Profile(smallest, usual, largest)}


def _axis_sizes(name: str, shape: Sequence[int | str], axis: int, wanted: list[int] | None,
                fallback: list[int]) -> list[int]:
    side = shape[axis]
    if isinstance(side, int):
        if wanted and wanted != [side] * 3:
            option = 'batch' if axis == 0 else 'shapes'
            raise GraphError(
                f'the ONNX file fixes {name} at {"×".join(map(str, shape))}, so --{option} cannot '
                f'set axis {axis} to {"/".join(map(str, wanted))}. Export the model with a '
                f'dynamic axis {axis}')
        return [side] * 3
    if wanted:
        return wanted
    if all(fallback):
        return fallback
    raise GraphError(
        f'{name} has shape {"×".join(map(str, shape))}, but the size of {side} is unknown. Give '
        f'--shapes HEIGHTxWIDTH, or set `input: height` and `input: width` in the model card')
