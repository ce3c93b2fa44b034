# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Each resize policy places the image in the network input."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
import oracle
import pytest

from trt_segmentation.model.card import RESIZES
from trt_segmentation.model.geometry import fit

SIDES = st.tuples(st.integers(1, 400), st.integers(1, 400))


@pytest.mark.parametrize('resize, expected', [
    ('stretch', ((512, 0), (1024, 0))),
    ('letterbox', ((512, 0), (910, 57))),
    ('crop', ((576, -32), (1024, 0))),
])
def test_full_hd_into_a_wide_network(resize, expected):
    geometry = fit(resize, (1080, 1920), (512, 1024))
    assert ((geometry.rows.new, geometry.rows.offset),
            (geometry.cols.new, geometry.cols.offset)) == expected


def test_crop_sees_only_the_middle():
    geometry = fit('crop', (100, 300), (50, 50))
    assert geometry.rows.visible == (0, 100)
    assert geometry.cols.visible == (100, 200)
    assert not geometry.all_visible
    assert fit('letterbox', (100, 300), (50, 50)).all_visible


@settings(deadline=None, max_examples=150)
@given(resize=st.sampled_from(RESIZES), camera=SIDES, net=SIDES)
def test_agrees_with_exact_arithmetic(resize, camera, net):
    geometry = fit(resize, camera, net)
    for axis, exact, c, n in zip((geometry.rows, geometry.cols),
                                 oracle.placement(resize, camera, net), camera, net):
        scale, offset, new = exact
        assert (axis.new, axis.offset) == (new, offset)
        assert axis.scale == pytest.approx(float(scale), rel=1e-15)
        first, stop = axis.visible
        seen = oracle.visible(exact, c, n)
        assert list(seen) == [first <= i < stop for i in range(c)]


@settings(deadline=None, max_examples=60)
@given(resize=st.sampled_from(RESIZES), camera=SIDES, net=SIDES, size=st.integers(1, 99))
def test_grid_is_the_same_mapping_in_other_units(resize, camera, net, size):
    axis = fit(resize, camera, net).cols
    scale, offset = axis.grid(size)
    exact = (Fraction(7, 2) * Fraction(axis.new, axis.camera) + axis.offset) * size / axis.net
    assert 3.5 * scale + offset == pytest.approx(float(exact), rel=1e-12, abs=1e-9)
