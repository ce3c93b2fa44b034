# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""`trt_seg eval` on street scenes and on folders of images with label maps."""

from contextlib import closing
import json
from pathlib import Path
import re

from networks import color_card, color_classifier
import numpy as np
from PIL import Image
import pytest

from trt_segmentation import street
from trt_segmentation.accuracy.label_values import LabelValues, load_value_map
from trt_segmentation.accuracy.metrics import Scores
from trt_segmentation.accuracy.samples import (
    draw_street_samples,
    evaluate,
    FIRST_SEED,
    label_image,
    make_frame,
    pair_files,
    read_folder_samples,
    Sample,
    SCENE_SIZE,
)
from trt_segmentation.commands.cli import main
from trt_segmentation.commands.evaluate import print_scores, refuse_low_scores, run_evaluate
from trt_segmentation.commands.evaluate_options import BESIDE, EvaluateOptions
from trt_segmentation.commands.evaluate_trust import print_temperature
from trt_segmentation.errors import AccuracyLossError, EvaluationError, OutputError
from trt_segmentation.frame import Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card, ModelCard, spread_palette
from trt_segmentation.trust.reference import features_of, load_reference
from trt_segmentation.trust.tally import read_tally

PALETTE = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)


@pytest.fixture(scope='module')
def pipeline(tmp_path_factory):
    """Open a network that labels four colours in images of 32x24."""
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
    scores = evaluate(pipeline, [Sample('a', PALETTE[first][..., ::-1], ignored),
                                 Sample('b', PALETTE[second][..., ::-1], wrong)])
    assert scores.images == 2
    assert scores.matrix.sum() == 5 * 32 + 24 * 32
    assert scores.matrix.sum() - np.trace(scores.matrix) == 8
    assert scores.pixel_accuracy == pytest.approx(1 - 8 / (29 * 32))
    assert scores.classes == pipeline.card.classes


def test_truth_that_does_not_fit_is_named(pipeline):
    truth = labels()
    truth[3, 3] = 9
    with pytest.raises(EvaluationError, match=r'a.png: the truth has 1 pixels whose id is no '
                                              r'class, such as 9'):
        evaluate(pipeline, [Sample('a.png', PALETTE[labels()][..., ::-1], truth)])


# ---- street scenes

def test_street_scenes_are_of_seeds_no_training_has_seen():
    card = ModelCard('net', 'net.onnx', street.CLASSES, spread_palette(10))
    width, height = SCENE_SIZE
    for i, sample in enumerate(draw_street_samples(card, 2, 'night')):
        scene = street.scene(FIRST_SEED + i, 'night', width, height)
        np.testing.assert_array_equal(sample.image, scene.image)
        np.testing.assert_array_equal(sample.truth, scene.truth)


def test_a_drive_gives_the_frames_of_the_street_camera_in_their_order():
    card = ModelCard('net', 'net.onnx', street.CLASSES, spread_palette(10))
    drive = street.Drive(1, 'snow', *SCENE_SIZE, fps=2.0)
    for i, sample in enumerate(draw_street_samples(card, 2, 'snow', drive=(1, 2.0))):
        frame = drive.frame(i)
        np.testing.assert_array_equal(sample.image, frame.image)
        np.testing.assert_array_equal(sample.truth, frame.truth)
        assert sample.name == f'snow frame {i} of drive 1'
    assert i == 1


def test_truth_is_in_the_ids_of_the_card():
    names = ('other', *reversed(street.CLASSES))
    card = ModelCard('net', 'net.onnx', names, spread_palette(11))
    (sample,) = draw_street_samples(card, 1, 'day')
    truth = street.scene(FIRST_SEED, 'day', *SCENE_SIZE).truth
    assert set(np.unique(truth)) == {street.CLASSES.index(names[i])
                                     for i in np.unique(sample.truth)}
    np.testing.assert_array_equal(sample.truth == names.index('sky'),
                                  truth == street.CLASSES.index('sky'))


