# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The lookup of a rectified image shows straight lines of the world as straight lines."""

from lenses import lens_of, LENSES
import numpy as np
import pytest

from trt_segmentation.lens.calibration import Rectified
from trt_segmentation.lens.lens import Lens
from trt_segmentation.lens.rectify import make_lookup, NOWHERE, STEP

TILT = np.array([[1, 0, 0], [0, np.cos(0.05), -np.sin(0.05)], [0, np.sin(0.05), np.cos(0.05)]])


@pytest.mark.parametrize('model', LENSES)
@pytest.mark.parametrize('turn', [np.eye(3), TILT], ids=['straight', 'tilted'])
def test_each_pixel_is_where_the_lens_projects_its_ray(model, turn):
    lens, target = lens_of(model), Lens(320, 240, 150.0, 155.0, 158.0, 121.0)
    lookup = make_lookup(lens, Rectified(target, turn))
    assert (lookup.shape, lookup.dtype) == ((240, 320, 2), np.float32)
    rows, columns = np.mgrid[:240, :320]
    rays = np.stack([(columns - 158) / 150, (rows - 121) / 155, np.ones_like(rows)], axis=-1)
    pixels, seen = lens.project(rays.reshape(-1, 3) @ turn)
    pixels, seen = pixels.reshape(240, 320, 2), seen.reshape(240, 320)
    inside = (pixels >= 0).all(axis=-1) & (pixels <= (1279, 719)).all(axis=-1) & seen
    known = (lookup != NOWHERE).all(axis=-1)
    # at the edge, rounding to 1/32 may decide
    assert (known != inside).sum() <= 8
    both = known & inside
    assert both.sum() > 5000
    assert np.abs(lookup - pixels)[both].max() <= 0.5 / STEP + 1e-4
    assert np.array_equal(lookup * STEP, np.rint(lookup * STEP))
