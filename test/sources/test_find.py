# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The source for a command-line argument is found."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from recordings import image_messages, pictures, write_bag

from trt_segmentation.errors import SourceError, VideoError
from trt_segmentation.sources.find import open_sources, SourceOptions
from trt_segmentation.sources.pictures import PictureFiles, PictureOnStdin, StreetScenes
from trt_segmentation.sources.sequences import BagImages, VideoImages


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make pictures in several folders, a text, and two files with the first bytes of a video."""
    monkeypatch.chdir(tmp_path)
    for name in ('b.jpg', 'a.png', 'sub/a.png', 'sub/deep/c.JPG', 'results/d.jpg'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / 'notes.txt').write_text('notes')
    (tmp_path / 'drive.mp4').write_bytes(b'\0\0\0\x18ftypisom')
    (tmp_path / 'unnamed').write_bytes(b'\0\0\0\x18ftypisom')
    return tmp_path


def files(*names, **options):
    """Return the paths and names of the found pictures. There must be no other source."""
    (source,) = open_sources(names, SourceOptions(**options))
    assert isinstance(source, PictureFiles) and source.name is None
    assert source.picture_names == tuple(name for _, name in source.files)
    assert source.paths == tuple(path for path, _ in source.files)
    return [(str(path), name) for path, name in source.files]


def test_pictures_folders_and_globs(folder):
    assert files('b.jpg') == [('b.jpg', 'b')]
    assert files('.') == [('a.png', 'a'), ('b.jpg', 'b')]
    assert files(Path('sub')) == [('sub/a.png', 'a')]
    assert files('*.png', './b.jpg', 'b.jpg') == [('a.png', 'a'), ('b.jpg', 'b')]
    assert files('sub/**/*') == [('sub/a.png', 'a'), ('sub/deep/c.JPG', 'c')]
    assert files('a.png', 'sub/a.png') == [('a.png', 'a'), ('sub/a.png', 'sub/a')]
    assert files('*/*', every=2) == [('results/d.jpg', 'd')]


def test_every_below_one_is_refused():
    with pytest.raises(SourceError, match='every is 0; it must be 1 or more'):
        SourceOptions(every=0)


def test_recursive_leaves_out_the_results_of_an_earlier_run(folder):
    assert files('.', recursive=True, leave_out=folder / 'results') == [
        ('a.png', 'a'), ('b.jpg', 'b'), ('sub/a.png', 'sub/a'), ('sub/deep/c.JPG', 'sub/deep/c')]
    assert len(files('.', recursive=True)) == 5


def test_the_folder_of_the_results_is_no_source(folder):
    with pytest.raises(SourceError, match='sub is a source, and also the folder of the results'):
        files('sub', leave_out=folder / 'sub')


def test_the_title_names_one_picture_and_counts_more(folder):
    assert [source.title for source in open_sources(['b.jpg'])] == ['b.jpg']
    assert [source.title for source in open_sources(['.'])] == ['2 pictures']


def test_other_sources(folder):
    bag = write_bag(folder / 'bag', image_messages(pictures(1)))
    (bare,) = bag.glob('*.mcap')
    said = []
    sources: list[Any] = open_sources(
        ['drive.mp4', 'street', 'bag', '-', 'rtsp://me:secret@host/front', str(bare),
         '/dev/video3', '0', 'unnamed', '-'], SourceOptions(every=3, topic='/t', say=said.append))
    assert [(type(s), s.title, s.name) for s in sources] == [
        (VideoImages, 'drive.mp4', 'drive'), (VideoImages, 'rtsp://host/front', 'front'),
        (VideoImages, '/dev/video3', 'video3'), (VideoImages, '/dev/video0', 'video0'),
        (VideoImages, 'unnamed', 'unnamed'), (BagImages, 'bag', 'bag'),
        (BagImages, str(bare), 'bag_2'), (StreetScenes, 'street', None),
        (PictureOnStdin, 'standard input', None)]
    assert sources[1].source == 'rtsp://me:secret@host/front'
    assert [s.every for s in sources[:8]] == [3] * 8
    assert (sources[5].topic, sources[5].say, sources[5].paths) == (
        '/t', said.append, (Path('bag'),))


def test_a_video_does_not_take_the_folder_of_pictures(folder):
    (folder / 'sub' / 'drive').mkdir()
    cv2.imwrite('sub/drive/000001.png', np.zeros((4, 4, 3), np.uint8))
    _, video = open_sources(['sub', 'drive.mp4'], SourceOptions(recursive=True))
    assert video.name == 'drive_2'


@pytest.mark.parametrize('name, words', [
    ('b.jpeg', r"no source b.jpeg, did you mean 'b.jpg'\? Give a picture, a folder"),
    ('stret', r"no source stret, did you mean 'street'\?"),
    ('none/b.jpg', r'no source none/b.jpg\. Give a picture'),
    ('notes.txt', r'notes.txt is no picture, no bag and no video. Pictures end in \.png'),
    ('*.zip', r'no source \*\.zip: no file matches'),
    ('*.txt', r'no source \*\.txt: none of the 1 matches is a picture, a video or a bag'),
    ('~nobody-here/x', 'names the home folder of a user')])
def test_wrong_names(folder, name, words):
    with pytest.raises(SourceError, match=words):
        open_sources([name])


def test_folders_without_pictures(folder):
    (folder / 'empty').mkdir()
    (folder / 'outer' / 'inner').mkdir(parents=True)
    with pytest.raises(SourceError, match=r'empty holds no files that end in \.png.*\.webp$'):
        open_sources(['empty'])
    with pytest.raises(SourceError, match='To read its subfolders too, give --recursive'):
        open_sources(['outer'])


def test_a_folder_of_videos_says_how_to_name_them(folder):
    (folder / 'vid').mkdir()
    (folder / 'drive.mp4').rename(folder / 'vid' / 'drive.mp4')
    with pytest.raises(SourceError, match=r"It holds videos\. To read them, give 'vid/\*\.mp4'$"):
        open_sources(['vid'])
    (source,) = open_sources(['vid/*.mp4'])
    assert source.title == 'vid/drive.mp4'


def test_addresses_of_other_kinds(folder):
    with pytest.raises(VideoError, match='http:// cannot be read'):
        open_sources(['http://host/drive.mp4'])
