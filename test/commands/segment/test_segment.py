# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""`trt_seg segment` on pictures, videos, bags and network cameras."""

import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
from typing import Any

import cv2
from networks import color_card, color_classifier, cube_colors, write_card
import numpy as np
import pytest
from recordings import image_messages, write_bag

from trt_segmentation.commands.cli import main
from trt_segmentation.commands.segment import results
from trt_segmentation.commands.segment import run as run_module
from trt_segmentation.commands.segment.report import print_report, SegmentReport
from trt_segmentation.host.pictures import read_ids
from trt_segmentation.model.card import load_card
from trt_segmentation.untrusted.output_files import is_ours
from trt_segmentation.video.reader import VideoReader
from trt_segmentation.video.writer import VideoWriter

PALETTE = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
NAMES = ['nothing', 'red thing', 'green thing', 'blue thing']


@pytest.fixture(scope='module')
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp('model')
    return write_card(color_classifier(folder / 'colors.onnx', PALETTE, height=48, width=64),
                      NAMES, PALETTE)


def paint(label):
    return np.full((48, 64, 3), PALETTE[label, ::-1], np.uint8)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Make three pictures of one class each in the current folder: in/1.png, 2.png, sub/3.png."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'in' / 'sub').mkdir(parents=True)
    for name, label in (('1', 1), ('2', 2), ('sub/3', 3)):
        cv2.imwrite(f'in/{name}.png', paint(label))
    return tmp_path


def make_video(path, labels, rate=20):
    pytest.importorskip('av', reason='PyAV is not installed: pip install av')
    with VideoWriter(Path(path), (48, 64), rate) as writer:
        for label in labels:
            writer.write(paint(label))


def segment(card, *arguments):
    return main(['segment', *map(str, arguments), '--model', str(card)])


def written(folder='segment-out'):
    """Return the files in a folder, except the table of the classes."""
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob('*')
                  if path.is_file() and path.name != 'classes.json')


def video_frames(path):
    with VideoReader(path) as reader:
        return reader.rate, [frame.image for frame in reader]


# ---- pictures

def test_a_picture(card, here, capsys):
    assert segment(card, 'in/1.png') == 0
    assert written() == ['1.jpg', 'labels/1.png']
    assert (read_ids(Path('segment-out/labels/1.png')) == 1).all()
    overlay: Any = cv2.imread('segment-out/1.jpg')
    assert overlay.shape == (48, 64, 3) and overlay[..., 2].min() > 250
    assert all(is_ours(Path('segment-out', name)) for name in written())
    shown = capsys.readouterr()
    assert 'red thing' in shown.out and '100.0%' in shown.out and 'green' not in shown.out
    assert '1 image in ' in shown.out and ' frames/s), model colors → segment-out' in shown.out
    assert 'in/1.png' in shown.err


def test_folders_globs_and_results_that_are_chosen(card, here, capsys):
    assert segment(card, 'in', '--recursive', '--out', 'a', '--no-overlay') == 0
    assert written('a') == ['labels/1.png', 'labels/2.png', 'labels/sub/3.png']
    assert segment(card, 'in/*', '--out', 'b', '--no-labels', '--confidence') == 0
    assert written('b') == ['1.jpg', '2.jpg', 'confidence/1.png', 'confidence/2.png']
    assert read_ids(Path('b/confidence/1.png')).min() > 200
    assert segment(card, 'in', 'in/sub', '--every', '2', '--out', 'c', '--side-by-side') == 0
    assert written('c') == ['1.jpg', '3.jpg', 'labels/1.png', 'labels/3.png']
    beside: Any = cv2.imread('c/1.jpg')
    assert beside.shape == (48, 128, 3)
    shares = capsys.readouterr().out
    assert shares.count('33.3%') == 3 and shares.count('50.0%') == 4
    assert segment(card, 'in/1.png', '--no-overlay', '--no-labels', '--out', 'd') == 0
    assert not Path('d').exists()


