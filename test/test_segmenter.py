# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The Python class Segmenter: calls, streams, answers and misuse."""

from fractions import Fraction
from pathlib import Path
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import cv2
from networks import color_card, color_classifier, write_card
import numpy as np
import pytest

import trt_segmentation
from trt_segmentation import SegmentedImage, Segmenter
from trt_segmentation.errors import (
    EngineError,
    FrameError,
    ModelCardError,
    OutputError,
    PictureError,
    SourceError,
    ViewError,
)
from trt_segmentation.host.pictures import read_ids
from trt_segmentation.model.card import OutputCard
from trt_segmentation.segmented_image import count_labels
from trt_segmentation.untrusted.output_files import is_ours

PALETTE = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
NAMES = ['nothing', 'red thing', 'green thing', 'blue thing']


@pytest.fixture(scope='module')
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp('model')
    return write_card(color_classifier(folder / 'colors.onnx', PALETTE, height=24, width=32),
                      NAMES, PALETTE)


@pytest.fixture
def segment(card):
    with Segmenter(card) as segmenter:
        yield segmenter


def halves(left, right):
    """Return (24, 32, 3) BGR with the colour of one class left and of another class right."""
    image = np.empty((24, 32, 3), np.uint8)
    image[:, :16], image[:, 16:] = PALETTE[left, ::-1], PALETTE[right, ::-1]
    return image


@pytest.fixture
def folder(tmp_path):
    for label in (1, 2, 3):
        cv2.imwrite(str(tmp_path / f'{label}.png'), halves(label, label))
    return tmp_path


def test_a_picture_file_an_array_and_a_list(segment, folder):
    answer = segment(folder / '1.png')
    assert isinstance(answer, SegmentedImage)
    assert answer.overlay is not None and answer.confidence is not None
    assert (answer.name, answer.origin, answer.color) == ('1', str(folder / '1.png'), 'bgr')
    assert answer.classes == tuple(NAMES) == segment.classes
    assert (answer.labels == 1).all() and answer.labels.dtype == np.uint8
    assert (answer.image == halves(1, 1)).all() and answer.overlay.shape == (24, 32, 3)
    assert answer.confidence.shape == (24, 32) and answer.confidence.min() > 200
    assert {'preprocess', 'inference', 'postprocess'} <= set(answer.timings)
    several = segment([str(folder / '2.png'), halves(3, 3)])
    assert [int(a.labels[0, 0]) for a in several] == [2, 3]
    assert [a.name for a in several] == ['2', '']
    assert segment([]) == [] and segment.identity.engine == 'onnxruntime-cpu'


def test_the_share_of_each_class(segment):
    answer = segment(halves(1, 3))
    assert answer.share == {'nothing': 0, 'red thing': 0.5, 'green thing': 0, 'blue thing': 0.5}
    assert list(answer.share) == NAMES


def test_the_share_leaves_out_pixels_that_the_network_did_not_see(segment):
    labels = np.array([[0, 1, 255, 255]], np.uint8)
    answer = SegmentedImage('', '', np.zeros((1, 4, 3), np.uint8), labels, None, None, ('a', 'b'))
    assert answer.share == {'a': 0.25, 'b': 0.25}


@pytest.mark.parametrize('dtype, classes', [(np.uint8, 200), (np.uint16, 400)])
def test_counts_of_labels(monkeypatch, dtype, classes):
    monkeypatch.setattr('trt_segmentation.segmented_image._MOST_COUNTED', 100)
    labels = np.random.default_rng(1).integers(0, classes + 20, (37, 23)).astype(dtype)
    expected = [int((labels == label).sum()) for label in range(classes)]
    assert count_labels(labels, classes).tolist() == expected


def test_an_rgb_array(segment):
    bgr = halves(1, 3)
    expected, answer = segment(bgr), segment(bgr[..., ::-1], color='rgb')
    assert (answer.labels == expected.labels).all() and answer.color == 'rgb'
    assert (answer.image == bgr[..., ::-1]).all()
    assert (answer.overlay == expected.overlay[..., ::-1]).all()
    assert answer._repr_png_() == expected._repr_png_()


def test_arrays_are_copies_that_outlive_the_segmenter(card):
    image = halves(1, 3)
    with Segmenter(card) as segment:
        answers = [segment(image), *segment.stream([image])]
        kept = [[a.labels.copy(), a.overlay.copy(), a.confidence.copy()] for a in answers]
        image[:] = 0
        for label in range(4):
            segment(halves(label, label))
    for answer, (labels, overlay, confidence) in zip(answers, kept, strict=True):
        assert (answer.labels == labels).all() and (answer.overlay == overlay).all()
        assert (answer.confidence == confidence).all() and (answer.image == halves(1, 3)).all()
        for array in (answer.labels, answer.overlay, answer.confidence, answer.image):
            assert array.base is None and array.flags.writeable


