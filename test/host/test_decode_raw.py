# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Raw images of every encoding are decoded."""

from types import SimpleNamespace

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import oracle
import pytest

from trt_segmentation.errors import FrameError
from trt_segmentation.frame import BYTES_PER_PIXEL, EVEN_HEIGHT, EVEN_WIDTH, Frame
from trt_segmentation.host.decode_raw import decode, to_8_bits

EXACT = ['bgr8', 'rgb8', 'bgra8', 'rgba8', 'mono8', '8UC1', '8UC3', '8UC4', *oracle.WIDE]
PACKED_YUV = ['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2']
YUV = [*PACKED_YUV, 'nv12', 'nv21', 'nv24']
BAYER = list(oracle.BAYER)
BAYER_16 = [name.replace('8', '16') for name in BAYER]


def make_frame(encoding, height, width, padding=0, seed=0, bigendian=False, spare=0):
    """Return a frame of random bytes. Its data ends ``spare`` bytes after the last pixel."""
    step = width * BYTES_PER_PIXEL[encoding] + padding
    data = np.random.default_rng(seed).integers(0, 256, step * height * 3 + 9, dtype=np.uint8)
    frame = Frame(data, encoding, height, width, step, bigendian)
    return Frame(data[:frame.size + spare].copy(), encoding, height, width, step, bigendian)


def decoded_rgb(frame):
    return decode(frame).bgr()[..., ::-1].astype(float)


def even(encoding, height, width):
    return (height + height % 2 if encoding in EVEN_HEIGHT else height,
            width + width % 2 if encoding in EVEN_WIDTH else width)


@settings(deadline=None, max_examples=300)
@given(encoding=st.sampled_from(EXACT + YUV + BAYER + BAYER_16), height=st.integers(1, 17),
       width=st.integers(1, 17), padding=st.integers(0, 11), seed=st.integers(0, 9999),
       bigendian=st.booleans(), spare=st.integers(0, 3))
def test_any_encoding_size_and_step(encoding, height, width, padding, seed, bigendian, spare):
    height, width = even(encoding, height, width)
    frame = make_frame(encoding, height, width, padding, seed, bigendian, spare)
    pixels = decode(frame)
    assert pixels.array.dtype == np.uint8
    assert pixels.array.shape[:2] == (height, width)
    difference = np.abs(decoded_rgb(frame) - oracle.rgb(frame))
    if encoding in BAYER + BAYER_16:
        # OpenCV copies the pixels next to the border to the border
        difference = difference[1:-1, 1:-1]
    tolerance = 0 if encoding in EXACT else 1.5 if encoding in YUV else 1.0
    assert difference.max(initial=0) <= tolerance


@pytest.mark.parametrize('encoding', BAYER)
@pytest.mark.parametrize('size', [(1, 1), (1, 6), (2, 2), (2, 5), (3, 2)])
def test_a_small_mosaic_keeps_its_colour(encoding, size):
    # all pixels are equal, so any interpolation gives the same colour
    frame = Frame(np.full(size[0] * size[1], 99, np.uint8), encoding, size[0], size[1], size[1])
    assert (decode(frame).bgr() == 99).all()


@pytest.mark.parametrize('encoding', BAYER)
def test_red_stays_red(encoding):
    colors = np.array(list(oracle.BAYER[encoding])).reshape(2, 2)
    mosaic = np.tile((colors == 'R') * np.uint8(200), (4, 4)).astype(np.uint8)
    rgb = decode(Frame(mosaic.reshape(-1), encoding, 8, 8, 8)).bgr()[..., ::-1]
    assert (rgb[1:-1, 1:-1] == (200, 0, 0)).all()


@pytest.mark.parametrize('encoding', ['bgr8', 'rgb8', 'mono8', '8UC1', '8UC3'])
def test_common_encodings_are_not_copied(encoding):
    frame = make_frame(encoding, 5, 6, padding=7)
    array = decode(frame).array
    assert np.shares_memory(array, frame.data)
    assert array.strides[0] == frame.step


def test_read_only_bytes_are_decoded():
    frame = Frame(np.frombuffer(bytes(range(48)), np.uint8), 'nv12', 4, 8, 8)
    assert decode(frame).array.shape == (4, 8, 3)


