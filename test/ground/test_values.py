# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Each class gets the value that the model card asks for."""

import numpy as np
import pytest
import yaml

from trt_segmentation.errors import GroundError
from trt_segmentation.ground.values import make_values
from trt_segmentation.model.card_checks import read_ground

CLASSES = ('road', 'sidewalk', 'car', 'sky')


def test_a_label_has_the_value_of_its_class():
    ground = {'drivable': ('road',), 'walkable': ('sidewalk',), 'obstacle': ('car',)}
    values = make_values(CLASSES, ground, 40)
    assert (values.shape, values.dtype) == ((256,), np.int8)
    assert values[:4].tolist() == [0, 40, 100, -1]
    assert (values[4:] == -1).all()


def test_labels_of_16_bits_have_values_too():
    classes = tuple(f'class {i}' for i in range(300))
    values = make_values(classes, {'drivable': ('class 299',)}, 40)
    assert (len(values), values[299], values[65535]) == (65536, 0, -1)


@pytest.mark.parametrize('ground', [{}, {'obstacle': ('car',)}, {'drivable': ()}])
def test_a_card_without_ground_is_refused(ground):
    with pytest.raises(GroundError, match='does not say which classes are ground'):
        make_values(CLASSES, ground, 40)


@pytest.mark.parametrize('classes, example', [
    (('sky', 'Road', 'sidewalk', 'lane marking', 'car', 'person', 'bus'),
     '{drivable: [Road, lane marking], walkable: [sidewalk], obstacle: [car, person]}'),
    (('grass', 'a: b', 'tree'), '{walkable: [grass], obstacle: [tree]}'),
    (('no: thing', 'crop', 'weed'), "{drivable: ['no: thing'], obstacle: [crop]}"),
    (('background', 'aeroplane', 'road_1'), '{drivable: [road_1]}'),
    (('one',), '{drivable: [one]}')])
def test_the_example_has_only_classes_of_the_model(classes, example):
    with pytest.raises(GroundError) as raised:
        make_values(classes, {}, 40)
    text = str(raised.value)
    assert f'`ground: {example}`. Choose from the classes of this model: {classes[0]}' in text
    assert read_ground(yaml.safe_load(example), classes)
    assert text.endswith(classes[-1])