def test_more_than_255_classes(here):
    colors = cube_colors(300)
    card = write_card(color_classifier(here / 'm.onnx', colors, height=4, width=4),
                      [f'class {i}' for i in range(300)], colors)
    cv2.imwrite('x.png', np.full((4, 4, 3), colors[299, ::-1], np.uint8))
    assert segment(card, 'x.png') == 0
    labels = read_ids(Path('segment-out/labels/x.png'))
    assert labels.dtype == np.uint16 and (labels == 299).all()


def test_unreadable_files_are_listed_and_the_others_are_done(card, here, capsys):
    Path('in/0.jpg').write_text('no picture')
    Path('in/1b.png').write_bytes(b'\x89PNG')
    assert segment(card, 'in') == 1
    assert written() == ['1.jpg', '2.jpg', 'labels/1.png', 'labels/2.png']
    lines = capsys.readouterr().out.splitlines()
    at = lines.index('images or sources that could not be read: 2')
    assert [line.split()[0] for line in lines[at + 1:]] == ['in/0.jpg', 'in/1b.png']
    assert '2 images in' in lines[at - 1]


def test_a_folder_without_any_readable_picture(card, here, capsys):
    Path('bad').mkdir()
    Path('bad/0.jpg').write_text('no picture')
    assert segment(card, 'bad') == 1
    assert not Path('segment-out').exists()
    line = next(line for line in capsys.readouterr().out.splitlines() if '0 images in' in line)
    assert line.endswith(' frames/s), model colors')    # no folder is named: there is none


def test_street_and_standard_input(card, here, monkeypatch):
    from io import BytesIO
    from types import SimpleNamespace
    monkeypatch.setattr('trt_segmentation.sources.pictures.SCENES', 1)
    monkeypatch.setattr('sys.stdin', SimpleNamespace(
        isatty=lambda: False, buffer=BytesIO(Path('in/2.png').read_bytes())))
    assert segment(card, 'street', '-') == 0
    assert written() == ['labels/stdin.png', 'labels/street_day_1.png', 'stdin.jpg',
                         'street_day_1.jpg']
    assert (read_ids(Path('segment-out/labels/stdin.png')) == 2).all()


def test_the_classes_are_explained_beside_the_results(card, here):
    assert segment(card, 'in/1.png', '--no-overlay') == 0
    file = Path('segment-out/classes.json')
    tree = json.loads(file.read_text())
    assert is_ours(file) and tree['unlabelled'] == 255
    assert tree['classes'] == [{'id': index, 'name': name, 'color': color} for index, (name, color)
                               in enumerate(zip(NAMES, PALETTE.tolist()))]
    assert segment(card, 'in/1.png', '--no-overlay', '--no-labels', '--confidence',
                   '--out', 'b') == 0
    assert not Path('b/classes.json').exists()
    file.write_text('mine')
    assert segment(card, 'in/1.png') == 2 and file.read_text() == 'mine'


def test_the_table_shows_the_colour_of_each_class(card, here, capsys, monkeypatch):
    assert segment(card, 'in/1.png') == 0
    assert '█' not in capsys.readouterr().out
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('COLORTERM', 'truecolor')
    monkeypatch.delenv('NO_COLOR', raising=False)
    assert segment(card, 'in/1.png') == 0
    assert '\x1b[38;2;255;0;0m██' in capsys.readouterr().out


def test_the_weight_of_the_colours(card, here, capsys):
    cv2.imwrite('gray.png', np.full((48, 64, 3), 128, np.uint8))
    for alpha, out in ((0, 'a'), (1, 'b')):
        assert segment(card, 'gray.png', '--alpha', alpha, '--out', out) == 0
    label = read_ids(Path('b/labels/gray.png'))[9, 9]
    for out, expected in (('a', np.full((48, 64, 3), 128)), ('b', paint(label))):
        seen: Any = cv2.imread(f'{out}/gray.jpg')
        assert np.abs(seen.astype(int) - expected).max() <= 2
    with pytest.raises(SystemExit):
        segment(card, 'gray.png', '--alpha', '2')
    assert '2 is not a fraction from 0 to 1' in capsys.readouterr().err


