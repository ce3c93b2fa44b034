# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how much the newest frames of a camera differ from the reference of the model.

Each frame has several figures: the share of each class, the entropy and the margin. The entropy
and the margin tell how sure the model is, see :mod:`.tally`. The reference has the figures of the
frames on which the model was evaluated.

A single frame says little, because streets differ. So the mean of the newest frames is compared
with the mean of the reference. The compared frames are called a window. The distance between the
means is a Mahalanobis distance: each figure is measured in standard deviations, and correlated
figures, such as two shares, do not count twice.

The drift is this distance divided by a limit. To compute the limit, this module takes many windows
from the reference, and compares each window with all other frames of the reference. 99 % of these
distances are at most the limit. So a drift above 1 is rare for frames like the reference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import TrustError
from .reference import features_of, Reference, Rows
from .tally import FrameFigures

LARGEST = 3.0
"""If the distance of one frame from the mean of the reference is above this number, the distance
is reduced to this number. So a single black or overexposed frame does not move the mean much."""
SHRINKAGE = 0.1
"""Each correlation between two figures is reduced by this fraction. A correlation that is computed
from few frames is usually too high."""
SMALLEST_SHARE, SMALLEST_CERTAINTY = 0.005, (0.001, 0.005)
"""Lower limits of the standard deviations. The first number is for the square root of a share. The
pair is for entropy and margin."""
PERCENTILE = 99
"""Percentage of the windows of the reference whose distance is at most the limit."""
MOST_WINDOWS = 100
"""The limit is computed from at most this many windows of the reference."""
WINDOW = 60
"""By default, a window of the node has this many frames."""
WINDOWS = 3
"""If a window has n frames, the reference must have at least this number × n frames."""


class _Profile(NamedTuple):
    """Mean, standard deviation, and inverse of the correlation matrix of a reference."""

    mean: Rows
    spread: Rows
    inverse: Rows

    def deviations(self, rows: Rows) -> Rows:
        return self.limit((rows - self.mean) / self.spread)

    def limit(self, deviations: Rows) -> Rows:
        """Reduce each deviation, so that its distance is at most :data:`LARGEST`."""
        lengths = [self.distance(one) for one in deviations]
        return np.asarray(deviations * (LARGEST / np.maximum(lengths, LARGEST))[:, None])

    def distance(self, deviation: Rows) -> float:
        square = float(deviation @ self.inverse @ deviation)
        return float(np.sqrt(max(square, 0.0) / len(deviation)))


class Drift:
    """Compares the newest frames of one camera with a reference. Only one thread may use it.

    :param window: number of newest frames that are compared with the reference.
    :raises TrustError: if the reference has too few frames for this window.
    """

    def __init__(self, reference: Reference, window: int) -> None:
        self._classes = len(reference.classes)
        rows = self._transform(reference.frames)
        if len(rows) < WINDOWS * window:
            raise TrustError(
                f'the reference of {reference.model} has {len(rows)} frames; expected at least '
                f'{WINDOWS * window}, because `drift_frames` is {window}. Evaluate more images '
                f'with --save-reference, or set `drift_frames` to {len(rows) // WINDOWS} or less')
        self._profile = _make_profile(rows, self._classes)
        self._limit = _find_limit(rows, self._classes, window)
        self._newest = np.zeros((window, rows.shape[1]))
        self._count = 0

    def add(self, figures: FrameFigures) -> float | None:
        """Add a frame, and return the drift of the window. Return None until the window is full.

        A frame whose pixels are all unlabelled counts with the largest distance, :data:`LARGEST`.
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

    @property
    def progress(self) -> str:
        """How full the window is, such as ``29 of 60 frames``."""
        window = len(self._newest)
        return f'{min(self._count, window)} of {window} frames'

    def _transform(self, rows: Rows) -> Rows:
        """Take the square root of the shares. Then small and large shares vary about equally."""
        return np.concatenate([np.sqrt(rows[:, :self._classes]), rows[:, self._classes:]], axis=1)


def _make_profile(rows: Rows, classes: int) -> _Profile:
    smallest = np.array([SMALLEST_SHARE] * classes + list(SMALLEST_CERTAINTY))[:rows.shape[1]]
    mean, spread = rows.mean(axis=0), np.maximum(rows.std(axis=0), smallest)
    deviations = (rows - mean) / spread
    related = (1 - SHRINKAGE) * (deviations.T @ deviations) / len(rows)
    # Without this line, the matrix would have no inverse if a figure never varies.
    np.fill_diagonal(related, 1.0)
    return _Profile(mean, spread, np.asarray(np.linalg.inv(related), np.float64))


def _find_limit(rows: Rows, classes: int, window: int) -> float:
    starts = np.unique(np.linspace(0, len(rows) - window, MOST_WINDOWS).astype(int))
    found = []
    for start in starts:
        rest = _make_profile(np.concatenate([rows[:start], rows[start + window:]]), classes)
        deviations = rest.deviations(rows[start:start + window])
        found.append(rest.distance(deviations.mean(axis=0)))
    # If all frames of the reference are identical, the distances are 0. But the limit must not be
    # 0, because the drift is divided by the limit.
    return max(float(np.percentile(found, PERCENTILE)), 1e-3)
