# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A copy of a model card has another temperature, and everything else is the same."""

from dataclasses import fields

import numpy as np
import pytest

from trt_segmentation.errors import ModelCardError, OutputError
from trt_segmentation.model.card import card_from_dict, load_card
from trt_segmentation.model.card_copy import save_with_temperature

TEXT = """# my comment
model: nets/net.onnx
input: {color: bgr, resize: crop, std: [0.00392, 1.0e-05, 0.1]}
output: {kind: logits, temperature: 3}
classes: ['no', 'on', 'ä b']
plugins: [libmine.so]
"""


@pytest.fixture
def card(tmp_path):
    (tmp_path / 'nets').mkdir()
    (tmp_path / 'nets' / 'net.onnx').touch()
    (tmp_path / 'mine.yaml').write_text(TEXT, encoding='utf-8')
    return load_card(tmp_path / 'mine.yaml')


@pytest.mark.parametrize('folder', ['.', 'other'])
def test_the_copy_is_the_same_model(card, tmp_path, folder):
    (tmp_path / 'other').mkdir()
    path = tmp_path / folder / 'copy.yaml'
    save_with_temperature(card, 1.23456, path, '--save-card')
    copy = load_card(path)
    assert copy.output.temperature == 1.2346
    for field in fields(card):
        if field.name == 'palette':
            np.testing.assert_array_equal(copy.palette, card.palette)
        elif field.name in ('model', 'plugins'):
            assert str(getattr(copy, field.name)) == str(getattr(card, field.name))
        elif field.name not in ('output', 'source'):
            assert getattr(copy, field.name) == getattr(card, field.name)
    assert card.source.read_text(encoding='utf-8') == TEXT


def test_an_own_copy_is_replaced_and_the_card_is_not(card, tmp_path):
    path = tmp_path / 'copy.yaml'
    for temperature in (1.5, 2.5):
        save_with_temperature(card, temperature, path, '--save-card')
    assert load_card(path).output.temperature == 2.5
    with pytest.raises(OutputError, match=r'--save-card .*mine.yaml exists'):
        save_with_temperature(card, 1.5, card.source, '--save-card')
    assert card.source.read_text(encoding='utf-8') == TEXT


def test_a_card_without_a_file_is_refused(tmp_path):
    card = card_from_dict({'model': 'net.onnx', 'classes': ['a', 'b']})
    with pytest.raises(ModelCardError, match='the card net has no file'):
        save_with_temperature(card, 2, tmp_path / 'copy.yaml', '--save-card')
