# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Gives each class its value in a map of the ground: free, a cost, occupied or unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import re

import numpy as np
import numpy.typing as npt
import yaml

from ..errors import GroundError
from ..model.card_checks import GROUND_KINDS

UNKNOWN, FREE, OCCUPIED = -1, 0, 100
"""Values of nav_msgs/OccupancyGrid. The numbers between free and occupied are costs."""
MOST_NAMES = 40
"""Largest number of class names in an error message."""
EXAMPLES = {'drivable': ('road', 'floor', 'path', 'lane'),
            'walkable': ('sidewalk', 'pavement', 'terrain', 'grass', 'ground'),
            'obstacle': ('person', 'car', 'vehicle', 'wall', 'building', 'tree', 'vegetation')}
"""Each key is the name of a list in the model card. If a class name contains one of the words of
this key, an error message suggests the class for this list."""
Values = npt.NDArray[np.int8]


def make_values(classes: Sequence[str], ground: Mapping[str, Sequence[str]],
                walkable_cost: int) -> Values:
    """Return the value of a cell for each number in a label map.

    :param ground: the section ``ground`` of the model card. The section maps each of
        :data:`.GROUND_KINDS` to names of ``classes``. The cells of all other classes are unknown.
    :param walkable_cost: value of a cell of walkable ground, 0 to 99.
    :returns: (256,) int8, or (65536,) int8 if there are more than 255 classes. The index is
        the number in the label map.
    :raises GroundError: if the card names neither a drivable nor a walkable class.
    """
    if not any(ground.get(kind) for kind in ('drivable', 'walkable')):
        raise GroundError(
            '`ground` is true, but the model card does not say which classes are ground. Add a '
            f'section to the card, such as `ground: {_make_example(classes)}`. Choose from the '
            f'classes of this model: {", ".join(classes[:MOST_NAMES])}'
            + ', …' * (len(classes) > MOST_NAMES))
    values = np.full(256 if len(classes) <= 255 else 65536, UNKNOWN, np.int8)
    of_kind = dict(zip(GROUND_KINDS, (FREE, walkable_cost, OCCUPIED), strict=True))
    for kind, names in ground.items():
        for name in names:
            values[classes.index(name)] = of_kind[kind]
    return values


def _make_example(classes: Sequence[str]) -> str:
    found: dict[str, list[str]] = {}
    for kind, words in EXAMPLES.items():
        used = {name for names in found.values() for name in names}
        if near := [name for name in classes if name not in used
                    and not {*re.split(r'[\W_]+', name.lower())}.isdisjoint(words)]:
            found[kind] = near[:2]
    if not found.keys() & {'drivable', 'walkable'}:
        found = {'drivable': [classes[0]], **({'obstacle': [classes[1]]} if classes[1:] else {})}
    return str(yaml.safe_dump(found, default_flow_style=True, width=1000, sort_keys=False,
                              allow_unicode=True)).strip()