def test_only_what_is_wanted_is_computed(card, tmp_path):
    with Segmenter(card, overlay=False, confidence=False) as segment:
        answer = segment(halves(1, 1))
        assert answer.overlay is None and answer.confidence is None
        assert answer._repr_png_() is None
        for what in ('overlay', 'confidence'):
            with pytest.raises(EngineError, match=f'no {what}.*Open the Segmenter with {what}='):
                answer.save(tmp_path / 'x.png', what)
    ids = color_card(color_classifier(tmp_path / 'ids.onnx', PALETTE, kind='labels'), PALETTE,
                     output=OutputCard(kind='labels'))
    with Segmenter(ids) as segment:
        assert not segment.gives_confidence
        assert segment(halves(1, 1)).confidence is None


@pytest.mark.parametrize('image, words', [
    (np.zeros((4, 4, 3)), r'float64; expected .*uint8.*\.astype\(numpy\.uint8\)'),
    (np.zeros((4, 4), np.uint8), r'shape \(4, 4\); expected.*numpy\.repeat'),
    (np.zeros((4, 4, 4), np.uint8), r'shape \(4, 4, 4\).*image\[\.\.\., :3\]'),
    (np.zeros((3, 4, 5), np.uint8), r'shape \(3, 4, 5\).*transpose\(1, 2, 0\)'),
    (np.zeros((2, 4, 4, 3), np.uint8), r'shape \(2, 4, 4, 3\); expected.*list\(images\)'),
    (np.zeros((0, 4, 3), np.uint8), r'shape \(0, 4, 3\), so it has no pixels'),
    (7, 'is a int; expected a path or an array'),
    ('https://host/street.jpg', 'is a URL; give the path of a file')])
def test_an_argument_that_is_no_image_is_refused(segment, image, words):
    for call in (segment, lambda image: list(segment.stream([image]))):
        with pytest.raises(FrameError, match=words):
            call(image)
    assert (segment(halves(2, 2)).labels == 2).all()


def test_a_wrong_array_of_a_list_is_named_by_its_index(segment):
    images = [halves(1, 1), halves(1, 1).astype(float), halves(2, 2)]
    with pytest.raises(FrameError, match=r'^image 1 of the list is float64; expected'):
        segment(images)
    errors: list[Any] = []
    answers = list(segment.stream(images, on_error=errors.append))
    assert [(answer.labels == labels).all() for answer, labels in zip(answers, (1, 2))] == [1, 1]
    assert len(answers) == 2
    assert [str(error)[:32] for error in errors] == ['image 1 of the list is float64; ']
    assert isinstance(errors[0], FrameError)


def test_other_wrong_arguments(segment, tmp_path):
    with pytest.raises(FrameError, match="`color` is 'RGB'; expected one of bgr, rgb"):
        segment(halves(1, 1), color='RGB')
    with pytest.raises(PictureError, match=r'none\.png'):
        segment(tmp_path / 'none.png')
    with pytest.raises(ModelCardError, match="no model card 'stret'"):
        Segmenter('stret')
    with pytest.raises(SourceError, match='there is no source'):
        segment.stream(tmp_path / 'none.mp4')      # before the first answer
    with pytest.raises(FrameError, match=r'one array of shape \(24, 32, 3\).*list\(images\)'):
        segment.stream(halves(1, 1))
    with pytest.raises(FrameError, match='the image is a int'):
        segment.stream(7)
    with pytest.raises(SourceError, match='every is 0'):
        segment.stream([], every=0)
    for alpha in (-0.1, 1.1, float('nan')):
        with pytest.raises(FrameError, match=r'alpha is .* must be a number from 0 to 1'):
            Segmenter('street', alpha=alpha)


def test_a_stream_of_a_folder(segment, folder):
    answers = list(segment.stream(folder))
    assert [(a.name, int(a.labels[0, 0])) for a in answers] == [('1', 1), ('2', 2), ('3', 3)]
    (second,) = segment.stream(folder / '2.png')
    assert (second.labels == 2).all()
    assert [a.name for a in segment.stream(folder, every=2)] == ['1', '3']


def test_a_stream_of_arrays(segment):
    images = [halves(1, 2)[..., ::-1], halves(3, 3)[..., ::-1]]
    answers = list(segment.stream((i for i in images), color='rgb'))
    assert [a.labels[0, 0] for a in answers] == [1, 3]


def test_a_bad_picture_in_a_stream(segment, folder):
    (folder / '2.png').write_bytes(b'\x89PNG')
    found, errors = [], []
    with pytest.raises(PictureError, match=r'2\.png'):
        found.extend(answer.name for answer in segment.stream(folder))
    assert found == ['1']
    assert [a.name for a in segment.stream(folder, on_error=errors.append)] == ['1', '3']
    assert len(errors) == 1 and '2.png' in str(errors[0])


