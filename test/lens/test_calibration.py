# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A camera_info becomes a lens. A wrong one is refused with its reason."""

from types import SimpleNamespace

from lenses import info
import numpy as np
import pytest

from trt_segmentation.errors import LensError
from trt_segmentation.lens.calibration import read_lens, read_rectified


def test_the_lens_has_the_numbers_of_the_message():
    lens = read_lens(info())
    assert (lens.width, lens.height) == (640, 480)
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (500, 510, 320, 240)
    assert (lens.model, lens.coefficients) == ('plumb_bob', (-0.3, 0.1, 0.0, 0.0, 0.0))


def test_binning_and_roi_of_the_driver_make_the_image_smaller():
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=320, height=240)
    lens = read_lens(info(binning_x=2, binning_y=4, roi=roi))
    assert (lens.width, lens.height) == (160, 60)
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (250, 127.5, 110, 50)


def test_a_message_without_distortion_needs_no_model():
    lens = read_lens(info(distortion_model='', d=[]))
    assert (lens.model, lens.coefficients) == ('plumb_bob', ())


def test_an_equidistant_lens_without_coefficients_is_no_pinhole_camera():
    lens = read_lens(info(distortion_model='equidistant', d=[0.0] * 4))
    assert (lens.model, lens.coefficients) == ('equidistant', (0.0,) * 4)
    pixels, seen = lens.project(np.array([[0.5, 0.0, 1.0]]))
    assert seen.tolist() == [True]
    assert pixels[0] == pytest.approx([320 + 500 * np.arctan(0.5), 240])


def test_the_rectified_camera_comes_from_p_and_r():
    turn = [0.0, 1, 0, -1, 0, 0, 0, 0, 1]
    lens, found = read_rectified(info(r=turn))
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (450, 460, 310, 230)
    assert (lens.coefficients, found.reshape(-1).tolist()) == ((), turn)


def test_without_p_and_r_the_rectified_camera_has_the_matrix_k():
    lens, turn = read_rectified(info(p=[0.0] * 12, r=[0.0] * 9))
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (500, 510, 320, 240)
    assert np.array_equal(turn, np.eye(3))


@pytest.mark.parametrize('wrong, text', [
    ({'k': [0.0] * 9}, 'focal lengths are 0 and 0 pixels.*no calibration file'),
    ({'k': [1.0] * 4}, 'k has 4 numbers; expected 9'),
    ({'d': [0.1] * 6}, 'plumb_bob has 6 coefficients'),
    ({'r': [1.0] * 9}, 'which is not a rotation')])
def test_a_wrong_message_is_refused(wrong, text):
    with pytest.raises(LensError, match=text):
        read_rectified(info(**wrong))
