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

from contextlib import closing
import json

import cv2
from networks import color_card, color_classifier
import numpy as np
from PIL import Image
import pytest

from trt_segmentation import street
from trt_segmentation.evaluation import (
    evaluate,
    EvaluationError,
    FIRST_SEED,
    folder_samples,
    pairs,
    read_truth,
    run_eval,
    Sample,
    SCENE_SIZE,
    street_samples,
)
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model_card import ModelCard, spread_palette

PALETTE = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)


@pytest.fixture(scope='module')
def pipeline(tmp_path_factory):
    """A network that knows four colours and takes 32x24."""
    path = tmp_path_factory.mktemp('model') / 'colors.onnx'
    color_classifier(path, PALETTE)
    with closing(HostPipeline(color_card(path, PALETTE))) as opened:
        yield opened


@pytest.fixture
def card_file(pipeline, tmp_path):
    path = tmp_path / 'colors.yaml'
    path.write_text(f'model: {pipeline.card.model}\nclasses: [nothing, red, green, blue]\n')
    return path


def labels(seed=0):
    return np.random.default_rng(seed).integers(0, 4, (24, 32), np.uint8)


def folder(path, pictures, suffix='.png'):
    path.mkdir()
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(path / f'{name}{suffix}')
    return path


# ---- scoring

def test_scores_are_summed_over_images(pipeline):
    first, second = labels(0), labels(1)
    wrong = second.copy()
    wrong[0, :8] = (second[0, :8] + 1) % 4
    ignored = first.copy()
    ignored[5:] = 255
    scores = evaluate(pipeline, [Sample('a', PALETTE[first], 'rgb8', ignored),
                                 Sample('b', PALETTE[second][..., ::-1], 'bgr8', wrong)])
    assert scores.images == 2
    assert scores.matrix.sum() == 5 * 32 + 24 * 32
    assert scores.matrix.sum() - np.trace(scores.matrix) == 8
    assert scores.pixel_accuracy == pytest.approx(1 - 8 / (29 * 32))
    assert scores.classes == pipeline.card.classes


def test_truth_that_does_not_fit_is_named(pipeline):
    truth = labels()
    truth[3, 3] = 9
    with pytest.raises(EvaluationError, match=r'a.png: truth has id 9 in 1 pixels'):
        evaluate(pipeline, [Sample('a.png', PALETTE[labels()], 'rgb8', truth)])


# ---- street scenes

def test_street_scenes_are_of_seeds_no_training_has_seen():
    card = ModelCard('net', 'net.onnx', street.CLASSES, spread_palette(10))
    width, height = SCENE_SIZE
    for i, sample in enumerate(street_samples(card, 2, 'night')):
        scene = street.scene(FIRST_SEED + i, 'night', width, height)
        np.testing.assert_array_equal(sample.image, scene.image)
        np.testing.assert_array_equal(sample.truth, scene.truth)
        assert sample.encoding == 'bgr8'


def test_truth_is_in_the_ids_of_the_card():
    names = ('other', *reversed(street.CLASSES))
    card = ModelCard('net', 'net.onnx', names, spread_palette(11))
    (sample,) = street_samples(card, 1, 'day')
    truth = street.scene(FIRST_SEED, 'day', *SCENE_SIZE).truth
    assert set(np.unique(truth)) == {street.CLASSES.index(names[i])
                                     for i in np.unique(sample.truth)}
    np.testing.assert_array_equal(sample.truth == names.index('sky'),
                                  truth == street.CLASSES.index('sky'))


def test_a_card_of_other_classes_cannot_be_scored_on_streets():
    card = ModelCard('net', 'net.onnx', street.CLASSES[2:], spread_palette(8))
    with pytest.raises(EvaluationError, match=r'that net has not: road, lane marking; .*--images'):
        next(street_samples(card, 1, 'day'))


def test_conditions_that_do_not_exist():
    card = ModelCard('net', 'net.onnx', street.CLASSES, spread_palette(10))
    with pytest.raises(EvaluationError, match=r"no condition 'nite', did you mean 'night'\?"):
        next(street_samples(card, 1, 'nite'))


def test_a_street_evaluation_goes_by_condition(tmp_path, capsys):
    palette = spread_palette(10)
    color_classifier(tmp_path / 'net.onnx', palette)
    (tmp_path / 'net.yaml').write_text(
        f'model: net.onnx\nclasses: {json.dumps(street.CLASSES)}\n')
    assert run_eval(str(tmp_path / 'net.yaml'), 'auto', 1, ['day', 'snow'], None, None,
                    tmp_path / 'scores.json') == 0
    tree = json.loads((tmp_path / 'scores.json').read_text())
    assert (tree['model'], tree['engine']) == ('net', 'onnxruntime-cpu')
    assert list(tree['scores']) == ['day', 'snow']
    for scores in tree['scores'].values():
        assert scores['images'] == 1
        assert list(scores['iou']) == list(street.CLASSES)
        assert 0 <= scores['mean_iou'] <= 1
    text = capsys.readouterr().out
    assert all(word in text for word in ('day', 'snow', 'lane marking', 'mean IoU'))


