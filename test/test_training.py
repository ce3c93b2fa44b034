# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The scenes for training and the scenes for measurements are different."""

import ast
from pathlib import Path

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
