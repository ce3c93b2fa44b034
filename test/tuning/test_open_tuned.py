# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""open_pipeline uses the settings that the tuner chose."""

from networks import color_card, color_classifier, cube_colors
import pytest

from trt_segmentation.engines.gpu_identity import GpuIdentity
from trt_segmentation.errors import EngineError
from trt_segmentation.tuning import open_candidate
from trt_segmentation.tuning.candidates import CANDIDATES, Measured, PLAIN
from trt_segmentation.tuning.open_tuned import describe, TunedOpener

FAST, BROKEN = 'NHWC, fused bias, heuristic search', 'NCHW, fused bias, heuristic search'
RESULTS = [Measured(PLAIN, 1.0, 1.5), Measured(FAST, 0.8, 2.0, 0.001),
           Measured(BROKEN, failed='cuDNN has no such plan'),
           Measured('NHWC, exhaustive search', 0.5, 2.0, 0.9)]


class Engine:
    cache = tuning = ''

    def __init__(self, card, gpu, stream, options, network):
        assert network == b''
        self.opened_with = (card.name, gpu, stream, options)


class Measure:
    def __init__(self, result):
        self.calls = []
        self._result = result

    def __call__(self, card, gpu):
        self.calls.append((card.name, gpu))
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


@pytest.fixture
def card(tmp_path):
    colors = cube_colors(4)
    return color_card(color_classifier(tmp_path / 'classifier.onnx', colors), colors)


@pytest.fixture
def opener(tmp_path, monkeypatch):
    monkeypatch.setattr(open_candidate, 'OnnxRuntimeCuda', Engine)

    def make(result, lines, name='Test GPU'):
        measure = Measure(result)
        return measure, TunedOpener(str(tmp_path / 'cache'), lines.append, measure,
                                    lambda gpu: GpuIdentity(name, 'sm_90', '580'))
    return make


def test_a_network_is_measured_once_and_opened_with_the_fastest_options(card, opener):
    lines = []
    measure, first = opener(RESULTS, lines)
    engines = [first(card, 0, stream) for stream in (7, 8)]
    assert measure.calls == [(card.name, 0)]
    for engine, stream in zip(engines, (7, 8)):
        assert engine.opened_with == (card.name, 0, stream, CANDIDATES[FAST].options)
        assert engine.cache == 'built'
        assert engine.tuning == f'"{FAST}" takes 0.80 ms; "{PLAIN}" takes 1.00 ms'
    assert len(lines) == 4
    assert 'with 5 sets of ONNX Runtime options' in lines[0] and '`--no-tune`' in lines[0]
    assert lines[1] == f'"{BROKEN}" cannot be used: cuDNN has no such plan'
    assert lines[2].startswith('"NHWC, exhaustive search" cannot be used: the network output ')
    measure, later = opener(RESULTS, lines)
    assert later(card, 0, 9).cache == 'hit' and measure.calls == [] and len(lines) == 4
    measure, other = opener(RESULTS, lines, 'Another GPU')
    assert other(card, 0, 9).cache == 'built' and measure.calls == [(card.name, 0)]


def test_a_network_that_cannot_be_measured_runs_with_the_plain_options(card, opener):
    lines = []
    measure, tuned = opener(EngineError('the process ended'), lines)
    engine = tuned(card, 0, 7)
    assert engine.opened_with[3] == CANDIDATES[PLAIN].options
    assert (engine.cache, engine.tuning) == ('', '')
    assert lines[-1] == (f'{card.name} is not tuned and runs with the options "{PLAIN}". '
                         'Reason: the process ended')
    measure, again = opener(RESULTS, [])       # the cache must not keep the failure
    assert again(card, 0, 7).opened_with[3] == CANDIDATES[FAST].options and len(measure.calls) == 1


def test_beside_a_network_at_work_only_a_stored_choice_is_used(card, opener, tmp_path):
    lines = []
    identity = GpuIdentity('Test GPU', 'sm_90', '580')

    def beside():
        return TunedOpener(str(tmp_path / 'cache'), lines.append, None,
                           lambda gpu: identity)(card, 0, 7)
    plain = beside()
    assert plain.opened_with[3] == CANDIDATES[PLAIN].options and not plain.tuning
    assert lines == [
        f'{card.name} is not tuned and runs with the options "{PLAIN}". Reason: the old '
        'network is still in use and would disturb the measurements. The next start with this '
        'model will measure']
    measure, alone = opener(RESULTS, lines)
    fast = alone(card, 0, 7)
    assert len(measure.calls) == 1 and plain.opened_with != fast.opened_with
    assert beside().opened_with == fast.opened_with


def test_a_cache_that_cannot_be_used_is_told_and_nothing_is_measured(card, opener, tmp_path):
    (tmp_path / 'cache').write_text('a file')
    lines = []
    measure, tuned = opener(RESULTS, lines)
    assert tuned(card, 0, 7).opened_with[3] == CANDIDATES[PLAIN].options
    assert measure.calls == [] and 'cannot hold engines' in lines[0]


def test_the_plain_options_may_win():
    assert describe([Measured(PLAIN, 1.0, 1.0), Measured(FAST, 1.2, 1.0)]) == (
        f'"{PLAIN}" takes 1.00 ms, and no other options are clearly faster')
