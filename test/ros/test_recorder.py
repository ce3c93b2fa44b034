# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder of the demo waits until the node has opened its engine."""

from __future__ import annotations

from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import Image

from trt_segmentation.ros.recorder import Recorder


def report(*values: KeyValue) -> DiagnosticArray:
    """Return the diagnostics of a node. Its engine has these values."""
    return DiagnosticArray(status=[DiagnosticStatus(
        name='segmentation: engine', message='the engine opens', values=list(values))])


def test_a_report_of_an_engine_that_still_opens_is_not_enough(tmp_path: Path) -> None:
    """On a GPU, the engine opens for seconds. The node sends diagnostics in this time."""
    with Recorder.spinning(tmp_path / 'bag', '/segmentation') as (recorder, _):
        recorder._diagnose(report(KeyValue(key='engine', value='onnxruntime-cuda')))
        assert not recorder.ready()         # nobody has advertised the label maps
        recorder.create_publisher(Image, '/segmentation/label_map', 1)
        assert recorder.ready()
        recorder._diagnose(report())
        assert not recorder.ready()
