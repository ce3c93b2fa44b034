# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compare class names with the classes of the network."""

from pathlib import Path

from networks import color_card, color_classifier
import numpy as np
import pytest

from trt_segmentation.accuracy.class_count import check_class_count
from trt_segmentation.errors import ModelCardError

COLORS = np.array([(200, 40, 40), (30, 30, 30), (90, 200, 90)], np.uint8)


def test_the_message_begins_with_the_card(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS)
    check_class_count(color_card(path, COLORS))
    with pytest.raises(ModelCardError, match=r'^m has 2 names under `classes`, '
                                             r'but the network has 3 classes'):
        check_class_count(color_card(path, COLORS[:2]))


def test_other_errors_are_left_to_the_engine():
    check_class_count(color_card(Path('absent.onnx'), COLORS))
