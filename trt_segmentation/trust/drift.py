# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how far the newest frames of a camera are from the reference of the model.

One frame says little, because streets differ. So the mean of the newest frames is compared. Its
distance from the mean of the reference is a Mahalanobis distance: each figure is measured in its
standard deviations, and figures that belong together, such as two shares, do not count twice.

The drift is this distance divided by a limit. The limit follows from the reference itself: as many
of its frames as the window holds are compared with its other frames, again and again. 99 % of
these distances are below the limit. So a drift above 1 is rare for frames like the reference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import TrustError
from .reference import features_of, Reference, Rows
from .tally import FrameFigures

LARGEST = 3.0
"""Largest distance of one frame. A frame that is farther away counts as if it had this distance.
So a single black or overexposed frame does not move the mean much."""
SHRINKAGE = 0.1
"""The correlations between figures are reduced by this part, because few frames overstate them."""
SMALLEST_SHARE, SMALLEST_CERTAINTY = 0.005, (0.001, 0.005)
"""Smallest standard deviations: of the square root of a share, and of entropy and margin."""
PERCENTILE = 99
MOST_WINDOWS = 100
"""Largest number of windows of the reference from which the limit is computed."""
WINDOWS = 3
"""A reference must have at least this many times the frames of a window."""


class _Profile(NamedTuple):
    """Mean, standard deviation, and inverse of the correlation matrix of a reference."""

    mean: Rows
    spread: Rows
    inverse: Rows

    def deviations(self, rows: Rows) -> Rows:
        return self.limit((rows - self.mean) / self.spread)

    def limit(self, deviations: Rows) -> Rows:
        """Shorten each deviation whose distance is above :data:`LARGEST`."""
        lengths = [self.distance(one) for one in deviations]
        return np.asarray(deviations * (LARGEST / np.maximum(lengths, LARGEST))[:, None])

    def distance(self, deviation: Rows) -> float:
        square = float(deviation @ self.inverse @ deviation)
        return float(np.sqrt(max(square, 0.0) / len(deviation)))


class Drift:
    """Compares the newest frames of one camera with a reference. One thread uses the object.

    :param window: number of frames that are compared.
    :raises TrustError: if the reference has too few frames for this window.
    """

    def __init__(self, reference: Reference, window: int) -> None:
        self._classes = len(reference.classes)
        rows = self._transform(reference.frames)
        if len(rows) < WINDOWS * window:
            raise TrustError(
                f'the reference of {reference.model} has {len(rows)} frames, but a window of '
                f'{window} frames needs a reference of at least {WINDOWS * window}. Evaluate more '
                f'images with --save-reference, or set `drift_frames` to {len(rows) // WINDOWS} '
                'or less')
        self._profile = _make_profile(rows, self._classes)
        self._limit = _find_limit(rows, self._classes, window)
        self._newest = np.zeros((window, rows.shape[1]))
        self._count = 0

    def add(self, figures: FrameFigures) -> float | None:
        """Add a frame, and return the drift of the window. None until the window is full.

        A frame without a labelled pixel counts as far away from the reference in every figure.
        """
        row = features_of(figures)
        if row is None or len(row) != self._newest.shape[1]:
            deviations = self._profile.limit(np.full((1, self._newest.shape[1]), 1e3))
        else:
            deviations = self._profile.deviations(self._transform(np.array([row])))
        self._newest[self._count % len(self._newest)] = deviations[0]
        self._count += 1
        if self._count < len(self._newest):
            return None
        return self._profile.distance(self._newest.mean(axis=0)) / self._limit

    def _transform(self, rows: Rows) -> Rows:
        """Take the square root of the shares. Then small and large shares vary about equally."""
        return np.concatenate([np.sqrt(rows[:, :self._classes]), rows[:, self._classes:]], axis=1)


def _make_profile(rows: Rows, classes: int) -> _Profile:
    smallest = np.array([SMALLEST_SHARE] * classes + list(SMALLEST_CERTAINTY))[:rows.shape[1]]
    mean, spread = rows.mean(axis=0), np.maximum(rows.std(axis=0), smallest)
    deviations = (rows - mean) / spread
    related = (1 - SHRINKAGE) * (deviations.T @ deviations) / len(rows)
    # a figure that never varies has no correlation, so its own entry is set
    np.fill_diagonal(related, 1.0)
    return _Profile(mean, spread, np.asarray(np.linalg.inv(related), np.float64))


def _find_limit(rows: Rows, classes: int, window: int) -> float:
    starts = np.unique(np.linspace(0, len(rows) - window, MOST_WINDOWS).astype(int))
    found = []
    for start in starts:
        rest = _make_profile(np.concatenate([rows[:start], rows[start + window:]]), classes)
        deviations = rest.deviations(rows[start:start + window])
        found.append(rest.distance(deviations.mean(axis=0)))
    # identical frames have no distance at all
    return max(float(np.percentile(found, PERCENTILE)), 1e-3)