def test_a_json_file_of_every_image(card, here, monkeypatch):
    write, totals = results.ResultWriter.write, []

    def write_and_note(self, answer, *others):
        totals.append(answer.timings['total'])
        write(self, answer, *others)

    monkeypatch.setattr(results.ResultWriter, 'write', write_and_note)
    make_video('drive.mp4', [3, 2])
    Path('in/3.png').write_bytes(b'\x89PNG')
    cv2.imwrite('in/2.png', np.hstack([paint(1), paint(2)]))
    assert segment(card, 'in', 'drive.mp4', '--labels', '--json', 'all.json') == 1
    tree = json.loads(Path('all.json').read_text())
    assert is_ours(Path('all.json'))
    images = tree['images']
    assert [(image['source'], image['results']) for image in images] == [
        ('in/1.png', ['1.jpg', 'labels/1.png']), ('in/2.png', ['2.jpg', 'labels/2.png']),
        ('drive.mp4 frame 1', ['drive.mp4', 'labels/drive/000001.png']),
        ('drive.mp4 frame 2', ['drive.mp4', 'labels/drive/000002.png'])]
    assert all(Path('segment-out', name).is_file() for i in images for name in i['results'])
    assert [image['share'] for image in images] == [
        dict(zip(NAMES, shares)) for shares in ((0, 1, 0, 0), (0, .5, .5, 0), (0, 0, 0, 1),
                                                (0, 0, 1, 0))]
    assert [image['not_seen'] for image in images] == [0] * 4 and tree['not_seen'] == 0
    assert [image['seconds'] for image in images] == [round(ms / 1000, 6) for ms in totals]
    assert len(totals) == 4 and tree['seconds'] > 0
    assert tree['share'] == {'nothing': 0, 'red thing': .4, 'green thing': .4, 'blue thing': .2}
    assert len(tree['bad']) == 1 and 'in/3.png' in tree['bad'][0]
    Path('all.json').write_text('mine')
    assert segment(card, 'in', '--json', 'all.json') == 2
    assert Path('all.json').read_text() == 'mine'


def test_pixels_that_the_network_did_not_see_have_a_row_of_their_own(card, here, capsys):
    path = card.with_name('crop.yaml')
    path.write_text(card.read_text() + 'input: {resize: crop}\n')
    cv2.imwrite('wide.png', np.hstack([paint(1)] * 2))      # the network sees the middle half
    assert segment(path, 'wide.png', '--json', 'all.json') == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = [words[1:-1] for words in lines if words[:1] == ['│']]
    assert rows == [['red', 'thing', '│', '50.0%'], ['not', 'seen', '│', '50.0%']]
    tree = json.loads(Path('all.json').read_text())
    for found in (tree, tree['images'][0]):
        assert found['share'] == dict(zip(NAMES, (0, .5, 0, 0))) and found['not_seen'] == .5


def test_the_demo_model_on_a_photograph_is_named(card, here, capsys, monkeypatch):
    monkeypatch.setattr('trt_segmentation.sources.pictures.SCENES', 1)
    warning = ('The demo model `street` was trained on drawings only, so its labels of '
               'photographs have errors. For your own images, give your own network with --model.')
    assert segment('street', 'in/1.png') == 0
    shown = capsys.readouterr()
    assert ' frames/s), model street → segment-out' in shown.out
    assert shown.err.splitlines()[-1] == warning
    assert segment('street', 'street') == segment(card, 'in/1.png', '--out', 'b') == 0
    assert warning not in capsys.readouterr().err


# ---- the user's files

