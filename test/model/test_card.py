# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Model cards are read, checked and refused."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import yaml

from trt_segmentation.errors import ModelCardError
from trt_segmentation.installed.files import share_path
from trt_segmentation.model.card import (
    card_from_dict,
    find_card,
    load_card,
    MAX_CLASSES,
    spread_palette,
)

MODELS = Path(__file__).parents[2] / 'config' / 'models'
SMALL = {'model': 'net.onnx', 'classes': ['a', 'b']}
ASKING = (Path('mine.yaml'),)
"""A card that takes its classes from another card. The other card needs no network."""


def written(folder, tree, name='card.yaml'):
    path = folder / name
    path.write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree), encoding='utf-8')
    return path


@pytest.mark.parametrize('name, count, some', [
    ('street', 10, {1: ('lane marking', (255, 255, 255))}),
    ('cityscapes', 19, {0: ('road', (128, 64, 128)), 10: ('sky', (70, 130, 180)),
                        11: ('person', (220, 20, 60)), 18: ('bicycle', (119, 11, 32))}),
    ('voc', 21, {0: ('background', (0, 0, 0)), 7: ('car', (128, 128, 128)),
                 15: ('person', (192, 128, 128)), 20: ('tvmonitor', (0, 64, 128))}),
    ('ade20k', 150, {0: ('wall', (120, 120, 120)), 2: ('sky', (6, 230, 230)),
                     12: ('person', (150, 5, 61)), 149: ('flag', (92, 0, 255))})])
def test_installed_cards(name, count, some):
    card = load_card(name, ASKING)
    assert card.name == name and card.source == MODELS / f'{name}.yaml'
    assert len(card.classes) == len(card.palette) == count
    assert card.palette.dtype == np.uint8 and card.palette.shape == (count, 3)
    for index, (label, color) in some.items():
        assert (card.classes[index], tuple(card.palette[index])) == (label, color)
    assert (card.label_dtype, card.label_encoding) == (np.uint8, 'mono8')


def test_voc_colours_follow_from_the_bits_of_the_id():
    for index, color in enumerate(load_card('voc', ASKING).palette.tolist()):
        expected = [sum((index >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3))
                    for channel in range(3)]
        assert color == expected


def test_every_installed_card_loads():
    names = sorted(path.stem for path in MODELS.glob('*.yaml'))
    assert names == ['ade20k', 'cityscapes', 'street', 'voc']
    assert [load_card(name, ASKING).name for name in names] == names


def test_the_street_network_is_found_in_the_resource_folder():
    assert load_card('street').model == share_path('resource', 'street.onnx')


def test_defaults(tmp_path):
    card = load_card(written(tmp_path, SMALL, 'mine.yaml'))
    assert (card.name, card.model, card.classes) == ('mine', tmp_path / 'net.onnx', ('a', 'b'))
    assert card.input.mean == (0.485, 0.456, 0.406) and card.input.resize == 'stretch'
    assert card.output.kind == 'auto' and card.output.threshold == 0.5
    assert (card.palette == spread_palette(2)).all()


def test_everything_given(tmp_path):
    tree = {
        'name': 'n', 'model': '/elsewhere/m.onnx', 'classes': ['a', 'b'],
        'palette': [[1, 2, 3], [4, 5, 6]],
        'input': {'name': 'x', 'layout': 'nhwc', 'height': 5, 'width': 6, 'color': 'bgr',
                  'mean': [0, 0, 0], 'std': [1, 1, 2.5], 'resize': 'letterbox', 'pad': 0},
        'output': {'name': 'y', 'kind': 'sigmoid', 'layout': 'nchw', 'threshold': 0.25}}
    card = load_card(written(tmp_path, tree))
    assert card.model == Path('/elsewhere/m.onnx')
    assert card.palette.tolist() == tree['palette']
    for part, values in (('input', card.input), ('output', card.output)):
        for key, value in dict(tree[part]).items():
            value = tuple(value) if isinstance(value, list) else value
            assert getattr(values, key) == value


def test_gray_has_one_channel(tmp_path):
    card = load_card(written(tmp_path, SMALL | {'input': {'color': 'gray'}}))
    assert len(card.input.mean) == len(card.input.std) == 1


def test_classes_and_palette_of_another_card(tmp_path):
    tree = {'model': 'net.onnx', 'classes': 'cityscapes', 'palette': 'cityscapes'}
    card, cityscapes = load_card(written(tmp_path, tree)), load_card('cityscapes', ASKING)
    assert card.classes == cityscapes.classes
    assert (card.palette == cityscapes.palette).all()


@pytest.mark.parametrize('count, dtype, encoding', [
    (255, np.uint8, 'mono8'), (256, np.uint16, 'mono16'), (MAX_CLASSES, np.uint16, 'mono16')])
