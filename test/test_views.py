# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The RViz and Foxglove views show the topics of the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

CONFIG = Path(__file__).parents[1] / 'config'
SHOWN = {'/camera/image_raw', '/trt_segmentation/overlay', '/trt_segmentation/label_map'}


GROUND = '/trt_segmentation/ground'


def test_rviz_shows_image_overlay_label_map_and_ground() -> None:
    view: dict[str, Any] = yaml.safe_load((CONFIG / 'trt_segmentation.rviz').read_text())
    *displays, ground = view['Visualization Manager']['Displays']
    assert {display['Class'] for display in displays} == {'rviz_default_plugins/Image'}
    assert {display['Topic']['Value'] for display in displays} == SHOWN
    assert (ground['Class'], ground['Topic']['Value']) == ('rviz_default_plugins/Map', GROUND)
    assert not ground['Enabled']  # RViz would subscribe, and the grid needs another fixed frame
    topics = [display['Topic'] for display in [*displays, ground]]
    # with reliable QoS, a slow display would slow down the publishers of the node
    assert {topic['Reliability Policy'] for topic in topics} == {'Best Effort'}
    assert all(display['Enabled'] for display in displays)


def test_foxglove_shows_image_overlay_label_map_and_diagnostics() -> None:
    layout: dict[str, Any] = json.loads((CONFIG / 'foxglove.json').read_text())
    panels = layout['configById']
    assert {panel['imageMode']['imageTopic'] for name, panel in panels.items()
            if name.startswith('Image!')} == SHOWN
    assert list(panels['3D!ground']['topics']) == [GROUND]
    assert panels['DiagnosticSummary!all']['topicToRender'] == '/diagnostics'

    def leaves(tree: Any) -> list[str]:
        return [tree] if isinstance(tree, str) else leaves(tree['first']) + leaves(tree['second'])

    assert sorted(leaves(layout['layout'])) == sorted(panels)