def test_data_with_gaps_is_refused():
    frame = Frame(np.zeros(64, np.uint8)[::2], 'mono8', 4, 8, 8)
    with pytest.raises(FrameError, match='contiguous'):
        decode(frame)


def test_16_bits_become_8_as_cv_bridge_does_it():
    """cv_bridge calls convertTo(CV_8U, 255. / 65535.) in toCvCopyImpl of cv_bridge.cpp."""
    wide = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    expected = np.array([round(value * (255. / 65535.)) for value in range(1 << 16)])
    assert (to_8_bits(wide).reshape(-1) == expected).all()
    assert (to_8_bits(wide[:, :200]) == expected.reshape(256, 256)[:, :200]).all()


@pytest.mark.parametrize('bigendian', [False, True])
@pytest.mark.parametrize('encoding', [*oracle.WIDE, *BAYER_16])
def test_16_bits_as_rosbags_image_decodes_them(encoding, bigendian):
    """rosbags-image uses the same factor but does not round, so a level may differ by one."""
    image = pytest.importorskip('rosbags.image')
    frame = make_frame(encoding, 12, 16, bigendian=bigendian)
    name = 'mono16' if encoding == '16UC1' else encoding
    message = SimpleNamespace(encoding=name, height=12, width=16, step=frame.step,
                              is_bigendian=bigendian, data=frame.data)
    difference = decode(frame).bgr() - image.image_to_cvimage(message, 'bgr8').astype(int)
    assert set(np.unique(difference)) == {0, 1}


@pytest.mark.parametrize('encoding', [
    'mono16', 'bgr16', 'rgb16', 'bgra16', 'rgba16', *BAYER, *BAYER_16, *PACKED_YUV])
def test_pixels_are_those_of_cv_bridge(encoding):
    """Another OpenCV may round colour conversions differently, but never 16 bits."""
    cv_bridge = pytest.importorskip(
        'cv_bridge', reason='cv_bridge comes with a ROS installation, not with pip')
    messages = pytest.importorskip('sensor_msgs.msg')
    frame = make_frame(encoding, 12, 16)
    message = messages.Image(encoding=encoding, height=12, width=16, step=frame.step,
                             data=frame.data.tobytes())
    try:
        expected = cv_bridge.CvBridge().imgmsg_to_cv2(message, desired_encoding='bgr8')
    except cv_bridge.CvBridgeError as error:
        pytest.skip(f'this cv_bridge does not know {encoding}: {error}')
    difference = np.abs(decode(frame).bgr() - expected.astype(int))
    assert difference.max() <= (0 if encoding in oracle.WIDE else 1)


@pytest.mark.parametrize('encoding', BAYER_16)
@pytest.mark.parametrize('size', [(1, 1), (1, 6), (2, 2), (2, 5), (3, 2)])
def test_a_small_mosaic_of_16_bits_keeps_its_colour(encoding, size):
    frame = Frame(np.full(2 * size[0] * size[1], 99, np.uint8), encoding, size[0], size[1],
                  2 * size[1])
    assert (decode(frame).bgr() == 99).all()


@pytest.mark.parametrize('padding', [0, 6])
def test_nv24_as_opencv_decodes_nv12_of_the_same_colours(padding):
    """As in nv12, each block of two by two pixels of this nv24 frame has one chroma value."""
    rng = np.random.default_rng(3)
    luma, pairs = (rng.integers(0, 256, shape, np.uint8) for shape in ((8, 12), (4, 6, 2)))
    half = np.concatenate([luma, pairs.reshape(4, 12)])
    full = np.zeros((24, 12 + padding), np.uint8)
    full[:8, :12] = luma
    full[8:].reshape(8, -1)[:, :24] = pairs.repeat(2, 0).repeat(2, 1).reshape(8, 24)
    frame = Frame(full.reshape(-1), 'nv24', 8, 12, 12 + padding)
    assert (decode(frame).bgr() == cv2.cvtColor(half, cv2.COLOR_YUV2BGR_NV12)).all()


def test_every_encoding_is_tested():
    assert set(EXACT + YUV + BAYER + BAYER_16) == set(BYTES_PER_PIXEL)