def test_label_type(count, dtype, encoding):
    card = card_from_dict({'model': 'm.onnx', 'classes': [str(i) for i in range(count)]})
    assert (card.label_dtype, card.label_encoding) == (dtype, encoding)


@pytest.mark.parametrize('change, words', [
    ({'model': 'net.plan'}, 'net.plan is a plan, .* needs the ONNX file'),
    ({'model': ''}, 'model: give the path'), ({'model': 5}, 'model: give the path'),
    ({'modle': 'x'}, "unknown key 'modle', did you mean 'model'"),
    ({'classes': []}, 'classes: give a list'), ({'classes': None}, 'classes: give a list'),
    ({'classes': ['a', 'b', 'a']}, "'a' is listed 2 times"),
    ({'classes': [str(i) for i in range(MAX_CLASSES + 1)]}, f'at most {MAX_CLASSES}'),
    ({'classes': 'citiscapes'}, "no model card 'citiscapes', did you mean 'cityscapes'"),
    ({'palette': [[1, 2, 3]]}, 'palette: 1 colours for 2 classes'),
    ({'palette': 7}, 'palette: 7 for 2 classes'),
    ({'palette': [[1, 2, 3], [1, 2, 256]]}, r'colour 1 is \[1, 2, 256\]; expected'),
    ({'palette': [[1, 2, 3], [1, 2]]}, 'colour 1 is'),
    ({'input': 5}, 'input: expected a mapping, got 5'),
    ({'input': {'colour': 'rgb'}}, "input: unknown key 'colour', did you mean 'color'"),
    ({'input': {'color': 'RGB'}}, "input: color: 'RGB'; expected one of rgb, bgr, gray"),
    ({'input': {'layout': 'chw'}}, 'input: layout: .* expected one of auto, nchw, nhwc'),
    ({'input': {'resize': 'pad'}}, 'input: resize: .* stretch, letterbox, crop'),
    ({'input': {'mean': [0, 0]}}, r'input: mean: \[0, 0\]; expected 3 number'),
    ({'input': {'mean': [0, 0, 'x']}}, 'input: mean'),
    ({'input': {'mean': [123.7, 116.3, 103.5]}}, r'\[123.7, 116.3, 103.5\] is for colours from 0 '
     'to 255; expected a mean for colours from 0 to 1. Divide mean and std by 255'),
    ({'input': {'mean': [0, 0, float('nan')]}}, 'input: mean: .* finite'),
    ({'input': {'mean': [0, 0, 0], 'std': [255, 255, 127.5]}},
     r'input: std: \[255.*\] is for colours from 0 to 255; .*Write \[1.0, 1.0, 0.5\]'),
    ({'input': {'std': ['1/255', 1, 1]}}, "input: std: '1/255' is no number in YAML; "
                                          'write 0.003922'),
    ({'output': {'threshold': '1/3'}}, "threshold: '1/3' .* write 0.3333"),
    ({'input': {'std': [1, 1, 0]}}, 'input: std: .* above 0'),
    ({'input': {'color': 'gray', 'mean': [0, 0, 0]}}, 'input: mean: .* expected 1 number'),
    ({'input': {'height': -1}}, 'input: height: -1; expected a whole number from 0 to 16384'),
    ({'input': {'width': 1.5}}, 'input: width: 1.5'),
    ({'input': {'pad': 256}}, 'input: pad: 256; expected a whole number from 0 to 255'),
    ({'output': {'kind': 'softmax'}}, 'output: kind: .* auto, logits, probabilities, '
     'sigmoid, probability, labels'),
    ({'output': {'threshold': 0}}, 'output: threshold: 0.* between 0 and 1'),
    ({'output': {'threshold': 'half'}}, 'output: threshold')])
