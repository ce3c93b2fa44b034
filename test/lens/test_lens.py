# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A lens projects points as its distortion model defines, and refuses wrong numbers."""

from hypothesis import given, settings
from hypothesis import strategies as st
from lenses import lens_of, LENSES
import numpy as np
import pytest

from trt_segmentation.errors import LensError
from trt_segmentation.lens.lens import Lens


def expected_pixel(lens, point):
    """Compute a pixel from the definitions in the documentation of sensor_msgs and OpenCV."""
    x, y = point[0] / point[2], point[1] / point[2]
    d = [*lens.coefficients, *[0.0] * 8]
    r = np.hypot(x, y)
    if lens.model == 'equidistant':
        angle = np.arctan(r)
        bent = angle * (1 + sum(d[i] * angle ** (2 * i + 2) for i in range(4)))
        x, y = x * bent / r, y * bent / r
    else:
        k1, k2, p1, p2, k3, k4, k5, k6 = d[:8]
        gain = (1 + k1 * r**2 + k2 * r**4 + k3 * r**6) / (1 + k4 * r**2 + k5 * r**4 + k6 * r**6)
        x, y = (x * gain + 2 * p1 * x * y + p2 * (r**2 + 2 * x * x),
                y * gain + p1 * (r**2 + 2 * y * y) + 2 * p2 * x * y)
    return lens.fx * x + lens.cx, lens.fy * y + lens.cy


@settings(deadline=None, max_examples=100)
@given(model=st.sampled_from(list(LENSES)), x=st.floats(-0.4, 0.4), y=st.floats(-0.25, 0.25),
       depth=st.floats(0.1, 90))
def test_a_point_lands_where_the_model_says(model, x, y, depth):
    lens, point = lens_of(model), np.array([[x * depth + 1e-3, y * depth, depth]])
    pixels, seen = lens.project(point)
    assert seen.tolist() == [True]
    assert pixels[0] == pytest.approx(expected_pixel(lens, point[0]), abs=1e-6)


@pytest.mark.parametrize('model', LENSES)
def test_the_image_shows_only_points_in_front_of_it_and_inside_its_edges(model):
    lens = lens_of(model)
    points = np.array([[0, 0, 1], [0, 0, -1], [0, 0, 0], [3, 0, 1.0], [0, 2, 1.0]])
    _, seen = lens.project(points)
    assert seen.tolist() == [True, False, False, False, False]


def test_the_polynomial_does_not_bring_far_points_back_into_the_image():
    lens = lens_of('plumb_bob', (-0.35, 0.0, 0.0, 0.0))
    # 1 - 0.35 r^2 falls to 0 at r = 1.69, so this point would land near the principal point
    folded = np.array([[1.66, 0.0, 1.0]])
    assert expected_pixel(lens, folded[0])[0] < lens.width
    assert lens.project(folded)[1].tolist() == [False]


@pytest.mark.parametrize('wrong, text', [
    ({'fx': 0.0}, 'focal lengths are 0 and 710 pixels'),
    ({'fy': float('nan')}, 'not finite'),
    ({'height': 0}, 'an image of 1280x0'),
    ({'model': 'fov'}, "distortion model is 'fov'; expected one of plumb_bob"),
    ({'coefficients': (1.0,) * 3}, 'plumb_bob has 3 coefficients; expected 0 or 4 or 5')])
def test_wrong_numbers_are_named(wrong, text):
    right = {'width': 1280, 'height': 720, 'fx': 700.0, 'fy': 710.0, 'cx': 630.0, 'cy': 350.0}
    with pytest.raises(LensError, match=text):
        Lens(**{**right, **wrong})