def test_a_card_of_other_classes_cannot_be_scored_on_streets():
    card = ModelCard('net', 'net.onnx', street.CLASSES[2:], spread_palette(8))
    with pytest.raises(EvaluationError, match=r'that net lacks: road, lane marking\. .*--images'):
        next(draw_street_samples(card, 1, 'day'))


def test_brackets_in_names_are_no_markup(capsys):
    """Rich would raise a MarkupError for such a name, or leave it out."""
    scores = Scores(('[/red]', '[bold]'), np.eye(2, dtype=np.int64), 1)
    print_scores({'[/x]': scores}, 'net [/], cpu')
    text = capsys.readouterr().out
    assert all(name in text for name in ('[/red]', '[bold]', '[/x]', 'net [/], cpu'))


def test_conditions_that_do_not_exist():
    card = ModelCard('net', 'net.onnx', street.CLASSES, spread_palette(10))
    with pytest.raises(EvaluationError, match=r"no condition 'nite', did you mean 'night'\?"):
        next(draw_street_samples(card, 1, 'nite'))


def test_a_street_evaluation_goes_by_condition(tmp_path, capsys):
    palette = spread_palette(10)
    color_classifier(tmp_path / 'net.onnx', palette)
    (tmp_path / 'net.yaml').write_text(
        f'model: net.onnx\nclasses: {json.dumps(street.CLASSES)}\n')
    assert run_evaluate(EvaluateOptions(str(tmp_path / 'net.yaml'), street=1,
                                        condition=('day', 'snow'),
                                        json=tmp_path / 'scores.json')) == 0
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
    assert run_evaluate(EvaluateOptions(
        str(card_file), images=images, labels=folder(tmp_path / 'labels', truths),
        json=tmp_path / 'scores.json')) == 0
    scores = json.loads((tmp_path / 'scores.json').read_text())['scores']['images']
    assert scores['images'] == 3
    assert scores['pixel_accuracy'] == pytest.approx(1 - 16 / (3 * 24 * 32 - 48))
    assert '0.9' in capsys.readouterr().out


def test_a_mean_iou_below_the_minimum_is_named(tmp_path, card_file, capsys):
    truths = {'a': labels()}
    images = folder(tmp_path / 'images', {'a': PALETTE[truths['a']]})
    truths['a'][0, :16] = (truths['a'][0, :16] + 1) % 4
    arguments = ['eval', '--model', str(card_file), '--images', str(images), '--labels',
                 str(folder(tmp_path / 'labels', truths)), '--json', str(tmp_path / 's.json')]
    assert main([*arguments, '--min-miou', '0.5']) == 0
    assert main([*arguments, '--min-miou', '1']) == 1
    miou = json.loads((tmp_path / 's.json').read_text())['scores']['images']['mean_iou']
    assert capsys.readouterr().err.endswith(
        f'trt_seg: error: the mean IoU is below --min-miou 1: images has {miou:.4f}\n')


def test_only_columns_with_labelled_pixels_are_compared_with_the_minimum():
    empty, good = (Scores('ab', np.array(rows), 1) for rows in (
        [[0, 0, 0], [0, 0, 0]], [[3, 1, 0], [0, 4, 0]]))
    refuse_low_scores({'day': good, 'night': empty}, 0.5)
    refuse_low_scores({'night': empty}, None)
    refuse_low_scores({}, 1)
    with pytest.raises(AccuracyLossError, match=r'day has 0\.7750$'):
        refuse_low_scores({'day': good, 'night': empty}, 0.8)
    with pytest.raises(EvaluationError, match='no pixel is labelled'):
        refuse_low_scores({'night': empty}, 0.5)


