# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A temperature that is known is found again."""

from dataclasses import replace

from networks import color_card, color_classifier, cube_colors
import numpy as np
import pytest

from trt_segmentation.accuracy.samples import make_frame, Sample
from trt_segmentation.accuracy.temperature import fit_temperature
from trt_segmentation.errors import EvaluationError
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.host.tally import sample_values

PALETTE = cube_colors(4)


@pytest.fixture
def card(tmp_path):
    return color_card(color_classifier(tmp_path / 'colors.onnx', PALETTE, height=64, width=64),
                      PALETTE)


def noisy_samples(card, count, temperature):
    """Yield images, and a truth that is drawn from the probabilities at a temperature."""
    rng = np.random.default_rng(0)
    pipeline = HostPipeline(card)
    for index in range(count):
        image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        values, _, _ = sample_values(*pipeline.run_network(make_frame(image)))
        scores = values.reshape(len(values), -1) / temperature
        gumbel = rng.gumbel(size=scores.shape)      # argmax then draws from the softmax
        truth = (scores + gumbel).argmax(axis=0).reshape(64, 64).astype(np.uint8)
        yield Sample(f'image {index}', image, truth)
    pipeline.close()


@pytest.mark.parametrize('temperature', [0.7, 3.0])
@pytest.mark.parametrize('present', [1.0, 5.0])
def test_a_known_temperature_is_found(card, temperature, present):
    tempered = replace(card, output=replace(card.output, temperature=present))
    found = fit_temperature(tempered, noisy_samples(card, 4, temperature))
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert (found.fitted, found.checked) == (2, 2)
    assert found.after < found.before
    assert found.after < 0.02


def test_one_image_is_too_few(card):
    with pytest.raises(EvaluationError, match='at least two images'):
        fit_temperature(card, noisy_samples(card, 1, 1.0))


def test_images_without_a_true_class_are_refused(card):
    image, truth = np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 255, np.uint8)
    with pytest.raises(EvaluationError, match='no pixel of the images has a true class'):
        fit_temperature(card, [Sample('a', image, truth)] * 2)


def test_an_image_without_truth_is_named(card):
    with pytest.raises(EvaluationError, match=r'a\.png has no truth'):
        fit_temperature(card, [Sample('a.png', np.zeros((8, 8, 3), np.uint8))])