def test_each_mistake_of_a_card_is_named(tmp_path, change, words):
    path = written(tmp_path, SMALL | change)
    with pytest.raises(ModelCardError, match=words) as caught:
        load_card(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize('text, words', [
    ('[1, 2]', 'a model card is a mapping, but this file is a list'),
    ('', 'the file has no content'),
    ('a: [', 'cannot be read as YAML'), ('!!python/object/apply:os.getcwd []', 'YAML')])
def test_files_that_are_no_cards(tmp_path, text, words):
    with pytest.raises(ModelCardError, match=words):
        load_card(written(tmp_path, text))


def test_a_card_that_does_not_exist_is_searched_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text, where in (('a/net.yaml', f' in {tmp_path}, the current folder of this process.'),
                        (f'{tmp_path}/net.yml', '.')):
        with pytest.raises(ModelCardError) as error:
            load_card(text)
        assert str(error.value).startswith(
            f'the model card {text} does not exist{where} Give a path to a .yaml file. Installed')


def test_a_missing_card_lists_the_installed_cards():
    with pytest.raises(ModelCardError, match="no model card 'sreet', did you mean 'street'") as e:
        find_card('sreet')
    assert str(e.value).endswith(
        ' Installed models: street. Installed lists of classes: ade20k, cityscapes, voc')


@pytest.mark.parametrize('name', ['ade20k', 'cityscapes', 'voc'])
def test_a_list_of_classes_is_no_model(name):
    with pytest.raises(ModelCardError, match='this card holds only classes. Write a card for your '
                       f'own network, with the line `classes: {name}`; see docs/your_model.md'):
        load_card(name)


def test_a_card_that_only_lends_its_classes_needs_no_network(tmp_path):
    written(tmp_path, {'classes': ['x', 'y']}, 'names.yaml')
    tree = {'model': 'net.onnx', 'classes': str(tmp_path / 'names.yaml')}
    assert load_card(written(tmp_path, tree)).classes == ('x', 'y')
    with pytest.raises(ModelCardError, match='model: give the path of an ONNX file'):
        load_card(tmp_path / 'names.yaml')


def test_one_number_counts_for_every_channel(tmp_path):
    tree = SMALL | {'input': {'mean': 0, 'std': 0.003922}}
    card = load_card(written(tmp_path, tree))
    assert card.input.mean == (0, 0, 0) and card.input.std == (0.003922,) * 3
    card = load_card(written(tmp_path, SMALL | {'input': {
        'color': 'gray', 'mean': 0.5, 'std': [0.25]}}))
    assert (card.input.mean, card.input.std) == ((0.5,), (0.25,))


def test_a_network_in_place_of_a_card():
    with pytest.raises(ModelCardError, match=r'not a model card. `trt_seg inspect a/net.onnx`'):
        load_card('a/net.onnx')


@settings(deadline=None, max_examples=40)
@given(count=st.integers(1, 60))
def test_generated_colours_differ(count):
    palette = spread_palette(count)
    assert palette.shape == (count, 3) and palette.dtype == np.uint8
    assert len({tuple(color) for color in palette.tolist()}) == count
    # a longer list begins with the same colours, so a new class changes no other colour
    assert (palette == spread_palette(count + 5)[:count]).all()


def test_plugins_are_relative_to_the_card(tmp_path):
    tree = {'model': 'net.onnx', 'classes': ['a', 'b'], 'plugins': ['lib/a.so', '/opt/b.so']}
    assert card_from_dict(tree, tmp_path / 'card.yaml').plugins == (
        tmp_path / 'lib' / 'a.so', Path('/opt/b.so'))
    assert card_from_dict({**tree, 'plugins': []}).plugins == ()
    del tree['plugins']
    assert card_from_dict(tree).plugins == ()


@pytest.mark.parametrize('value,said', [
    ('a.so', "plugins: 'a.so'; expected a list of shared libraries"),
    ([7], 'plugins: number 0 is 7'),
    (['a.so', ''], 'plugins: number 1 is'),
    (['~nobody-here/a.so'], 'plugins: .*names the home folder of a user')])
def test_plugins_that_are_no_paths_are_refused(value, said):
    tree = {'model': 'net.onnx', 'classes': ['a', 'b'], 'plugins': value}
    with pytest.raises(ModelCardError, match=said):
        card_from_dict(tree)


def test_a_temperature_is_read():
    assert card_from_dict({**SMALL, 'output': {'temperature': 1.5}}).output.temperature == 1.5
    assert card_from_dict(SMALL).output.temperature == 1.0


@pytest.mark.parametrize('value', [0, -1, 0.001, 101, 'warm', True, [1], float('inf')])
def test_a_temperature_out_of_range_is_refused(value):
    with pytest.raises(ModelCardError, match='output: temperature: '):
        card_from_dict({**SMALL, 'output': {'temperature': value}})


GROUND_TREE = {'model': 'net.onnx', 'classes': ['road', 'walk', 'car']}


def test_a_card_says_which_classes_are_ground():
    lists = {'drivable': ['road'], 'walkable': ['walk'], 'obstacle': ['car']}
    assert card_from_dict({**GROUND_TREE, 'ground': lists}).ground == {
        'drivable': ('road',), 'walkable': ('walk',), 'obstacle': ('car',)}
    assert card_from_dict(GROUND_TREE).ground == {}
    assert load_card('street').ground['drivable'] == ('road', 'lane marking')


@pytest.mark.parametrize('lists, text', [
    ({'driveable': ['road']}, "ground: unknown key 'driveable', did you mean 'drivable'"),
    ({'drivable': 'road'}, "ground: drivable: 'road'; expected a list of class names"),
    ({'drivable': ['raod']}, "the model has no class 'raod', did you mean 'road'"),
    ({'drivable': ['road'], 'obstacle': ['road']},
     "'road' is listed under drivable and under obstacle")])
def test_a_wrong_list_of_ground_classes_is_named(lists, text):
    with pytest.raises(ModelCardError, match=text):
        card_from_dict({**GROUND_TREE, 'ground': lists})