def test_a_refused_frame_in_a_stream_is_named(segment, folder, monkeypatch):
    submit = segment._pipeline.submit

    def refuse_green(frames, wanted):
        if frames[0].data[1]:
            raise FrameError('green')
        submit(frames, wanted)

    monkeypatch.setattr(segment._pipeline, 'submit', refuse_green)
    errors = []
    assert [a.name for a in segment.stream(folder, on_error=errors.append)] == ['1', '3']
    assert [str(error) for error in errors] == [f'{folder / "2.png"}: green']


def test_a_stream_that_is_left_early_frees_the_segmenter(segment, folder):
    stream = segment.stream(folder)
    assert next(stream).name == '1'
    with pytest.raises(EngineError, match='a stream of this Segmenter is still open'):
        segment(halves(1, 1))
    with pytest.raises(EngineError, match='a stream of this Segmenter is still open'):
        next(segment.stream(folder))
    stream.close()
    assert (segment(halves(1, 1)).labels == 1).all()
    for answer in segment.stream(folder):
        assert answer.name == '1'
        break
    assert (segment(halves(1, 1)).labels == 1).all()


def test_a_closed_segmenter(card, folder):
    segment = Segmenter(card)
    stream = segment.stream(folder)
    next(stream)
    segment.close()
    segment.close()
    with pytest.raises(EngineError, match='closed before the end of its stream'):
        next(stream)
    for use in (lambda: segment(halves(1, 1)), lambda: next(segment.stream(folder))):
        with pytest.raises(EngineError, match='the Segmenter is closed; open a new one'):
            use()
    assert not [t for t in threading.enumerate() if t.name.endswith('_items')]


def test_a_stream_at_its_end_may_be_asked_after_a_close(card, folder):
    segment = Segmenter(card)
    stream = segment.stream(folder)
    answers = list(stream)
    segment.close()
    assert len(answers) == 3 and list(stream) == []


@pytest.mark.parametrize('name, kind', [
    ('', 'a folder'), ('*.png', 'a pattern for several files'), ('street', 'the drawn street sc'),
    ('-', 'standard input'), ('rtsp://host/front', 'a network camera'), ('a.mp4', 'a video'),
    ('a.mcap', 'a bag'), ('/dev/video99', 'a camera'), ('99', 'a camera')])
def test_a_source_of_several_images_needs_a_stream(segment, folder, monkeypatch, name, kind):
    monkeypatch.chdir(folder)
    for file in ('a.mp4', 'a.mcap'):
        Path(file).touch()
    with pytest.raises(FrameError, match=rf'is {kind}.*, not one picture\. Use stream\('):
        segment(name or folder)


def test_a_stream_of_several_sources(segment, folder):
    pytest.importorskip('av', reason='PyAV is not installed: pip install av')
    from trt_segmentation.video.writer import VideoWriter
    (folder / 'sub').mkdir()
    with VideoWriter(folder / 'sub' / 'a.mp4', (24, 32), Fraction(10)) as writer:
        for label in (3, 2, 1):
            writer.write(halves(label, label))
    sources = [folder / '3.png', folder / 'sub' / 'a.mp4', halves(1, 1)[..., ::-1], folder]

    def read(**options):
        answers = list(segment.stream(sources, color='rgb', **options))
        assert [a.color == 'rgb' for a in answers] == [not a.origin for a in answers]
        return [(a.name, int(np.median(a.labels))) for a in answers]

    assert read() == [('3', 3), ('a/000001', 3), ('a/000002', 2), ('a/000003', 1), ('', 1),
                      ('1', 1), ('2', 2), ('3', 3)]
    assert read(every=2) == [('3', 3), ('a/000001', 3), ('a/000003', 1), ('1', 1), ('3', 3)]


def test_a_bad_item_of_a_list_goes_to_on_error(segment, folder):
    items = [folder / 'none.png', folder / '1.png', folder / 'no*.png', folder / '2.png']
    errors = []
    answers = list(segment.stream(items, on_error=errors.append))
    assert [a.name for a in answers] == ['1', '2'] and len(errors) == 2
    assert 'none.png' in str(errors[0]) and 'no*.png' in str(errors[1])
    with pytest.raises(PictureError, match=r'none\.png'):
        list(segment.stream(items))


def test_the_text_of_an_answer(segment, folder):
    assert repr(segment(halves(1, 3))) == (
        '<SegmentedImage of an array, 32x24 pixels: red thing 50.0%, blue thing 50.0%>')
    assert repr(segment(folder / '2.png')) == (
        f'<SegmentedImage {folder / "2.png"}, 32x24 pixels: green thing 100.0%>')


