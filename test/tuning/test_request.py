# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The tuner gets its request from the settings of the user."""

import numpy as np
import pytest

from trt_segmentation.model.card import InputCard
from trt_segmentation.model.network_input import ImageInput
from trt_segmentation.tuning.request import BLOCK, make_picture


@pytest.mark.parametrize('layout,shape', [('nchw', (2, 3, 20, 40)), ('nhwc', (2, 20, 40, 3))])
@pytest.mark.parametrize('dtype', ['float32', 'float16', 'uint8'])
def test_the_image_fits_the_network_and_its_normalisation(layout, shape, dtype):
    card = InputCard()
    picture = make_picture(ImageInput('image', layout, dtype, 3, 20, 40, 2), card)
    assert (picture.shape, picture.dtype) == (shape, np.dtype(dtype))
    pixels = picture if layout == 'nhwc' else picture.transpose(0, 2, 3, 1)
    assert (pixels[:, :BLOCK, :BLOCK] == pixels[:, :1, :1]).all()
    assert len(np.unique(pixels[0, ..., 0])) > 3
    if dtype != 'uint8':
        back = (pixels * np.array(card.std) + card.mean) * 255
        assert np.abs(back - back.round()).max() < 0.3
        assert back.min() > -0.3 and back.max() < 255.3