def test_label_maps_of_another_model_do_not_get_new_class_names(card, here, capsys):
    other = card.with_name('other.yaml')
    other.write_text(card.read_text() + 'name: other\n')
    renamed = card.with_name('renamed.yaml')
    renamed.write_text(card.read_text().replace('red thing', 'crimson thing') + 'name: colors\n')
    assert segment(card, 'in') == segment(card, 'in/2.png') == 0
    before = Path('segment-out/classes.json').read_bytes()
    for model, named, ours in ((other, "'colors'", 'other'),
                               (renamed, "'colors' with other classes", 'colors')):
        assert segment(model, 'in/2.png') == 2
        assert (f'--out segment-out holds label maps of the model {named}, such as labels/1.png. '
                f'This run would give them the class names of {ours}. Give another folder '
                'with --out, or remove the label maps yourself') in capsys.readouterr().err
        assert Path('segment-out/classes.json').read_bytes() == before
    assert segment(other, 'in/2.png', '--no-labels', '--no-overlay') == 0   # no classes.json
    Path('segment-out/classes.json').write_text(before.decode().replace('"model"', '"other"'))
    assert segment(card, 'in/2.png') == 2
    assert 'label maps of an unknown model, such' in capsys.readouterr().err
    Path('segment-out/classes.json').write_bytes(before)
    assert segment(other, 'in') == 0    # replaces every label map
    os.remove('segment-out/labels/1.png')
    assert segment(card, 'in/2.png') == 0
    assert json.loads(Path('segment-out/classes.json').read_text())['model'] == 'colors'


def test_no_file_of_the_user_is_replaced(card, here, capsys):
    assert segment(card, 'in') == segment(card, 'in') == 0
    Path('segment-out/labels/2.png').write_bytes(b'mine')
    os.remove('segment-out/1.jpg')
    assert segment(card, 'in') == 2
    words = ('--out segment-out holds labels/2.png, which trt_seg did not write. Name another '
             'folder, or remove this file yourself')
    assert words in capsys.readouterr().err
    Path('segment-out/labels/1.png').write_bytes(b'mine')
    assert segment(card, 'in') == 2
    assert 'holds labels/1.png, labels/2.png, which' in capsys.readouterr().err
    assert Path('segment-out/labels/2.png').read_bytes() == b'mine'
    assert '1.jpg' not in written()


def test_a_result_does_not_replace_the_picture_that_is_read(card, here, capsys):
    assert segment(card, 'in/1.png') == 0
    before = Path('segment-out/1.jpg').read_bytes()
    assert segment(card, 'segment-out/1.jpg') == 2
    assert 'result 1.jpg would replace a file that this command reads' in capsys.readouterr().err
    assert Path('segment-out/1.jpg').read_bytes() == before


def test_the_user_is_not_told_to_remove_the_picture_that_is_read(card, here, capsys):
    cv2.imwrite('mine.jpg', paint(1))
    assert segment(card, 'mine.jpg', '--out', '.') == 2
    told = capsys.readouterr().err
    assert 'result mine.jpg would replace a file that this command reads' in told
    assert 'remove' not in told and Path('mine.jpg').exists()


def test_results_of_pictures_of_one_name_do_not_collide(card, here):
    cv2.imwrite('in/sub/1.png', paint(3))
    assert segment(card, 'in/1.png', 'in/sub/1.png') == 0
    assert written() == ['1.jpg', 'labels/1.png', 'labels/sub/1.png', 'sub/1.jpg']
    assert (read_ids(Path('segment-out/labels/1.png')) == 1).all()
    assert (read_ids(Path('segment-out/labels/sub/1.png')) == 3).all()


def test_results_with_other_names_are_listed(card, here, capsys, monkeypatch):
    for name in ('in/1.bmp', 'in/sub/1.png'):
        cv2.imwrite(name, paint(3))
    for name in ('in/1.mp4', 'in/1.mkv'):
        make_video(name, [1])
    assert segment(card, 'in/*', 'in/sub') == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(n for n, line in enumerate(lines) if ' → segment-out' in line)
    assert lines[at + 1:] == [
        'in/1.bmp → 1_bmp.jpg', 'in/1.png → 1_png.jpg', 'in/sub/1.png → 1.jpg',
        'in/1.mkv → 1_2.mp4', 'in/1.mp4 → 1_3.mp4']
    assert all(Path('segment-out', line.rpartition(' ')[2]).is_file() for line in lines[at + 1:])
    monkeypatch.setattr('trt_segmentation.commands.segment.report.MOST_RENAMED', 1)
    assert segment(card, 'in/1.*', 'in/sub', '--no-overlay') == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        'in/1.bmp → 1_bmp', '4 more results are renamed; --json FILE lists all results']


