# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The candidates of a small network are measured on a real GPU, in a trial process."""

from networks import color_card, color_classifier, cube_colors
import pytest

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from trt_segmentation.engines.gpu_identity import gpu_identity
from trt_segmentation.errors import EngineError
from trt_segmentation.tuning.candidates import CANDIDATES, FIRST
from trt_segmentation.tuning.measure import measure_candidates
from trt_segmentation.tuning.open_tuned import TunedOpener


@pytest.fixture
def gpu():
    try:
        return gpu_identity(0)
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture
def card(tmp_path):
    colors = cube_colors(4)
    return color_card(color_classifier(tmp_path / 'm.onnx', colors, height=64, width=96, batch=1),
                      colors)


def test_every_candidate_has_a_time_or_a_reason(gpu, card):
    results = measure_candidates(card, 0)
    names = [result.name for result in results]
    assert names[:-1] == list(FIRST) and names[-1] in CANDIDATES and 'exhaustive' in names[-1]
    assert not results[0].refused and results[0].difference == 0
    for result in results:
        assert result.refused or (result.ms > 0 and result.opened_s > 0)


def test_the_choice_is_found_again(gpu, card, tmp_path):
    lines = []
    for expected in ('built', 'hit'):
        results, source = TunedOpener(str(tmp_path / 'cache'), lines.append).find(card, 0)
        assert source == expected and len(results) == len(FIRST) + 1