def test_files_without_partner_are_named_with_the_nearest(tmp_path):
    images = folder(tmp_path / 'images', {n: PALETTE[labels()] for n in ('aachen_1', 'bonn_2')})
    truths = folder(tmp_path / 'labels', {n: labels() for n in ('aachen_1', 'bonn_2_ids')})
    with pytest.raises(EvaluationError, match=r'bonn_2.png has no partner in .*labels, did you '
                                              r'mean bonn_2_ids.png\? 1 of 2'):
        pair_files(images, truths)
    (truths / 'bonn_2_ids.png').rename(truths / 'bonn_2.png')
    assert [(a.name, b.name) for a, b in pair_files(images, truths)] == [
        ('aachen_1.png', 'aachen_1.png'), ('bonn_2.png', 'bonn_2.png')]
    Image.fromarray(labels()).save(truths / 'zzz.png')
    with pytest.raises(EvaluationError, match=r'zzz.png has no partner in .*images\. 1 of 3 '
                                              r'files have'):
        pair_files(images, truths)


def test_a_file_of_another_number_is_no_partner(tmp_path):
    images = folder(tmp_path / 'images', {n: PALETTE[labels()] for n in ('f_0001', 'f_0002')})
    truths = folder(tmp_path / 'labels', {n: labels() for n in ('f_0001', 'f_0003')})
    with pytest.raises(EvaluationError, match=r'f_0002.png has no partner in .*labels\. 1 of 2'):
        pair_files(images, truths)


