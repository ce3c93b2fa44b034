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
"""The scenes networks are trained on are none that anything is measured on."""

import ast
from pathlib import Path

from trt_segmentation.calibration_frames import STREET_SEED
from trt_segmentation.evaluation import FIRST_SEED
from trt_segmentation.street import CLASSES

TRAINING = Path(__file__).parent.parent / 'training'


def constants(name):
    """Literals that a training script assigns; running it takes PyTorch."""
    tree = ast.parse((TRAINING / name).read_text(encoding='utf-8'))
    return {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)}


def test_training_stops_at_the_first_seed_of_evaluation():
    assert constants('scenes.py')['TEST_SEED'] == FIRST_SEED < STREET_SEED


def test_log_of_the_shipped_model_is_of_the_classes_there_are():
    import json
    log = json.loads((TRAINING / 'street_log.json').read_text(encoding='utf-8'))
    assert {len(iou) for entry in log['log'] for iou in entry['iou'].values()} == {len(CLASSES)}
