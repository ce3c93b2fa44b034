# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed images are decoded, and broken ones are refused."""

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from trt_segmentation.errors import FrameError
from trt_segmentation.frame import MAX_SIDE
from trt_segmentation.host.decode_jpeg_png import decompress
from trt_segmentation.host.decode_raw import decode


def picture(height=37, width=53):
    y, x = np.mgrid[:height, :width]
    return np.stack([y * 255 // height, x * 255 // width, (x + y) % 64], -1).astype(np.uint8)


def encoded(array, extension, *parameters):
    done, data = cv2.imencode(extension, array, parameters)
    assert done
    return data.tobytes()


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview,
                                  lambda b: np.frombuffer(b, np.uint8)])
def test_png_is_exact(kind):
    frame = decompress(kind(encoded(picture(), '.png')), 'png', 12, 'front', 'left')
    assert (frame.encoding, frame.stamp_ns, frame.frame_id, frame.camera) == (
        'bgr8', 12, 'front', 'left')
    assert (decode(frame).array == picture()).all()


@pytest.mark.parametrize('parameters', [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
                                        (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)])
def test_jpeg(parameters):
    frame = decompress(encoded(picture(), '.jpg', *parameters), 'bgr8; jpeg compressed bgr8')
    assert frame.encoding == 'bgr8'
    assert np.abs(decode(frame).array.astype(int) - picture()).mean() < 6