def test_a_disk_that_is_full_ends_the_command(card, here, capsys, monkeypatch):
    def full(path, *_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr('trt_segmentation.untrusted.output_files.replace_file', full)
    assert segment(card, 'in') == 2
    assert 'cannot be written: No space left on device' in capsys.readouterr().err


# ---- videos and bags

def test_a_video(card, here, capsys):
    make_video('drive.mp4', [1, 2, 3, 1, 2, 3])
    assert segment(card, 'drive.mp4') == 0
    assert written() == ['drive.mp4'] and is_ours(Path('segment-out/drive.mp4'))
    rate, frames = video_frames('segment-out/drive.mp4')
    assert rate == 20 and len(frames) == 6
    assert [int(frame.reshape(-1, 3).mean(0).argmax()) for frame in frames] == [2, 1, 0, 2, 1, 0]
    assert '6 images in' in capsys.readouterr().out


def test_results_of_a_video_that_are_chosen(card, here):
    make_video('drive.mp4', [1, 2, 3, 1, 2, 3])
    assert segment(card, 'drive.mp4', '--labels', '--confidence', '--every', '2',
                   '--side-by-side') == 0
    numbers = ['000001', '000003', '000005']
    assert written() == [*(f'confidence/drive/{n}.png' for n in numbers), 'drive.mp4',
                         *(f'labels/drive/{n}.png' for n in numbers)]
    assert [int(np.median(read_ids(Path(f'segment-out/labels/drive/{n}.png'))))
            for n in numbers] == [1, 3, 2]
    rate, frames = video_frames('segment-out/drive.mp4')
    assert rate == 10 and [frame.shape for frame in frames] == [(48, 128, 3)] * 3
    assert segment(card, 'drive.mp4', '--no-overlay', '--labels', '--out', 'b') == 0
    assert len(written('b')) == 6


def test_label_maps_of_an_earlier_run_do_not_stay(card, here, capsys):
    make_video('drive.mp4', [1, 2, 3, 1, 2, 3])
    assert segment(card, 'drive.mp4', '--labels', '--confidence') == 0
    assert len(written()) == 13
    notes = Path('segment-out/labels/drive/notes.png')
    notes.write_bytes(b'mine')
    assert segment(card, 'drive.mp4', '--labels', '--every', '5') == 0
    assert [name for name in written() if name.startswith('labels/')] == [
        'labels/drive/000001.png', 'labels/drive/000006.png', 'labels/drive/notes.png']
    assert len([name for name in written() if name.startswith('confidence/')]) == 6
    mine = Path('segment-out/labels/drive/000003.png')
    mine.write_bytes(b'mine')
    assert segment(card, 'drive.mp4', '--labels') == 2
    assert 'labels/drive/000003.png' in capsys.readouterr().err
    assert mine.read_bytes() == notes.read_bytes() == b'mine'


def test_a_bag_beside_results(card, here, capsys):
    pytest.importorskip('av', reason='PyAV is not installed: pip install av')
    write_bag(here / 'bag', image_messages(map(paint, [1, 2, 3]))
              + image_messages([paint(1)], '/seg/overlay'))
    assert segment(card, 'bag', '--labels') == 0
    assert 'images are read from /camera/image_raw' in capsys.readouterr().err
    assert [int(read_ids(Path('segment-out', name))[9, 9]) for name in written()
            if name.startswith('labels/bag/')] == [1, 2, 3]
    assert len(video_frames('segment-out/bag.mp4')[1]) == 3
    assert segment(card, 'bag', '--image-topic', '/seg/overlay', '--out', 'b') == 0
    assert len(video_frames('b/bag.mp4')[1]) == 1


def test_depth_images_are_refused_once(card, here, capsys):
    depth = np.random.default_rng(0).integers(400, 9000, (48, 64)).astype(np.float32)
    write_bag(here / 'bag', image_messages([depth] * 3, '/a/depth', '32FC1'))
    assert segment(card, 'bag') == 2
    error = capsys.readouterr().err
    assert 'bag has no images of a camera: /a/depth has depth images (32FC1). To read' in error
    assert error.count('32FC1') == 1 and not Path('segment-out').exists()
    assert segment(card, 'bag', '--image-topic', '/a/depth') == 1
    lines = capsys.readouterr().out.splitlines()
    at = lines.index('images or sources that could not be read: 3')
    assert lines[at + 1].startswith('  bag message 1: ') and len(lines) == at + 2
    assert lines[at + 1].endswith(' (and 2 other messages)')


def test_each_lost_frame_of_a_video_is_counted(card, capsys):
    report = SegmentReport()
    report.add_bad('drive.mp4: frames 2 to 4: lost', 3)
    report.add_bad('x.png: no picture')
    print_report(report, np.zeros(4, np.int64), 0, load_card(str(card)), 'cpu', Path('none'))
    assert capsys.readouterr().out.splitlines()[1:] == [
        'images or sources that could not be read: 4', '  drive.mp4: frames 2 to 4: lost',
        '  x.png: no picture']


def test_a_video_that_cannot_be_opened(card, here, capsys):
    pytest.importorskip('av', reason='PyAV is not installed: pip install av')
    Path('bad.mp4').write_bytes(b'\0\0\0\x18ftypisom')
    assert segment(card, 'bad.mp4') == 2
    assert 'bad.mp4' in capsys.readouterr().err
    make_video('good.mp4', [1, 2])
    assert segment(card, 'bad.mp4', 'good.mp4', 'in') == 1
    shown = capsys.readouterr().out
    assert '4 images in' in shown and 'could not be read: 1\n  bad.mp4 ' in shown
    assert written() == ['1.jpg', '2.jpg', 'good.mp4', 'labels/1.png', 'labels/2.png']


def test_a_video_without_pyav(card, here, capsys, monkeypatch):
    Path('drive.mp4').write_bytes(b'\0\0\0\x18ftypisom')
    monkeypatch.setitem(sys.modules, 'av', None)
    assert segment(card, 'drive.mp4') == 2
    assert ' -m pip install ' in capsys.readouterr().err
    assert not Path('segment-out').exists()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_video_that_can_be_played(card, here, number):
    make_video('drive.mp4', [1, 2, 3] * 1000)
    code = ('import sys\nfrom trt_segmentation.commands.segment import run\n'
            'from trt_segmentation.commands.cli import main\n'
            'write, done = run.ResultWriter.write, []\n'
            'def write_and_tell(self, *arguments):\n'
            '    write(self, *arguments)\n'
            '    done.append(1)\n'
            '    if len(done) == 40:\n'
            '        print("now", flush=True)\n'
            '        sys.stdin.readline()\n'
            'run.ResultWriter.write = write_and_tell\n'
            'sys.exit(main(sys.argv[1:]))')
    process = subprocess.Popen(
        [sys.executable, '-c', code, 'segment', 'drive.mp4', '--model', str(card)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(
            [str(Path(__file__).parents[3]), os.environ.get('PYTHONPATH', '')])})
    assert process.stdout and process.stdout.readline() == 'now\n'
    process.send_signal(number)
    out, _ = process.communicate('\n', timeout=60)
    assert process.returncode == 128 + number
    assert f'{number.name} stopped the command; the results so far are complete' in out
    assert '40 images in' in out
    _, frames = video_frames('segment-out/drive.mp4')
    assert len(frames) == 40


def test_a_network_camera(card, here, capsys):
    pytest.importorskip('av', reason='PyAV is not installed: pip install av')
    from rtsp_camera import RtspCamera
    from videos import encode, RATE
    with RtspCamera(encode(60), RATE) as camera:
        assert segment(card, camera.url, '--labels') == 1
    out = capsys.readouterr().out
    assert f'{camera.url} sends no more frames: the camera ended the video' in out
    shown = re.search(r'(\d+) images? in', out)
    left_out = re.search(r'skipped because the network was busy: (\d+)\n', out)
    assert shown and int(shown[1]) >= 1
    assert len(video_frames('segment-out/camera.mp4')[1]) == int(shown[1])
    assert len(written()) == int(shown[1]) + 1
    # the camera sends all frames at once and then closes the connection
    assert int(shown[1]) + int(left_out[1] if left_out else 0) <= 60


# ---- engine, views and options

def test_an_engine_that_fails_leaves_the_earlier_results(card, here, capsys, monkeypatch):
    from trt_segmentation.engines.onnxruntime_cpu import OnnxRuntimeEngine
    from trt_segmentation.errors import EngineError
    from trt_segmentation.host.pipeline import WARM_UP_RUNS
    run, runs = OnnxRuntimeEngine.run, []

    def fail_at_the_second(self, batch):
        runs.append(1)
        if len(runs) == WARM_UP_RUNS + 2:
            raise EngineError('the network failed')
        return run(self, batch)

    monkeypatch.setattr(OnnxRuntimeEngine, 'run', fail_at_the_second)
    assert segment(card, 'in') == 2
    assert 'the network failed' in capsys.readouterr().err
    assert written() == ['1.jpg', 'labels/1.png']


def test_confidence_of_a_model_without_one(here, capsys):
    from trt_segmentation.model.card import OutputCard
    model = color_classifier(here / 'ids.onnx', PALETTE, kind='labels')
    card = write_card(model, NAMES, PALETTE)
    assert color_card(model, PALETTE, output=OutputCard(kind='labels'))
    assert segment(card, 'in', '--confidence') == 2
    assert 'outputs only class ids, so there is no confidence' in capsys.readouterr().err
    assert not Path('segment-out').exists()


class FakeWindow:
    """A window. The user closes it at the second picture."""

    shown: list[Any]
    last: Any

    def __init__(self, title, instead):
        self.is_closed, self.waited = False, False
        FakeWindow.shown = []
        FakeWindow.last = self

    def show(self, bgr):
        self.shown.append(bgr)
        self.is_closed = len(self.shown) == 2

    def wait_until_closed(self):
        self.waited = True

    def close(self):
        self.shown.append('closed')


def test_the_window_shows_overlays_and_ends_the_command(card, here, monkeypatch):
    monkeypatch.setattr(run_module, 'PictureWindow', FakeWindow)
    assert segment(card, 'in', '--recursive', '--show', '--no-overlay') == 0
    first, second, closed = FakeWindow.shown
    assert first[0, 0].argmax() == 2 and second[0, 0].argmax() == 1 and closed == 'closed'
    assert written() == ['labels/1.png', 'labels/2.png'] and not FakeWindow.last.waited
    assert segment(card, 'in/1.png', '--show', '--side-by-side') == 0
    assert FakeWindow.shown[0].shape == (48, 128, 3) and FakeWindow.last.waited


def test_the_view_gets_every_image(card, here):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed: pip install rerun-sdk')
    from rerun.chunk import RrdReader
    assert segment(card, 'in', '--save-view', 'today.rrd') == 0
    paths = [chunk.entity_path for chunk in RrdReader('today.rrd').stream()]
    assert paths.count('/camera/label_map') >= 1 and '/latency/inference' in paths


@pytest.mark.parametrize('arguments, words', [
    (['in', '--side-by-side', '--no-overlay'], 'leave out --no-overlay'),
    (['none.png'], 'there is no source none.png'),
    (['in', '--out', 'in/1.png'], 'cannot be a folder, because in/1.png is a file'),
    (['in', '--save-view', 'x.txt'], 'the viewer opens only files that end in .rrd')])
def test_wrong_arguments(card, here, capsys, arguments, words):
    assert segment(card, *arguments) == 2
    assert words in capsys.readouterr().err
    assert not Path('segment-out').exists()


def test_the_exit_code():
    assert SegmentReport().exit_code == 0
    assert SegmentReport(bad=['x']).exit_code == 1
    assert SegmentReport(bad=['x'], stopped_by=2).exit_code == 130


def test_few_results_wait_to_be_written():
    assert 2 <= results.WRITERS <= 16
