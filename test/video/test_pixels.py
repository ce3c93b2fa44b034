# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""BgrConverter gives the pixels of PyAV, and it names pixels that cannot be converted."""

import av
import numpy as np
import pytest
from videos import draw

from trt_segmentation.errors import FrameError
from trt_segmentation.video.pixels import BgrConverter


@pytest.mark.parametrize('format', ['yuv420p', 'yuvj420p', 'yuv420p10le', 'yuv444p', 'nv12',
                                    'gray', 'bgr24', 'rgb24'])
@pytest.mark.parametrize('colours', [1, 2, 5])      # 1 is BT.709, 2 is unknown, 5 is BT.601
def test_pixels_are_those_of_pyav(format, colours):
    frame = av.VideoFrame.from_ndarray(draw(3), format='bgr24').reformat(format=format)
    frame.colorspace = colours
    image = BgrConverter().convert(frame)
    np.testing.assert_array_equal(image, frame.to_ndarray(format='bgr24'))
    assert image.flags.c_contiguous and image.shape == (64, 96, 3)


def test_pixels_that_cannot_be_converted_are_named(monkeypatch):
    class Refusing:
        def reformat(self, *_, **__):
            raise ValueError('no path')

    converter = BgrConverter()
    monkeypatch.setattr(converter, '_reformatter', Refusing())
    frame = av.VideoFrame.from_ndarray(draw(3), format='bgr24')
    with pytest.raises(FrameError, match='format bgr24 cannot be converted to BGR: no path'):
        converter.convert(frame)