@pytest.mark.parametrize(('parameters', 'cut'), [
    ((), 0), ((), 3), ((), 200), ((cv2.IMWRITE_JPEG_RST_INTERVAL, 2), 0),
    ((cv2.IMWRITE_JPEG_RST_INTERVAL, 2), 200), ((cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 0)])
def test_a_whole_jpeg_with_a_gray_corner_prints_no_warning(capfd, parameters, cut):
    """OpenCV fills missing blocks with 128, so a corner of this value needs a second look."""
    array = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    array[-40:, -40:] = 128
    raw = encoded(array, '.jpg', *parameters)
    if cut:
        with pytest.raises(FrameError, match='cut off'):
            decompress(raw[:-2 - cut] + raw[-2:], 'jpeg')
        return
    frame = decode(decompress(raw, 'jpeg')).array
    assert (frame[-16:, -16:] == 128).all() and frame.shape == array.shape
    assert capfd.readouterr().err == ''


def test_jpeg_of_rgb_compressed_as_if_bgr():
    data = encoded(picture(), '.jpg')
    frame = decompress(data, 'rgb8; jpeg compressed rgb8')
    assert frame.encoding == 'rgb8'
    assert decompress(data, 'rgb8; jpeg compressed bgr8').encoding == 'bgr8'
    assert decompress(data, 'jpeg').encoding == 'bgr8'


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_gray(extension):
    gray = picture()[..., 1].copy()
    frame = decompress(encoded(gray, extension), 'mono8; compressed')
    assert frame.encoding == 'mono8'
    assert np.abs(decode(frame).array.astype(int) - gray).max() < 12


def test_16_bit_png():
    wide = picture().astype(np.uint16) * 257 + 128      # 128 rounds down, and 129 would round up
    frame = decompress(encoded(wide[..., 0], '.png'), 'mono16; png compressed')
    assert frame.encoding == 'mono16'
    assert (decode(frame).array == picture()[..., 0]).all()
    for more, level in ((0, 0), (1, 1)):
        for channels in (3, 4):
            color = np.dstack([wide + more, wide[..., :channels - 3]])
            frame = decompress(encoded(color, '.png'), 'png')
            assert frame.encoding == {3: 'bgr8', 4: 'bgra8'}[channels]
            assert (decode(frame).array == picture() + level).all()


def test_png_with_alpha():
    bgra = np.dstack([picture(), np.full(picture().shape[:2], 9, np.uint8)])
    frame = decompress(encoded(bgra, '.png'), 'png')
    assert frame.encoding == 'bgra8'
    assert (decode(frame).array == picture()).all()


def test_exif_does_not_turn_the_picture():
    # this APP1 segment has orientation 6, which is a quarter turn
    exif = (b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0')
    data = encoded(picture(), '.jpg')
    turned = data[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + data[2:]
    frame = decompress(turned, 'jpeg')
    assert (frame.height, frame.width) == (37, 53)


def test_bytes_after_the_end_do_not_matter():
    for extension in ('.jpg', '.png'):
        frame = decompress(encoded(picture(), extension) + b'\0' * 9, '')
        assert (frame.height, frame.width) == (37, 53)


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_cut_off_anywhere(extension):
    data = encoded(picture(), extension)
    for length in [*range(0, len(data) - 1, 7), len(data) - 1]:
        with pytest.raises(FrameError, match=r'cut off|neither JPEG nor PNG|corrupt'):
            decompress(data[:length], extension)


@pytest.mark.parametrize('parameters', [
    (), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
    (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x411111), (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111)])
@pytest.mark.parametrize('color', [True, False])
def test_a_jpeg_that_was_cut_and_ended_is_refused(parameters, color):
    """Without the check, the decoder fills the missing rows with gray."""
    pixels = picture(240, 320) if color else picture(240, 320)[..., 2]
    data = encoded(pixels, '.jpg', *parameters)
    assert decompress(data, 'jpeg').height == 240
    scan = data.index(b'\xff\xda') + 14
    parts = (0.1,) if cv2.IMWRITE_JPEG_PROGRESSIVE in parameters else (0.02, 0.3, 0.6, 0.9)
    for part in parts:      # the later scans of a progressive JPEG only add detail to all blocks
        cut = data[:scan + round((len(data) - scan) * part)] + b'\xff\xd9'
        with pytest.raises(FrameError, match=r'cut off: .* not hold all blocks of its 320x240'):
            decompress(cut, 'jpeg')


@pytest.mark.parametrize('shape', [(64, 96, 3), (37, 53, 3), (64, 96), (1, 1)])
@pytest.mark.parametrize('parameters', [(), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)])
def test_a_whole_jpeg_of_gray_is_not_refused(shape, parameters):
    """A camera may really send the gray that the decoder uses for missing blocks."""
    pixels = np.full(shape, 128, np.uint8)
    frame = decompress(encoded(pixels, '.jpg', *parameters), 'jpeg')
    assert (frame.data == 128).all() and (frame.height, frame.width) == shape[:2]


@pytest.mark.parametrize('data, words', [
    (b'', 'of 0 bytes is neither JPEG nor PNG. Its first bytes are missing'),
    (b'GIF89a' + b'\0' * 20, 'first bytes are 47 49 46 38 39 61'),
])
def test_other_kinds(data, words):
    with pytest.raises(FrameError, match=words):
        decompress(data, 'jpeg')


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
@pytest.mark.parametrize('width, height', [(65535, 65535), (MAX_SIDE + 1, 8), (0, 8), (8, 0)])
def test_sizes_no_camera_has(extension, width, height):
    data = bytearray(encoded(picture(), extension))
    if extension == '.png':
        data[16:24] = width.to_bytes(4, 'big') + height.to_bytes(4, 'big')
    else:
        at = data.index(b'\xff\xc0') + 5
        data[at:at + 4] = height.to_bytes(2, 'big') + width.to_bytes(2, 'big')
    with pytest.raises(FrameError, match=f'{width}x{height} pixels .* 1 to {MAX_SIDE}'):
        decompress(bytes(data), extension)


def test_a_damaged_png_is_corrupt():
    data = bytearray(encoded(picture(), '.png'))
    data[len(data) // 2] ^= 0xff
    with pytest.raises(FrameError, match='corrupt PNG'):
        decompress(bytes(data), 'png')


@settings(deadline=None, max_examples=150)
@given(extension=st.sampled_from(['.jpg', '.png']), seed=st.integers(0, 10**6))
def test_damage_is_an_error_or_a_picture(extension, seed):
    rng = np.random.default_rng(seed)
    data = np.frombuffer(encoded(picture(), extension), np.uint8).copy()
    places = rng.integers(0, len(data), rng.integers(1, 6))
    data[places] = rng.integers(0, 256, len(places))
    try:
        frame = decompress(data, extension)
    except FrameError as error:
        assert len(str(error)) > 20
    else:
        assert decode(frame).array.shape[:2] == (frame.height, frame.width)
