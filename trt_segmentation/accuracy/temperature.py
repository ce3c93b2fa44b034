# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Fit the temperature of a model card, so that confidences are neither too high nor too low.

The scores of a network are divided by the temperature before they become a confidence. The fit
uses the scores of ONNX Runtime on the CPU, because other pipelines keep their scores on the GPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..errors import EvaluationError
from ..frame import UNLABELLED
from ..host.pipeline import HostPipeline
from ..host.tally import sample_values
from ..model.card import ModelCard
from .confidence_counts import bin_error, BINS
from .samples import make_frame, Sample

MOST_NUMBERS = 50_000_000
"""Largest number of scores in memory, for all images together. They need 200 MB."""
PIXELS = 4096
"""Largest number of pixels that are used from one image."""
LOWEST, HIGHEST = 0.01, 100.0
"""The range of a temperature in a card."""

Scores32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FittedTemperature:
    """A temperature, and the calibration errors on the images that were not used for the fit.

    :param before: expected calibration error with the card's present temperature; see
        :attr:`.ConfidenceCounts.calibration_error`.
    :param after: the same error with the new temperature.
    :param fitted: number of images for the fit.
    :param checked: number of images for the check.
    """

    temperature: float
    before: float
    after: float
    fitted: int
    checked: int


def fit_temperature(card: ModelCard, samples: Iterable[Sample]) -> FittedTemperature:
    """Fit a temperature on every second image, and check the result on the other images.

    The fit makes the mean negative log likelihood of the true classes as small as possible.

    :raises EvaluationError: if the network gives no scores, if there are fewer than two
        images, if an image has no label map, or if no pixel has a true class.
    :raises EngineError: if the network does not run on the CPU.
    """
    parts: tuple[list[_Pixels], list[_Pixels]] = ([], [])
    plain = replace(card, output=replace(card.output, temperature=1.0))
    with closing(HostPipeline(plain)) as pipeline:
        kind = pipeline.signature.output.kind
        if kind.values != 'scores':
            raise EvaluationError(
                f'the output of {card.name} is of kind {kind}, but a temperature needs scores. '
                'Export the model with its scores as output')
        for index, sample in enumerate(samples):
            parts[index % 2].append(_read_pixels(pipeline, sample))
    if not parts[1]:
        raise EvaluationError('a temperature needs at least two images: one for the fit, and one '
                              'to check it')
    fit, check = map(_join, parts)
    temperature = _minimise(fit)
    return FittedTemperature(temperature, check.error(card.output.temperature),
                             check.error(temperature), *map(len, parts))


@dataclass(frozen=True)
class _Pixels:
    """Scores (n, classes) and true class ids (n,) of n pixels.

    If the network output has one channel, a channel of zeros is added for class 0.
    """

    scores: Scores32
    truth: npt.NDArray[np.intp]

    def slope(self, sharpness: float) -> float:
        """Return the derivative d(mean negative log likelihood) / d(1 / temperature)."""
        chances = self._chances(sharpness)
        right = self.scores[np.arange(len(self.truth)), self.truth]
        return float(((chances * self.scores).sum(axis=1) - right).mean(dtype=np.float64))

    def error(self, temperature: float) -> float:
        """Return the expected calibration error with a temperature."""
        chances = self._chances(1 / temperature)
        confidence = chances.max(axis=1).astype(np.float64)
        right = chances.argmax(axis=1) == self.truth
        bins = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
        return bin_error(np.ones(len(bins)), confidence, right, bins)

    def _chances(self, sharpness: float) -> Scores32:
        powers = np.exp((self.scores - self.scores.max(axis=1, keepdims=True))
                        * np.float32(sharpness))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _read_pixels(pipeline: HostPipeline, sample: Sample) -> _Pixels:
    if sample.truth is None:
        raise EvaluationError(f'{sample.name} has no truth. Evaluate only labelled images')
    values, rows, cols = sample_values(*pipeline.run_network(make_frame(sample.image)))
    truth = sample.truth[rows.start:rows.stop:rows.step, cols.start:cols.stop:cols.step]
    finite = (np.abs(values) < 1e6).all(axis=0)
    seen = np.flatnonzero((truth != UNLABELLED[truth.dtype]) & finite)
    seen = seen[::-(-len(seen) // PIXELS) or 1]
    scores = values.reshape(len(values), -1)[:, seen].T
    if len(values) == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    return _Pixels(scores.astype(np.float32), truth.reshape(-1)[seen].astype(np.intp))


def _join(pixels: list[_Pixels]) -> _Pixels:
    """Return the pixels of all images. If there are too many scores, keep every n-th pixel."""
    count = sum(one.scores.size for one in pixels)
    step = -(-count // MOST_NUMBERS) or 1
    joined = _Pixels(np.concatenate([one.scores[::step] for one in pixels]),
                     np.concatenate([one.truth[::step] for one in pixels]))
    if not len(joined.truth):
        raise EvaluationError('no pixel of the images has a true class, so no temperature can be '
                              'fitted. Check the label maps')
    return joined


def _minimise(pixels: _Pixels) -> float:
    """Return the temperature with the smallest negative log likelihood.

    As a function of 1 / temperature, the negative log likelihood has only one minimum. So its
    derivative changes sign only once.
    """
    low, high = np.log(1 / HIGHEST), np.log(1 / LOWEST)
    while high - low >= 1e-4:
        middle = (low + high) / 2
        if pixels.slope(float(np.exp(middle))) < 0:
            low = middle
        else:
            high = middle
    return float(np.exp(-(low + high) / 2))
