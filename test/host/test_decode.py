# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

import sys
from types import ModuleType, SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import oracle
import pytest

from trt_segmentation.frame import BYTES_PER_PIXEL, EVEN_HEIGHT, EVEN_WIDTH, Frame, FrameError
from trt_segmentation.host.decode import decode
from trt_segmentation.host.rare import RARE

EXACT = ['bgr8', 'rgb8', 'bgra8', 'rgba8', 'mono8', 'mono16', '8UC1', '8UC3', '8UC4', '16UC1']
YUV = ['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21']
BAYER = list(oracle.BAYER)


def make_frame(encoding, height, width, padding=0, seed=0, bigendian=False, spare=0):
    """Random bytes, padding filled too, that end where the last pixel does (plus ``spare``)."""
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
@given(encoding=st.sampled_from(EXACT + YUV + BAYER), height=st.integers(1, 17),
       width=st.integers(1, 17), padding=st.integers(0, 11), seed=st.integers(0, 9999),
       bigendian=st.booleans(), spare=st.integers(0, 3))
def test_any_encoding_size_and_step(encoding, height, width, padding, seed, bigendian, spare):
    height, width = even(encoding, height, width)
    frame = make_frame(encoding, height, width, padding, seed, bigendian, spare)
    pixels = decode(frame)
    assert pixels.array.dtype == np.uint8
    assert pixels.array.shape[:2] == (height, width)
    difference = np.abs(decoded_rgb(frame) - oracle.rgb(frame))
    if encoding in BAYER:
        # OpenCV answers the outermost pixels with those one further in
        difference = difference[1:-1, 1:-1]
    tolerance = 0 if encoding in EXACT else 1.5 if encoding in YUV else 1.0
    assert difference.max(initial=0) <= tolerance


@pytest.mark.parametrize('encoding', BAYER)
@pytest.mark.parametrize('size', [(1, 1), (1, 6), (2, 2), (2, 5), (3, 2)])
def test_slivers_of_a_mosaic(encoding, size):
    # of one colour everywhere, so that any interpolation gives that colour
    frame = Frame(np.full(size[0] * size[1], 99, np.uint8), encoding, *size, size[1])
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


def test_bytes_that_cannot_be_written_are_read():
    frame = Frame(np.frombuffer(bytes(range(48)), np.uint8), 'nv12', 4, 8, 8)
    assert decode(frame).array.shape == (4, 8, 3)


def test_data_with_gaps_is_refused():
    frame = Frame(np.zeros(64, np.uint8)[::2], 'mono8', 4, 8, 8)
    with pytest.raises(FrameError, match='contiguous'):
        decode(frame)


def rare_values(encoding, bigendian):
    """A frame of a smooth 16-bit picture, and that picture's 8-bit RGB."""
    order = encoding.removesuffix('16')
    ramp = np.linspace(300, 60000, 6 * 8).reshape(6, 8)
    rgb = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1)
    planes = dict(zip('rgb', np.moveaxis(rgb, -1, 0)), a=np.full((6, 8), 65535.0))
    stored = np.stack([planes[c] for c in order], axis=-1).astype(
        '>u2' if bigendian else '<u2')
    data = np.ascontiguousarray(stored).view(np.uint8).reshape(6, -1)
    padded = np.concatenate([data, np.full((6, 10), 255, np.uint8)], axis=1)
    return (Frame(padded.reshape(-1), encoding, 6, 8, padded.shape[1], bigendian),
            rgb * 255 / 65535)


@pytest.mark.parametrize('bigendian', [False, True])
@pytest.mark.parametrize('encoding', ['bgr16', 'rgb16', 'bgra16', 'rgba16'])
def test_16_bit_colour_by_rosbags_image(encoding, bigendian, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    frame, rgb = rare_values(encoding, bigendian)
    assert np.abs(decoded_rgb(frame) - rgb).max() <= 1


def test_16_bit_mosaic_by_rosbags_image(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    frame = Frame(np.full(2 * 64, 0x77, np.uint8), 'bayer_rggb16', 8, 8, 16)
    assert (decode(frame).bgr() == 0x77).all()


def test_cv_bridge_is_preferred(monkeypatch):
    seen = []

    class CvBridge:
        def imgmsg_to_cv2(self, message, desired_encoding):
            seen.append((message, desired_encoding))
            return np.full((message.height, message.width, 3), 5, np.uint8)

    module = ModuleType('cv_bridge')
    module.CvBridge = CvBridge
    monkeypatch.setitem(sys.modules, 'cv_bridge', module)
    frame = make_frame('nv24', 4, 6, padding=3)
    assert (decode(frame).bgr() == 5).all()
    ((message, desired),) = seen
    assert desired == 'bgr8'
    assert isinstance(message, SimpleNamespace)
    assert (message.encoding, message.height, message.width, message.step) == ('nv24', 4, 6, 6)
    rows = np.ndarray((12, 6), np.uint8, buffer=frame.data, strides=(9, 1))
    assert (message.data == rows.reshape(-1)).all()


def test_a_library_that_cannot_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    with pytest.raises(FrameError, match=r'rosbags-image cannot convert nv24.*bgr8'):
        decode(make_frame('nv24', 4, 6))


@pytest.mark.parametrize('encoding', sorted(RARE))
def test_neither_library(encoding, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    monkeypatch.setitem(sys.modules, 'rosbags.image', None)
    with pytest.raises(FrameError, match=f'{encoding} needs cv_bridge .* or rosbags-image'):
        decode(make_frame(encoding, 4, 4))


def test_every_encoding_is_common_or_rare():
    assert set(EXACT + YUV + BAYER) | RARE == set(BYTES_PER_PIXEL)
    assert not set(EXACT + YUV + BAYER) & RARE