def test_missing_and_empty_folders_are_refused(tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(EvaluationError, match='nowhere is not a folder'):
        pair_files(tmp_path / 'nowhere', tmp_path / 'empty')
    with pytest.raises(EvaluationError, match=r'empty has no images'):
        pair_files(tmp_path / 'empty', tmp_path / 'empty')


def test_sizes_that_differ_are_told_with_both(tmp_path):
    images = folder(tmp_path / 'images', {'a': PALETTE[labels()]})
    truths = folder(tmp_path / 'labels', {'a': labels()[:, :30]})
    with pytest.raises(EvaluationError, match=r'labels/a.png is 30x24, but its image .*images/'
                                              r'a.png is 32x24'):
        list(read_folder_samples(images, truths, 4))


def test_images_and_labels_go_together(tmp_path, card_file):
    with pytest.raises(EvaluationError, match='must be given together'):
        run_evaluate(EvaluateOptions(str(card_file), street=1, images=tmp_path))


# ---- values of label maps

def evaluated(tmp_path, card_file, truths, *more):
    """Evaluate pictures that the network labels correctly. Return the exit code and scores."""
    true = {name: labels(i) for i, name in enumerate(truths)}
    images = folder(tmp_path / 'images', {n: PALETTE[t] for n, t in true.items()})
    stored = folder(tmp_path / 'truth', {n: truths[n](t) for n, t in true.items()})
    code = main(['eval', '--model', str(card_file), '--images', str(images), '--labels',
                 str(stored), '--json', str(tmp_path / 'scores.json'), *more])
    found = tmp_path / 'scores.json'
    return code, json.loads(found.read_text())['scores']['images'] if found.exists() else None


def test_values_that_are_no_class_are_counted_over_all_label_maps(tmp_path, card_file, capsys):
    code, _ = evaluated(tmp_path, card_file, {
        'a': lambda t: np.where(np.arange(32) < 2, 11, t).astype(np.uint8),
        'b': lambda t: np.where(np.arange(32) < 1, 200, t).astype(np.uint8)})
    assert code == 2
    said = capsys.readouterr()
    assert ('the label maps have values that are no class ids. The model has 4 classes, 0 to 3, '
            'and 255 means unlabelled. Found: 11 (48 pixels), 200 (24 pixels). Leave these values '
            'out with --ignore, or turn them into class ids with --map') in said.err
    assert 'mean IoU' not in said.out


def test_values_can_be_left_out(tmp_path, card_file):
    def truth(ids):
        return np.where(np.arange(32) < 3, np.arange(32) + 10, ids).astype(np.uint8)
    code, scores = evaluated(tmp_path, card_file, {'a': truth}, '--ignore', '10-11', '12')
    assert code == 0 and scores['pixel_accuracy'] == 1.0


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_class_can_be_left_out_too(tmp_path, card_file, dtype):
    """Pixels with this truth are not scored. On other pixels, this class is a wrong answer."""
    code, scores = evaluated(tmp_path, card_file, {'a': lambda t: t.astype(dtype)},
                             '--ignore', '2')
    assert code == 0 and scores['iou'] == {'nothing': 1, 'red': 1, 'green': None, 'blue': 1}


def test_a_map_turns_values_into_class_ids(tmp_path, card_file):
    (tmp_path / 'map.yaml').write_text('30: 0\n7: 1\n1000: 2\n31: 3\n5: ignore\n')
    values = np.array([30, 7, 1000, 31], np.uint16)

    def truth(ids):
        return np.where(np.arange(32) < 4, 5, values[ids]).astype(np.uint16)
    code, scores = evaluated(tmp_path, card_file, {'a': truth}, '--map',
                             str(tmp_path / 'map.yaml'))
    assert code == 0 and scores['pixel_accuracy'] == 1.0 and None not in scores['iou'].values()


def test_values_that_a_map_lacks_are_counted(tmp_path, card_file, capsys):
    (tmp_path / 'map.yaml').write_text('0: 1\n1: 0\n')
    assert evaluated(tmp_path, card_file, {'a': lambda t: (t // 2 * 3).astype(np.uint8)},
                     '--map', str(tmp_path / 'map.yaml'))[0] == 2
    assert 'that are not in the value map' in (said := capsys.readouterr().err)
    assert 'map.yaml. Found: 3 (' in said


@pytest.mark.parametrize('stored, more', [(255, []), (255, ['--ignore', '7']),
                                          (7, ['--ignore', '7'])])
def test_label_maps_without_a_labelled_pixel_are_an_error(tmp_path, card_file, capsys, stored,
                                                          more):
    code, scores = evaluated(tmp_path, card_file, {
        'a': lambda t: np.full_like(t, stored), 'b': lambda t: np.full_like(t, stored)}, *more)
    assert code == 2 and scores is None
    said = capsys.readouterr()
    assert 'no pixel of the 2 label maps is labelled, so there is nothing to score' in said.err
    assert f'All values are left out: {stored} (1,536 pixels)' in said.err
    assert 'nan' not in said.out


@pytest.mark.parametrize('text, words', [
    ('1: 4', 'maps value 1 to class 4, but the model has 4 classes, 0 to 3. Write `1: ignore`'),
    ('a: 1',
     "entry `'a': 1`; expected a value of 0 to 65535, and a class id or the word ignore"),
    ('1: b', "entry `1: 'b'`; expected"), ('1: -1', 'entry `1: -1`; expected'),
    ('true: 1', 'entry `True: 1`; expected'), ('- 1', 'is not a value map'),
    ('', 'is not a value map'), ('1: [', 'cannot be read as YAML')])
def test_maps_that_cannot_be_used(tmp_path, card_file, capsys, text, words):
    (tmp_path / 'map.yaml').write_text(text)
    assert evaluated(tmp_path, card_file, {'a': lambda t: t}, '--map',
                     str(tmp_path / 'map.yaml'))[0] == 2
    said = capsys.readouterr().err
    assert words in said and str(tmp_path / 'map.yaml') in said


def test_a_map_that_is_not_there_is_named_with_the_installed_ones(card_file, tmp_path, capsys):
    assert evaluated(tmp_path, card_file, {'a': lambda t: t}, '--map', 'cityscape')[0] == 2
    assert ("no value map 'cityscape', did you mean 'cityscapes'? Give the path of a .yaml file, "
            'or one of: ade20k, cityscapes') in capsys.readouterr().err


@pytest.mark.parametrize('more', [['--ignore', '1'], ['--map', 'ade20k']])
def test_street_scenes_have_no_values_to_leave_out(more, capsys):
    assert main(['eval', *more]) == 2
    assert '--ignore and --map need label maps; give --images and --labels, or a SOURCE' in \
        capsys.readouterr().err


CITYSCAPES = [
    'unlabeled', 'ego vehicle', 'rectification border', 'out of roi', 'static', 'dynamic',
    'ground', 'road', 'sidewalk', 'parking', 'rail track', 'building', 'wall', 'fence',
    'guard rail', 'bridge', 'tunnel', 'pole', 'polegroup', 'traffic light', 'traffic sign',
    'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus', 'caravan',
    'trailer', 'train', 'motorcycle', 'bicycle']
"""Names of the label ids 0 to 33. They are in labels.py of the scripts of Cityscapes."""


def test_the_map_of_cityscapes_agrees_with_the_names_of_its_labels():
    classes = load_card('cityscapes', (Path(),)).classes
    found = load_value_map('cityscapes')
    assert list(found) == list(range(34))
    for value, name in enumerate(CITYSCAPES):
        assert found[value] == (classes.index(name) if name in classes else None)
    assert len({given for given in found.values() if given is not None}) == len(classes) == 19


def test_the_map_of_ade20k_shifts_by_one():
    assert load_value_map('ade20k') == {0: None} | {n: n - 1 for n in range(1, 151)}
    assert len(load_card('ade20k', (Path(),)).classes) == 150
    truth = np.arange(151, dtype=np.uint8)[None]
    assert list(LabelValues(mapped=load_value_map('ade20k')).to_class_ids(truth, 150)[0]) == [
        255, *range(150)]


# ---- trust

@pytest.fixture
def street_like(tmp_path):
    """Return the path of a card with the classes of the street."""
    color_classifier(tmp_path / 'net.onnx', spread_palette(10))
    path = tmp_path / 'net.yaml'
    path.write_text(f'model: net.onnx\nclasses: {json.dumps(street.CLASSES)}\n')
    return path


def test_a_reference_is_written_beside_the_card(street_like, tmp_path, capsys):
    scenes = {f'{i}': street.scene(FIRST_SEED + i, 'night', 64, 64) for i in range(4)}
    images = folder(tmp_path / 'images', {name: one.image[..., ::-1]
                                          for name, one in scenes.items()})
    truth = folder(tmp_path / 'truth', {name: one.truth for name, one in scenes.items()})
    run_evaluate(EvaluateOptions(str(street_like), images=images, labels=truth,
                                 save_reference=BESIDE))
    path = street_like.with_name('net.reference.json')
    assert capsys.readouterr().out.endswith(
        f'→ {path}: the reference of 4 images\nBy default, a node needs a reference of at least '
        '180 images. Evaluate more images, or set the parameter `drift_frames` of the node to 1 '
        'or less\n')
    card = load_card(street_like)
    reference = load_reference(path, card)
    pipeline = HostPipeline(card)
    pipeline.submit([make_frame(scenes['3'].image)], Wanted(tally=True))
    (segmentation,) = pipeline.collect()
    np.testing.assert_allclose(reference.frames[3], features_of(read_tally(segmentation.tally)),
                               atol=1e-6)
    pipeline.close()


def test_separate_scenes_are_no_reference_beside_the_card(street_like):
    with pytest.raises(EvaluationError, match=r'images of any camera\. Give your own images .*'
                                              r'--drive.* --save-reference FILE$'):
        run_evaluate(EvaluateOptions(str(street_like), street=2, save_reference=BESIDE))
    assert not street_like.with_name('net.reference.json').exists()


def test_a_reference_of_a_drive_has_its_frames_in_their_order(street_like, tmp_path):
    path = tmp_path / 'drive.json'
    assert main(['eval', '--model', str(street_like), '--street', '2', '--condition', 'day',
                 '--drive', '1', '--fps', '1', '--save-reference', str(path)]) == 0
    card, rows = load_card(street_like), []
    drive = street.Drive(1, 'day', *SCENE_SIZE, fps=1.0)
    with closing(HostPipeline(card)) as pipeline:
        for index in range(2):
            pipeline.submit([make_frame(drive.frame(index).image)], Wanted(tally=True))
            rows += [features_of(read_tally(one.tally)) for one in pipeline.collect()]
    np.testing.assert_allclose(load_reference(path, card).frames, rows, atol=1e-6)


def test_a_temperature_is_printed_and_the_card_stays(street_like, capsys):
    before = street_like.read_bytes()
    run_evaluate(EvaluateOptions(str(street_like), street=2, condition=('day',),
                                 fit_temperature=True))
    text = capsys.readouterr().out
    assert 'calibration error' in text and 'fitted on 1 image. On 1 other image,' in text
    (temperature,) = map(float, re.findall(r'^output:\n  temperature: (\S+)$', text, re.M))
    assert 0.01 <= temperature <= 100
    assert street_like.read_bytes() == before


def test_a_copy_of_the_card_has_the_temperature(street_like, tmp_path, capsys):
    copy, scores = tmp_path / 'warm.yaml', tmp_path / 'scores.json'
    run_evaluate(EvaluateOptions(str(street_like), street=2, condition=('day',),
                                 fit_temperature=True, save_card=copy, json=scores))
    ((warmth, before, after),) = re.findall(
        r'^temperature (\S+), fitted.* from (\S+) to (\S+)\.$', capsys.readouterr().out, re.M)
    assert load_card(copy).output.temperature == pytest.approx(float(warmth), rel=1e-3)
    first = json.loads(scores.read_text())['scores']['day']['calibration_error']
    run_evaluate(EvaluateOptions(str(copy), street=2, condition=('day',), json=scores))
    again = json.loads(scores.read_text())['scores']['day']
    assert (again['calibration_error'] < first) == (float(after) < float(before))


def test_a_temperature_that_makes_the_error_larger_is_not_used(street_like, tmp_path, capsys):
    """The model is always right on the image of the fit, and guesses on the other image."""
    card, copy = load_card(street_like), tmp_path / 'warm.yaml'
    image = street.scene(FIRST_SEED, 'day', 128, 64).image
    with closing(HostPipeline(card)) as pipeline:
        labels = label_image(pipeline, image)
    guesses = np.random.default_rng(0).integers(0, 10, labels.shape, np.uint8)
    with pytest.raises(EvaluationError, match=(
            r'^the temperature \S+ is not used, because it makes the calibration error on 1 other '
            r'image larger: 0\.\d+ instead of 0\.\d+\. The temperature was fitted on 1 image\. '
            r'Give more images\. .* keep the present temperature 1$')):
        print_temperature(card, [Sample('a', image, labels), Sample('b', image, guesses)], copy)
    assert not copy.exists() and capsys.readouterr().out == ''


@pytest.mark.parametrize('options, message', [
    ({'save_card': Path('a.yaml')}, '--fit-temperature too'),
    ({'save_card': Path('a.txt'), 'fit_temperature': True}, r'a\.txt: .* ends in \.yaml or \.yml'),
    ({'save_reference': BESIDE, 'fit_temperature': True}, 'cannot be used together'),
    ({'images': Path('a'), 'labels': Path('b'), 'drive': 0}, '--drive is only for street scenes'),
    ({'fps': 2.0}, '--fps is .* give --drive too'),
    ({'sources': ('a.mcap',), 'drive': 0}, '--drive cannot be used with a SOURCE')])
def test_options_that_contradict_each_other(options, message):
    with pytest.raises(EvaluationError, match=message):
        run_evaluate(EvaluateOptions(**options))


def test_a_reference_of_the_user_is_refused_before_any_work(street_like):
    path = street_like.with_name('net.reference.json')
    path.write_text('mine')
    with pytest.raises(OutputError, match=r'--save-reference .*trt_seg did not write it'):
        run_evaluate(EvaluateOptions(str(street_like), street=1, drive=1,
                                     save_reference=BESIDE))
    assert path.read_text() == 'mine'
