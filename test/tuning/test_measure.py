# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The tuner measures its candidates in one process, and goes on if a candidate ends it."""

from dataclasses import asdict
import json
from pathlib import Path

from networks import color_card, color_classifier, cube_colors
import pytest

from trt_segmentation.errors import EngineError
from trt_segmentation.tuning.candidates import FIRST, Measured, PLAIN
from trt_segmentation.tuning.measure import measure_candidates, run_trial
from trt_segmentation.tuning.request import read_card

NAMES = list(FIRST)
LAST = 'NHWC, exhaustive search'


class Trials:
    """Simulates trial processes. A process ends at each candidate of ``ends_at``."""

    def __init__(self, ends_at=()):
        self.asked = []
        self._ends_at = ends_at

    def __call__(self, request):
        tree = json.loads(request)
        self.asked.append(tree)
        lines = ['a line of a library']
        for name in [PLAIN, *tree['candidates'], LAST]:
            if name in self._ends_at:
                return '\n'.join(lines), 'its process ended with status -11'
            lines.append(json.dumps(asdict(Measured(name, 1.0 + len(name), 2.0))))
        return '\n'.join(lines), ''


@pytest.fixture
def card(tmp_path):
    colors = cube_colors(4)
    return color_card(color_classifier(tmp_path / 'classifier.onnx', colors), colors)


def test_all_candidates_are_measured_in_one_process(card):
    trials = Trials()
    results = measure_candidates(card, 1, trials)
    assert [result.name for result in results] == [*NAMES, LAST]
    assert [result.failed for result in results] == [''] * 5
    (asked,) = trials.asked
    assert (asked['candidates'], asked['gpu'], asked['known']) == (NAMES[1:], 1, [])
    found = read_card(json.loads(json.dumps(asked['card'])))
    assert (found.model, found.input, found.output, len(found.classes)) == (
        card.model.resolve(), card.input, card.output, len(card.classes))


def test_a_candidate_that_ends_the_process_is_left_out_and_the_next_ones_are_measured(card):
    trials = Trials(ends_at=(NAMES[1], NAMES[3]))
    results = measure_candidates(card, 0, trials)
    assert {result.name: result.failed for result in results} == {
        NAMES[0]: '', NAMES[1]: 'its process ended with status -11', NAMES[2]: '',
        NAMES[3]: 'its process ended with status -11'}
    assert [asked['candidates'] for asked in trials.asked] == [NAMES[1:], NAMES[2:]]
    assert [tree['name'] for tree in trials.asked[1]['known']] == NAMES[:2]


def test_an_exhaustive_search_that_ends_the_process_is_left_out(card):
    trials = Trials(ends_at=(LAST,))
    assert [result.name for result in measure_candidates(card, 0, trials)] == NAMES
    assert len(trials.asked) == 1


def test_without_the_plain_candidate_there_is_no_measurement(card):
    with pytest.raises(EngineError, match=r'classifier.onnx cannot be measured: its process ended '
                                          r'with status -11'):
        measure_candidates(card, 0, Trials(ends_at=(PLAIN,)))


def test_a_process_that_fails_is_reported_with_its_last_line():
    text, why = run_trial('no JSON')
    assert text == ''
    assert why.startswith('its process ended with status 1: ')
    assert Path(__file__).name not in why
