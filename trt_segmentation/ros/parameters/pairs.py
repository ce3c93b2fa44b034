# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks parameters whose values must fit each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import GroundError
from ...ground.table import GridSize

LIMITS = ('latency', 'age')
"""For each of these words, there is a limit ``WORD_warn_ms`` and a limit ``WORD_error_ms``."""

PAIRED = ('ground', 'ground_range', 'ground_resolution',
          *(f'{word}_{level}_ms' for word in LIMITS for level in ('warn', 'error')))
"""The parameters that :func:`find_pair_problem` checks."""


def find_pair_problem(name: str, value: Callable[[str], Any]) -> str:
    """Return why a parameter does not fit another parameter. Empty if they fit.

    :param name: name of any parameter. Only a parameter in :data:`PAIRED` is checked.
    :param value: returns the value of the parameter with the given name.
    """
    if name.startswith('ground') and name in PAIRED and value('ground'):
        try:
            GridSize(value('ground_range'), value('ground_resolution'))
        except GroundError as reason:
            return str(reason)
    for word in LIMITS:
        warn, error = f'{word}_warn_ms', f'{word}_error_ms'
        if name in (warn, error) and value(warn) > value(error):
            return (f'`{warn}` would be {value(warn):g}, and `{error}` would be '
                    f'{value(error):g}; expected a `{warn}` that is not above `{error}`')
    return ''