# ---- folders

@pytest.mark.parametrize('suffix', ['.png', '.bmp'])
def test_a_folder_of_pairs(tmp_path, card_file, suffix, capsys):
    truths = {f'frame{i}': labels(i) for i in range(3)}
    images = folder(tmp_path / 'images', {n: PALETTE[t] for n, t in truths.items()}, suffix)
    truths['frame1'][:, :2] = 255
    wrong = truths['frame2']
    wrong[0, :16] = (wrong[0, :16] + 1) % 4
    assert run_eval(str(card_file), 'auto', 9, [], images, folder(tmp_path / 'labels', truths),
                    tmp_path / 'scores.json') == 0
    scores = json.loads((tmp_path / 'scores.json').read_text())['scores']['images']
    assert scores['images'] == 3
    assert scores['pixel_accuracy'] == pytest.approx(1 - 16 / (3 * 24 * 32 - 48))
    assert '0.9' in capsys.readouterr().out


def test_files_without_partner_are_named_with_the_nearest(tmp_path):
    images = folder(tmp_path / 'images', {n: PALETTE[labels()] for n in ('aachen_1', 'bonn_2')})
    truths = folder(tmp_path / 'labels', {n: labels() for n in ('aachen_1', 'bonn_2_ids')})
    with pytest.raises(EvaluationError, match=r'bonn_2.png has no partner in .*labels, did you '
                                              r'mean bonn_2_ids.png to be it\? 1 of 2'):
        pairs(images, truths)
    (truths / 'bonn_2_ids.png').rename(truths / 'bonn_2.png')
    assert [(a.name, b.name) for a, b in pairs(images, truths)] == [
        ('aachen_1.png', 'aachen_1.png'), ('bonn_2.png', 'bonn_2.png')]
    Image.fromarray(labels()).save(truths / 'zzz.png')
    with pytest.raises(EvaluationError, match=r'zzz.png has no partner in .*images\. 1 of 3 have'):
        pairs(images, truths)


def test_folders_that_are_none_or_empty(tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(EvaluationError, match='nowhere is not a folder'):
        pairs(tmp_path / 'nowhere', tmp_path / 'empty')
    with pytest.raises(EvaluationError, match=r'no images in .*empty'):
        pairs(tmp_path / 'empty', tmp_path / 'empty')


def test_sizes_that_differ_are_told_with_both(tmp_path):
    images = folder(tmp_path / 'images', {'a': PALETTE[labels()]})
    truths = folder(tmp_path / 'labels', {'a': labels()[:, :30]})
    with pytest.raises(EvaluationError, match=r'labels/a.png is 30x24, but its image .*images/'
                                              r'a.png is 32x24'):
        list(folder_samples(images, truths))


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_label_maps_of_8_and_16_bits(tmp_path, dtype):
    ids = np.arange(24, dtype=dtype).reshape(4, 6) * 10
    ids[0, 0] = np.iinfo(dtype).max
    cv2.imwrite(str(tmp_path / 'a.png'), ids)
    got = read_truth(tmp_path / 'a.png')
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, ids)


def test_a_colour_table_is_read_as_ids(tmp_path):
    picture = Image.fromarray(labels())
    picture.putpalette(spread_palette(256).tobytes())
    picture.save(tmp_path / 'voc.png')
    np.testing.assert_array_equal(read_truth(tmp_path / 'voc.png'), labels())


def test_colour_pictures_and_broken_files_are_no_label_maps(tmp_path):
    Image.fromarray(PALETTE[labels()]).save(tmp_path / 'color.png')
    with pytest.raises(EvaluationError, match=r'color.png is a picture of mode RGB'):
        read_truth(tmp_path / 'color.png')
    whole = (tmp_path / 'color.png').read_bytes()
    for number, content in enumerate([b'', b'hello', whole[:40], whole[:len(whole) // 2]]):
        path = tmp_path / f'{number}.png'
        path.write_bytes(content)
        with pytest.raises(EvaluationError, match=f'{number}.png cannot be read'):
            read_truth(path)


def test_images_and_labels_go_together(tmp_path, card_file):
    with pytest.raises(EvaluationError, match='go together'):
        run_eval(str(card_file), 'auto', 1, [], tmp_path, None, None)
