# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of folders, globs and standard input are a source of frames."""

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from PIL import Image
import pytest
from recordings import pictures

from trt_segmentation.errors import SourceError
from trt_segmentation.sources import pictures as module
from trt_segmentation.sources.image import as_frame, BadImage
from trt_segmentation.sources.pictures import PictureFiles, PictureOnStdin, StreetScenes
from trt_segmentation.street import scene


def write(folder, images):
    paths = [folder / f'{number}.png' for number in range(len(images))]
    for path, image in zip(paths, images):
        cv2.imwrite(str(path), image)
    return [(path, f'name {path.stem}') for path in paths]


def test_pictures_come_in_order_and_a_bad_one_between_them(tmp_path):
    images = pictures(12)
    files = write(tmp_path, images)
    files[3][0].write_bytes(b'\x89PNG but no picture')
    files[7][0].unlink()
    opened = PictureFiles('12 pictures', files).open()
    assert (opened.count, opened.rate) == (12, None)
    found: list[Any] = list(opened.images)
    assert len(found) == 12
    for number, (image, (path, name)) in enumerate(zip(found, files)):
        assert image.origin == str(path)
        if number in (3, 7):
            assert isinstance(image, BadImage) and str(path) in str(image.error)
        else:
            assert image.name == name and (image.image == images[number]).all()


def test_an_iteration_that_ends_early_reads_no_more_files(tmp_path, monkeypatch):
    files, read = write(tmp_path, pictures(50)), []
    monkeypatch.setattr(module, 'read_file', lambda *file: read.append(file) or file)
    images: Any = PictureFiles('', files).open().images
    assert next(images) == files[0]
    images.close()
    assert len(read) <= 2


@pytest.mark.parametrize('ending', ['jpg', 'webp'])
def test_a_picture_of_a_phone_is_upright(tmp_path, ending):
    image = Image.new('RGB', (8, 4), (255, 0, 0))
    exif = image.getexif()
    exif[0x0112] = 6    # viewers must turn the picture by 90 degrees
    path = tmp_path / f'phone.{ending}'
    image.save(path, exif=exif)
    found: Any = next(PictureFiles('', [(path, 'phone')]).open().images)
    assert found.image.shape == (8, 4, 3) and found.image.flags.c_contiguous
    assert found.image[0, 0, 2] > 200


@pytest.mark.parametrize('kind', ['.jpg', '.png', '.webp', '.tif', '.bmp'])
def test_a_picture_on_standard_input(monkeypatch, kind):
    data = cv2.imencode(kind, np.full((6, 8, 3), 90, np.uint8))[1].tobytes()
    stdin = SimpleNamespace(isatty=lambda: False, buffer=BytesIO(data))
    monkeypatch.setattr('sys.stdin', stdin)
    opened = PictureOnStdin().open()
    images: list[Any] = list(opened.images)
    (found,) = images
    assert (found.name, found.origin, opened.count) == ('stdin', 'standard input', 1)
    assert found.image.shape == (6, 8, 3) and abs(int(found.image[3, 3, 0]) - 90) < 3


def test_standard_input_that_holds_no_picture(monkeypatch):
    def stdin(data=b'', is_terminal=False):
        monkeypatch.setattr('sys.stdin', SimpleNamespace(isatty=lambda: is_terminal,
                                                         buffer=BytesIO(data)))
    stdin(is_terminal=True)
    with pytest.raises(SourceError, match='standard input is a terminal; use a pipe: cat'):
        PictureOnStdin().open()
    stdin(b'hello')
    with pytest.raises(SourceError, match='standard input cannot be read as a picture: the '
                                          'file is cut off, or it is no'):
        PictureOnStdin().open()
    monkeypatch.setattr(module, 'MAX_STDIN', 4)
    stdin(b'hello')
    with pytest.raises(SourceError, match='standard input has more than 4 bytes'):
        PictureOnStdin().open()
    monkeypatch.setattr('sys.stdin', None)      # the shell closed standard input
    with pytest.raises(SourceError, match='reads a picture from standard input'):
        PictureOnStdin().open()


def test_street_scenes(monkeypatch):
    monkeypatch.setattr(module, 'SCENES', 5)
    scenes = StreetScenes()
    assert scenes.picture_names == ('street_day_1', 'street_night_1', 'street_rain_1',
                                    'street_snow_1', 'street_day_2')
    opened = scenes.open()
    found: list[Any] = list(opened.images)
    assert opened.count == 5 and [image.name for image in found] == list(scenes.picture_names)
    assert (found[1].image == scene(module.FIRST_SEED + 1, 'night').image).all()


def test_every_third_street_scene():
    scenes = StreetScenes(every=3)
    assert scenes.picture_names == ('street_day_1', 'street_snow_1', 'street_rain_2')
    opened = scenes.open()
    found: list[Any] = list(opened.images)
    assert opened.count == 3 and [image.name for image in found] == list(scenes.picture_names)


def test_a_frame_of_an_image():
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    frame = as_frame(image, 'rgb8', 7)
    assert (frame.height, frame.width, frame.step, frame.encoding, frame.stamp_ns) == (
        4, 5, 15, 'rgb8', 7)
    assert np.shares_memory(frame.data, image) and frame.data.tolist() == list(range(60))
