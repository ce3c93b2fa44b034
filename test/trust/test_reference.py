# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A reference is written, read again, and refused if it does not fit."""

from dataclasses import replace
import json

from networks import color_card, color_classifier, cube_colors
import numpy as np
import pytest

from trt_segmentation.errors import OutputError, TrustError
from trt_segmentation.trust import reference
from trt_segmentation.trust.reference import (
    features_of,
    load_reference,
    make_reference,
    reference_path,
)
from trt_segmentation.trust.tally import FrameFigures
from trt_segmentation.untrusted.output_files import MARKER

PALETTE = cube_colors(3)


def figures(count, certain=True):
    rng = np.random.default_rng(0)
    return [FrameFigures(rng.dirichlet([2, 3, 4]), 0.0, *(
        rng.random(2) if certain else (None, None))) for _ in range(count)]


@pytest.fixture
def card(tmp_path):
    card = color_card(color_classifier(tmp_path / 'net.onnx', PALETTE), PALETTE)
    return replace(card, source=tmp_path / 'net.yaml')


@pytest.fixture
def path(card):
    path = reference_path(card)
    make_reference(card, figures(7)).save(path)
    return path


def test_a_reference_comes_back(card, path):
    assert path == card.source.with_name('net.reference.json')
    found = load_reference(path, card)
    assert (found.classes, found.temperature) == (card.classes, 1.0)
    np.testing.assert_allclose(found.frames, [features_of(one) for one in figures(7)], atol=1e-6)


def test_a_network_with_class_ids_has_shares_only(card, path):
    make_reference(card, figures(4, certain=False)).save(path)
    assert load_reference(path, card).frames.shape == (4, 3)


def test_frames_without_a_label_are_left_out(card):
    blank = FrameFigures(np.zeros(3), 1.0, None, None)
    assert len(make_reference(card, [*figures(2), blank]).frames) == 2
    with pytest.raises(TrustError, match='labels no pixel of these images'):
        make_reference(card, [blank])


def test_too_many_frames_are_thinned_evenly(card, monkeypatch):
    monkeypatch.setattr(reference, 'MOST_FRAMES', 3)
    found = make_reference(card, figures(7))
    np.testing.assert_array_equal(found.frames, [features_of(figures(7)[i]) for i in (0, 3, 6)])


def test_a_file_of_the_user_stays(card, tmp_path):
    path = tmp_path / 'mine.json'
    path.write_text('{"mine": 1}')
    with pytest.raises(OutputError, match='trt_seg did not write it'):
        make_reference(card, figures(2)).save(path)
    assert path.read_text() == '{"mine": 1}'


@pytest.mark.parametrize('change, message', [
    ({'temperature': 2.0}, r'its temperature is 2, but the card says 1'),
    ({'classes': ['a', 'b', 'c']},
     r'the names of its 3 classes differ from the names of the 3 classes in the card'),
    ({'network': 'f' * 64}, r'net.onnx has changed since the reference was made'),
    ({'frames': [[0.1, 0.9]]}, r'its rows have 2 numbers; expected 3 or 5')])
def test_a_reference_of_another_model_is_refused(card, path, change, message):
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(TrustError, match=f'does not fit the model .*{message}.*--save-reference'):
        load_reference(path, card)


def test_a_reference_with_too_many_numbers_is_refused(card, path, monkeypatch):
    monkeypatch.setattr(reference, 'MOST_NUMBERS', 2)
    with pytest.raises(TrustError, match=r'`frames` has \d+ numbers; expected at most 2\b'):
        load_reference(path, card)


def test_a_damaged_file_is_refused_in_plain_words(card, path):
    for text, reason in (
            ('[]', 'the marker of trt_segmentation is missing'),
            (f'{{"written_by": "{MARKER}"}}', "'model' is missing"),
            ('', 'Expecting value: line 1 column 1 (char 0)')):
        path.write_text(text)
        with pytest.raises(TrustError) as caught:
            load_reference(path, card)
        assert str(caught.value).startswith(f'{path} is not a reference: {reason}. To write a new')


@pytest.mark.parametrize('text', [
    '', '[]', '{"written_by": "me"}', f'{{"written_by": "{MARKER}"}}', '[' * 100_000,
    *(f'{{"written_by": "{MARKER}", "model": "m", "network": "n", "temperature": {temperature}, '
      f'"classes": ["a"], "frames": {frames}}}' for temperature, frames in [
          (1, '[]'), (1, '[[NaN, 0, 0]]'), (1, '[[2, 0, 0]]'), (1, '[[1], [1, 2]]'),
          (1, '[["x"]]'), ('1e999999', '7'), ('"x"', '[[1]]'), (1, '[[1' + '0' * 400 + ']]')])])
def test_a_damaged_file_is_refused(card, path, text):
    path.write_text(text)
    with pytest.raises(TrustError, match=r'net\.reference\.json is not a reference: .*'
                                         r'run `trt_seg eval` with --save-reference'):
        load_reference(path, card)


def test_a_missing_file_is_named(card, tmp_path):
    with pytest.raises(TrustError, match=r'the reference .*none\.json does not exist'):
        load_reference(tmp_path / 'none.json', card)
