# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The training uses other seeds than the measurements. Its labels are as the loss needs them."""

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest

from trt_segmentation.accuracy.recordings import STREET_SEED
from trt_segmentation.accuracy.samples import FIRST_SEED
from trt_segmentation.street import CLASSES

TRAINING = Path(__file__).parent.parent / 'training'


def constants(name):
    """Return the constants of a training script without an import, which needs PyTorch."""
    tree = ast.parse((TRAINING / name).read_text(encoding='utf-8'))
    return {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)}


def test_training_stops_at_the_first_seed_of_evaluation():
    assert constants('scenes.py')['TEST_SEED'] == FIRST_SEED < STREET_SEED


def test_log_of_the_shipped_model_has_the_classes_of_street():
    import json
    log = json.loads((TRAINING / 'street_log.json').read_text(encoding='utf-8'))
    assert {len(iou) for entry in log['log'] for iou in entry['iou'].values()} == {len(CLASSES)}


@pytest.fixture
def busy_street(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    return importlib.import_module('drawings.busy_street')


def test_busy_street_has_codes_of_all_classes_and_depends_only_on_its_seed(busy_street):
    bank = busy_street.Bank.paint(3)

    def draw(seed):
        drive = busy_street.BusyDrive(seed, bank, 512, 288)
        return [drive.codes() for _ in range(2)]
    first, again, other = draw(7), draw(7), draw(8)
    for (image, codes), (same, same_codes) in zip(first, again):
        assert image.shape == (288, 512, 3) and codes.shape == (288, 512)
        assert np.array_equal(image, same) and np.array_equal(codes, same_codes)
    assert not np.array_equal(first[0][0], first[1][0])
    assert not np.array_equal(first[0][0], other[0][0])
    codes = np.unique([found for drawn in (first, other) for _, found in drawn])
    assert set(codes[codes < 250] % len(CLASSES)) == set(range(len(CLASSES)))
    assert set(codes[codes >= 250]) <= {255}
    assert len(codes) > 3 * len(CLASSES)


def test_label_of_a_bare_tree_covers_the_sky_between_its_branches(busy_street):
    view = busy_street.LabelledCanvas(64, 64)
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[:, ::8] = (10, 20, 30, 255)
    veil = busy_street.Veil(picture, np.full((64, 64), 255, np.uint8))
    view.pixels[:] = (200, 210, 220, 5)
    view.veil(veil, np.array([(0, 0), (64, 0), (64, 64), (0, 64.0)]), 1.0, (0, 0, 0), 4)
    assert (view.pixels[8:56, 8:56, 3] == 4 + 240).all()
    assert (view.pixels[8:56, 12, :3] == (200, 210, 220)).all()
    assert (view.pixels[8:56, 8:56, 0] < 150).any(axis=1).all()
