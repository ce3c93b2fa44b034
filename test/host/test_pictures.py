# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and label maps are read from files."""


import cv2
import numpy as np
from PIL import Image
import pytest

from trt_segmentation.accuracy.recordings import Folder
from trt_segmentation.commands import cli
from trt_segmentation.errors import GraphError, PictureError
from trt_segmentation.host.decode_raw import decode
from trt_segmentation.host.pictures import read_ids, read_picture
from trt_segmentation.model.card import spread_palette

PIXELS = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
POINTER = ('version https://git-lfs.github.com/spec/v1\noid sha256:' + 64 * 'a'
           + '\nsize 12345\n').encode()


@pytest.mark.parametrize('suffix, channels', [
    ('.png', 1), ('.png', 3), ('.png', 4), ('.bmp', 1), ('.bmp', 3), ('.tif', 1), ('.tif', 3),
    ('.tif', 4), ('.webp', 3), ('.webp', 4)])
def test_pictures_of_8_bits_are_bgr_as_opencv_has_them(tmp_path, suffix, channels):
    alpha = PIXELS[..., 0] // 2 + 128       # WebP drops the colours of transparent pixels
    stored = {1: PIXELS[..., 0], 3: PIXELS, 4: np.dstack([PIXELS, alpha])}[channels]
    path = tmp_path / f'a{suffix}'
    cv2.imwrite(str(path), stored, [cv2.IMWRITE_WEBP_QUALITY, 101])
    np.testing.assert_array_equal(
        read_picture(path), PIXELS if channels > 1 else np.dstack(3 * [stored]))


@pytest.mark.parametrize('suffix, channels', [('.png', 1), ('.png', 3), ('.tif', 1)])
def test_16_bits_are_scaled_for_evaluation_and_calibration_alike(tmp_path, suffix, channels):
    wide = PIXELS.astype(np.uint16) * 256 + PIXELS[::-1]
    stored = wide if channels == 3 else wide[..., 0].copy()
    cv2.imwrite(str(tmp_path / f'a{suffix}'), stored)
    expected = np.rint(stored * (255 / 65535))
    expected = expected if channels == 3 else np.dstack(3 * [expected])
    ((_, frame),) = Folder(tmp_path)
    for found in (read_picture(tmp_path / f'a{suffix}'), decode(frame).bgr()):
        np.testing.assert_array_equal(found, expected)


def test_floating_point_pixels_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.tif'), PIXELS[..., 0].astype(np.float32))
    with pytest.raises(PictureError, match=r'a\.tif has pixels of 32 bits \(floating-point '
                                           r'numbers\)\. Save the picture with 8 or 16 bits'):
        read_picture(tmp_path / 'a.tif')


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.tif', '.bmp'])
def test_pictures_that_are_cut_off_or_none_are_refused(tmp_path, suffix):
    path = tmp_path / f'a{suffix}'
    cv2.imwrite(str(path), PIXELS)
    whole = path.read_bytes()
    for content in (b'', b'hello', whole[:40], whole[:len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(PictureError, match=f'a{suffix} cannot be read as a picture: '):
            read_picture(path)
        with pytest.raises(GraphError, match='Move this file out of the folder'):
            list(Folder(tmp_path))


def test_a_picture_of_another_format_is_refused_whatever_its_name_is(tmp_path):
    for name in ('a.gif', 'b.png'):
        Image.fromarray(PIXELS).save(tmp_path / name, format='GIF')
        with pytest.raises(PictureError) as caught:
            read_picture(tmp_path / name)
        assert str(caught.value) == (
            f'{tmp_path / name} cannot be read as a picture: the file is cut off, or it is no '
            'PNG, JPEG, BMP, TIFF or WebP. Save the picture in one of these formats')


def test_a_missing_file_is_named_once(tmp_path):
    for read in (read_picture, read_ids):
        with pytest.raises(PictureError) as caught:
            read(tmp_path / 'none.webp')
        assert str(caught.value) == (f'{tmp_path / "none.webp"} cannot be read as a picture: No '
                                     'such file or directory')


def test_a_git_lfs_pointer_is_called_one(tmp_path, capsys):
    for name in ('images', 'labels'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'a.png').write_bytes(POINTER)
    for read in (read_picture, read_ids):
        with pytest.raises(PictureError, match=r'a.png is a Git LFS pointer, not the file itself; '
                                               'run `git lfs pull`'):
            read(tmp_path / 'images' / 'a.png')
    assert cli.main(['eval', '--images', str(tmp_path / 'images'), '--labels',
                     str(tmp_path / 'labels')]) == 2
    assert 'is a Git LFS pointer' in capsys.readouterr().err


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_label_maps_of_8_and_16_bits(tmp_path, dtype):
    ids = np.arange(24, dtype=dtype).reshape(4, 6) * 10
    ids[0, 0] = np.iinfo(dtype).max
    cv2.imwrite(str(tmp_path / 'a.png'), ids)
    got = read_ids(tmp_path / 'a.png')
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, ids)


def test_a_colour_table_is_read_as_ids(tmp_path):
    ids = np.random.default_rng(0).integers(0, 4, (24, 32), np.uint8)
    picture = Image.fromarray(ids)
    picture.putpalette(spread_palette(256).tobytes())
    picture.save(tmp_path / 'voc.png')
    np.testing.assert_array_equal(read_ids(tmp_path / 'voc.png'), ids)


def test_colour_pictures_and_broken_files_are_no_label_maps(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / 'color.png')
    with pytest.raises(PictureError, match=r'color.png has the mode RGB'):
        read_ids(tmp_path / 'color.png')
    whole = (tmp_path / 'color.png').read_bytes()
    for number, content in enumerate([b'', b'hello', whole[:40], whole[:len(whole) // 2]]):
        path = tmp_path / f'{number}.png'
        path.write_bytes(content)
        with pytest.raises(PictureError, match=f'{number}.png cannot be read'):
            read_ids(path)