def test_the_weight_of_the_colours(card):
    image = np.full((24, 32, 3), 10, np.uint8)
    with Segmenter(card, alpha=0) as segment:
        np.testing.assert_array_equal(segment(image).overlay, image)
    with Segmenter(card, alpha=1) as segment:
        answer = segment(image)
        np.testing.assert_array_equal(answer.overlay, PALETTE[answer.labels][..., ::-1])


def test_several_threads_may_call_a_segmenter(segment):
    found = {}

    def call(label):
        found[label] = [int(segment(halves(label, label)).labels[5, 5]) for _ in range(20)]

    threads = [threading.Thread(target=call, args=[label]) for label in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {label: [label] * 20 for label in range(4)}


def test_save(segment, tmp_path):
    answer = segment(halves(1, 3)[..., ::-1], color='rgb')
    for name, what in (('o.png', 'overlay'), ('l.png', 'labels'), ('c.png', 'confidence'),
                       ('i.png', 'image'), ('o.jpg', 'overlay')):
        answer.save(tmp_path / name, what)
        answer.save(str(tmp_path / name), what)     # this replaces the first file
        assert is_ours(tmp_path / name)
    assert (read_ids(tmp_path / 'l.png') == answer.labels).all()
    assert (read_ids(tmp_path / 'c.png') == answer.confidence).all()
    assert (cv2.imread(str(tmp_path / 'i.png')) == halves(1, 3)).all()
    assert (cv2.imread(str(tmp_path / 'o.png')) == answer.overlay[..., ::-1]).all()
    jpeg: Any = cv2.imread(str(tmp_path / 'o.jpg'))
    assert jpeg.shape == (24, 32, 3)
    png = cv2.imdecode(np.frombuffer(answer._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    assert (png == answer.overlay[..., ::-1]).all()


def test_save_refuses(segment, tmp_path):
    answer = segment(halves(1, 3))
    (tmp_path / 'mine.png').write_bytes(b'mine')
    for name, what, words in (
            ('mine.png', 'overlay', 'trt_seg did not write it'),
            ('l.jpg', 'labels', r'l\.jpg: labels is written to a file that ends in \.png$'),
            ('o.gif', 'overlay', r'ends in \.png or \.jpg or \.jpeg'),
            ('o.png', 'label', "no picture 'label'; expected one of overlay, labels")):
        with pytest.raises(OutputError, match=words):
            answer.save(tmp_path / name, what)
    assert [p.name for p in tmp_path.iterdir()] == ['mine.png']
    assert (tmp_path / 'mine.png').read_bytes() == b'mine'


def test_a_segmenter_says_what_it_is(card):
    with Segmenter(card, engine='onnxruntime-cpu') as segmenter:
        assert repr(segmenter) == f'<Segmenter {segmenter.card.name} on onnxruntime-cpu, open>'
    assert repr(segmenter) == f'<Segmenter {segmenter.card.name} on onnxruntime-cpu, closed>'


def test_show_needs_a_display(segment, monkeypatch):
    pytest.importorskip('tkinter')
    monkeypatch.delenv('DISPLAY', raising=False)
    with pytest.raises(ViewError, match=r'a window cannot be opened here: .*Instead, write the '
                                        'overlay with save'):
        segment(halves(1, 3)).show()


def test_show_in_a_notebook(segment, monkeypatch):
    shown = []
    shell = SimpleNamespace(kernel=True)
    ipython: Any = SimpleNamespace(get_ipython=lambda: shell,
                                   display=SimpleNamespace(display=shown.append))
    monkeypatch.setitem(sys.modules, 'IPython', ipython)
    answer = segment(halves(1, 3))
    answer.show()
    assert shown == [answer]


def test_the_names_of_the_package():
    assert set(trt_segmentation.__all__) <= set(dir(trt_segmentation))
    for name in trt_segmentation.__all__:
        assert getattr(trt_segmentation, name)
    with pytest.raises(AttributeError, match="no attribute 'Segmentr'"):
        _ = trt_segmentation.Segmentr


def test_the_package_itself_imports_nothing():
    """The node, the commands and every test import the package, so this must be fast."""
    code = ('import sys, trt_segmentation\n'
            'assert trt_segmentation.__version__\n'
            'heavy = {"numpy", "cv2", "onnxruntime", "yaml", "trt_segmentation.segmenter"}\n'
            'assert not heavy & set(sys.modules), heavy & set(sys.modules)\n'
            'from trt_segmentation import *\n'
            'optional = {"av", "rosbags", "rich", "rerun", "PIL", "matplotlib", "tkinter"}\n'
            'assert not optional & set(sys.modules), optional & set(sys.modules)\n'
            'assert Segmenter and SegmentedImage and SegmentationError\n')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == 0, done.stderr
