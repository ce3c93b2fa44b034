# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""simplejpeg gives the pixels of OpenCV, and OpenCV decodes what simplejpeg refuses."""

import cv2
import numpy as np
import pytest

from trt_segmentation.errors import FrameError
from trt_segmentation.host import fast_jpeg
from trt_segmentation.host.decode_jpeg_png import decompress
from trt_segmentation.host.fast_jpeg import decode_color
from trt_segmentation.memory import PageMemory

SAMPLINGS = {'444': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
             '422': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
             '420': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
             '440': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440}


def picture(height=61, width=83):
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def encoded(pixels, sampling='420', *parameters):
    return cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling],
                                         *parameters])[1].tobytes()


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.fixture
def places():
    """Skip the test if simplejpeg is missing. Return the list that ``allocate`` fills."""
    pytest.importorskip('simplejpeg')
    return []


def allocate_in(places):
    def allocate(nbytes):
        places.append(PageMemory(nbytes))
        return places[-1]

    return allocate


@pytest.mark.parametrize('sampling', ['444', '422', '420'])
@pytest.mark.parametrize('is_progressive', [0, 1])
@pytest.mark.parametrize('pinned', [False, True])
def test_the_pixels_are_those_of_opencv(places, sampling, is_progressive, pinned):
    data = encoded(picture(), sampling, cv2.IMWRITE_JPEG_PROGRESSIVE, is_progressive)
    found = decode_color(data, 61, 83, allocate_in(places) if pinned else None)
    np.testing.assert_array_equal(found, decoded(data))
    assert len(places) == pinned
    assert all(np.shares_memory(found, place.view) for place in places)


def test_opencv_decodes_other_images(places):
    gray = cv2.imencode('.jpg', picture()[..., 0])[1].tobytes()
    good = encoded(picture())
    for data in (gray, encoded(picture(), '440'), good[:-200], b'\xff\xd8'):
        assert decode_color(data, 61, 83, allocate_in(places)) is None
    assert decode_color(good, 83, 61) is None


@pytest.mark.parametrize('has_simplejpeg', [False, True])
@pytest.mark.parametrize('sampling', ['420', '440'])
def test_decompress_uses_the_given_memory_once(monkeypatch, has_simplejpeg, sampling):
    if has_simplejpeg:
        pytest.importorskip('simplejpeg')
    else:
        monkeypatch.setattr(fast_jpeg, '_find_simplejpeg', lambda: None)
    data, places = encoded(picture(), sampling), []
    frame = decompress(data, 'jpeg', allocate=allocate_in(places))
    assert len(places) == 1 and np.shares_memory(frame.data, places[0].view)
    np.testing.assert_array_equal(frame.data.reshape(61, 83, 3), decoded(data))


def test_a_cut_image_is_refused(places):
    data = encoded(picture(240, 320))
    with pytest.raises(FrameError, match='cut off'):
        decompress(data[:len(data) // 2] + b'\xff\xd9', 'jpeg', allocate=allocate_in(places))
