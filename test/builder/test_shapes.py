# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes from the command line become the profile of a network's input."""

import pytest

from trt_segmentation.builder.shapes import make_profile, parse_batch, parse_sizes, Profile
from trt_segmentation.errors import GraphError
from trt_segmentation.model.card import InputCard

OPEN = {'image': ('n', 3, 'h', 'w')}
FIXED = {'image': (1, 3, 64, 96)}
CARD = InputCard(height=512, width=1024)


def test_one_size_is_minimum_usual_and_maximum():
    assert parse_sizes('512x1024') == [(512, 1024)] * 3
    assert parse_sizes('256x256/512×512 / 1024x1024') == [(256, 256), (512, 512), (1024, 1024)]
    assert parse_batch('2') == [2, 2, 2]
    assert parse_batch('1/2/4') == [1, 2, 4]


@pytest.mark.parametrize('text', ['', '512', '512x', '1x1/2x2', '1x1/2x2/3x3/4x4', 'axb', '-1x3'])
def test_bad_sizes(text):
    with pytest.raises(GraphError, match='expected HEIGHTxWIDTH'):
        parse_sizes(text)


@pytest.mark.parametrize('text', ['', 'a', '1/2', '1.5', '-1', '1/2/3/4'])
def test_bad_batches(text):
    with pytest.raises(GraphError, match='expected a number'):
        parse_batch(text)


@pytest.mark.parametrize('sizes,batch,expected', [
    ('', '', [(1, 3, 512, 1024), (1, 3, 512, 1024), (8, 3, 512, 1024)]),
    ('64x96', '2', [(2, 3, 64, 96)] * 3),
    ('64x96/128x192/256x384', '1/2/4', [(1, 3, 64, 96), (2, 3, 128, 192), (4, 3, 256, 384)])])
def test_open_sides_come_from_the_options_then_the_card(sizes, batch, expected):
    assert make_profile(OPEN, CARD, sizes, batch) == {'image': Profile(*expected)}


def test_fixed_sides_need_no_option_and_may_be_repeated():
    expected = {'image': Profile(*[(1, 3, 64, 96)] * 3)}
    assert make_profile(FIXED, InputCard()) == expected
    assert make_profile(FIXED, CARD, '64x96', '1') == expected


def test_channels_last():
    found = make_profile({'image': ('n', 'h', 'w', 3)}, InputCard(), '64x96', '2')
    assert found == {'image': Profile(*[(2, 64, 96, 3)] * 3)}


@pytest.mark.parametrize('sizes,batch,text', [
    ('64x128', '', r'fixes image at 1×3×64×96, so --shapes cannot set axis 3 to 128/128/128'),
    ('', '1/2/4', r'--batch cannot set axis 0 to 1/2/4. Export the model with a dynamic axis 0')])
def test_fixed_sides_cannot_be_changed(sizes, batch, text):
    with pytest.raises(GraphError, match=text):
        make_profile(FIXED, CARD, sizes, batch)


def test_unknown_size_is_an_error():
    with pytest.raises(GraphError, match=r'the size of h is unknown. Give --shapes'):
        make_profile(OPEN, InputCard())


def test_sizes_must_ascend():
    with pytest.raises(GraphError, match='axis 2 of the profile is 128/64/256'):
        make_profile(OPEN, CARD, '128x96/64x96/256x96')
    with pytest.raises(GraphError, match='axis 0 of the profile is 0/1/1'):
        make_profile(OPEN, CARD, '64x96', '0/1/1')
