# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Frames check their size, encoding and data."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from trt_segmentation.errors import FrameError
from trt_segmentation.frame import (
    BYTES_PER_PIXEL,
    EVEN_HEIGHT,
    EVEN_WIDTH,
    Frame,
    MAX_SIDE,
    Segmentation,
)


def frame(encoding='bgr8', height=4, width=6, step=None, length=None, **rest):
    step = width * BYTES_PER_PIXEL.get(encoding, 1) if step is None else step
    rows = height * {'nv12': 1.5, 'nv21': 1.5, 'nv24': 3}.get(encoding, 1)
    length = int(step * rows) if length is None else length
    return Frame(np.zeros(max(length, 0), np.uint8), encoding, height, width, step, **rest)


@pytest.mark.parametrize('encoding, size', [
    ('mono8', 24), ('bgr8', 72), ('rgba8', 96), ('mono16', 48), ('bgra16', 192), ('uyvy', 48),
    ('yuv422_yuy2', 48), ('nv12', 36), ('nv21', 36), ('nv24', 72), ('bayer_rggb8', 24),
    ('bayer_gbrg16', 48), ('8UC3', 72)])
def test_size_of_an_image_without_padding(encoding, size):
    assert frame(encoding).size == size


def test_the_last_row_needs_no_padding():
    assert frame(step=30, length=3 * 30 + 18).size == 108
    with pytest.raises(FrameError, match=r'107 bytes, but 4 rows at step 30 need 108 \(6x4 bgr8'):
        frame(step=30, length=107)


@pytest.mark.parametrize('given, words', [
    ({'encoding': 'bgr9'}, "unknown encoding 'bgr9'. Did the camera mean 'bgr8'"),
    ({'encoding': ''}, r"unknown encoding ''\. Known encodings: .*nv12"),
    ({'encoding': '32FC1'}, 'encoding 32FC1 holds floating-point numbers of 32 bits, such as '
                            'depth; expected unsigned pixels of 8 or 16 bits.*colour image'),
    ({'encoding': '64F'}, 'encoding 64F holds floating-point numbers of 64 bits'),
    ({'encoding': '16SC3'}, 'encoding 16SC3 holds signed numbers of 16 bits'),
    ({'encoding': '32FC' + '1' * 2000}, "unknown encoding '32FC1111"),
    ({'height': 0}, r'6x0 pixels \(width x height\), but width and height must be from 1 to'),
    ({'width': 0}, '0x4 pixels'),
    ({'width': MAX_SIDE + 1}, f'{MAX_SIDE + 1}x4 pixels'),
    ({'height': 2 ** 32 - 1, 'length': 5}, '6x4294967295 pixels'),
    ({'encoding': 'uyvy', 'width': 5}, 'uyvy .* width must be even, but the width is 5'),
    ({'encoding': 'nv12', 'width': 7}, 'nv12 .* width must be even, but the width is 7'),
    ({'encoding': 'nv21', 'height': 3}, 'nv21 .* height must be even, but the height is 3'),
    ({'step': 17}, 'step is 17 bytes, but a row of 6 bgr8 pixels has 18'),
    ({'step': 0}, 'step is 0 bytes'),
    ({'length': 71}, 'data has 71 bytes, but 4 rows at step 18 need 72'),
    ({'length': 0}, 'data has 0 bytes'),
    ({'encoding': 'nv12', 'length': 35}, 'data has 35 bytes, but 6 rows at step 6 need 36'),
    ({'step': 2 ** 32 - 1, 'length': 72}, 'need 12884901903')])
def test_numbers_that_do_not_fit(given, words):
    with pytest.raises(FrameError, match=words):
        frame(**given)


def test_more_data_than_needed_is_fine():
    assert frame(length=1000).size == 72


@settings(deadline=None, max_examples=200)
@given(encoding=st.sampled_from(sorted(BYTES_PER_PIXEL)), height=st.integers(1, 9),
       width=st.integers(1, 9), step=st.integers(0, 90), length=st.integers(0, 900))
def test_a_frame_that_exists_fits_its_data(encoding, height, width, step, length):
    try:
        made = frame(encoding, height, width, step, length)
    except FrameError:
        return
    # the data contains the last byte of the last stored row
    assert made.step * (made.stored_rows - 1) + made.row_bytes == made.size <= length
    assert made.row_bytes <= made.step
    assert not (encoding in EVEN_WIDTH and width % 2)
    assert not (encoding in EVEN_HEIGHT and height % 2)


def test_header_is_kept():
    made = frame(stamp_ns=5, frame_id='front', camera='left', is_bigendian=True)
    assert (made.stamp_ns, made.frame_id, made.camera, made.is_bigendian) == (
        5, 'front', 'left', True)


def test_releasing_a_segmentation_that_owns_its_arrays_does_nothing():
    segmentation = Segmentation(frame(), np.ones((4, 6), np.uint8))
    segmentation.release()
    assert (segmentation.labels == 1).all()
    assert segmentation.overlay is None and segmentation.timings == {}


@pytest.mark.parametrize('keeps_pixels', [False, True])
def test_a_kept_segmentation_has_the_arrays_and_the_header(keeps_pixels):
    labels, overlay = np.ones((4, 6), np.uint8), np.full((4, 6, 3), 7, np.uint8)
    confidence = np.full((4, 6), 9, np.uint8)
    given = frame(stamp_ns=5, frame_id='front')
    kept = Segmentation(given, labels, overlay, confidence, {'total': 2.0}).keep(keeps_pixels)
    assert kept.labels is labels and kept.overlay is overlay and kept.confidence is confidence
    assert kept.timings == {'total': 2.0}
    assert (kept.frame.stamp_ns, kept.frame.frame_id, kept.frame.size) == (5, 'front', given.size)
    assert (kept.frame.data is given.data) == keeps_pixels


@pytest.mark.parametrize('data, found', [
    (np.zeros((4, 6, 3), np.float32), 'float32'), (np.zeros(72, np.uint16), 'uint16'),
    (np.zeros(72, np.int8), 'int8'), (bytes(72), 'bytes'), ([0] * 72, 'list')],
    ids=['float32', 'uint16', 'int8', 'bytes', 'list'])
def test_data_that_is_not_bytes_is_refused(data, found):
    with pytest.raises(FrameError, match=f'data is {found}; expected the bytes of the image as '
                                         'uint8. If the pixels are floating-point'):
        Frame(data, 'bgr8', 4, 6, 18)
