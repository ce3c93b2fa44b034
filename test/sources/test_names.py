# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Result files get names that do not collide."""

from pathlib import Path

from trt_segmentation.sources.names import choose_names, choose_video_names, find_renamed


def names(*pairs):
    """Return the names of results. A pair is a picture's path and its path below the folder."""
    return list(choose_names({Path(path): Path(below) for path, below in pairs}).values())


def test_a_result_has_the_name_of_its_picture():
    assert names(('in/a.jpg', 'a.jpg'), ('in/b.c.png', 'b.c.png')) == ['a', 'b.c']
    assert names(('in/sub/a.jpg', 'sub/a.jpg'), ('in/a.jpg', 'a.jpg')) == ['sub/a', 'a']


def test_pictures_of_one_name_in_two_folders_go_to_two_folders():
    assert names(('/x/left/a.jpg', 'a.jpg'), ('/x/right/a.jpg', 'a.jpg'),
                 ('/x/right/b.jpg', 'b.jpg')) == ['left/a', 'right/a', 'b']
    assert names(('/x/a.jpg', 'a.jpg'), ('/x/in/a.png', 'a.png')) == ['a', 'in/a']


def test_pictures_that_differ_in_the_ending_keep_it():
    assert names(('x/a.jpg', 'a.jpg'), ('x/a.png', 'a.png'), ('x/b.png', 'b.png')) == [
        'a_jpg', 'a_png', 'b']
    assert names(('x/s/a.jpg', 's/a.jpg'), ('x/s/a.png', 's/a.png')) == ['s/a_jpg', 's/a_png']
    assert names(('/x/l/a.jpg', 'a.jpg'), ('/x/l/a.png', 'a.png'), ('/x/r/a.jpg', 'a.jpg'),
                 ('/x/r/a.png', 'a.png')) == ['l/a_jpg', 'l/a_png', 'r/a_jpg', 'r/a_png']


def test_no_two_names_are_equal_whatever_the_paths_are():
    found = names(('/x/a.jpg', 'a.jpg'), ('/x/a.png', 'a.png'), ('/x/a_png.png', 'a_png.png'))
    assert found == ['a_jpg', 'a_png', 'a_png_2']


def test_names_of_videos_cameras_and_bags():
    titles = ['in/drive.mp4', 'other/drive.mkv', 'bags/drive/', '/dev/video0',
              'rtsp://camera:554/front door', 'rtsp://camera']
    assert list(choose_video_names(titles, ['drive_2']).values()) == [
        'drive', 'drive_3', 'drive_4', 'video0', 'front_door', 'camera']


def test_names_that_cannot_be_guessed():
    assert find_renamed([('x/a.jpg', 'a'), ('x/s/a.jpg', 's/a'), ('bags/drive/', 'drive'),
                         ('rtsp://camera', 'camera'), ('/dev/video0', 'video0')]) == []
    pairs = [('x/a.jpg', 'a_jpg'), ('x/a.png', 'a_png'), ('x/s/a.jpg', 'a'), ('x/b.jpg', 'b'),
             ('rtsp://camera/front door', 'front_door')]
    assert find_renamed(pairs) == [*pairs[:3], pairs[4]]
