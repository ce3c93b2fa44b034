# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""NVTX ranges mark the stages of a frame, and cost nothing while tracing is off."""

from contextlib import contextmanager
import sys
from types import SimpleNamespace

from networks import color_card, color_classifier, cube_colors
import numpy as np
import pytest

from trt_segmentation.errors import TraceError
from trt_segmentation.frame import Frame
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.tracing.stages import set_tracing, stage


@pytest.fixture
def ranges(monkeypatch):
    """Replace nvtx. Return the names of the ranges, in the order in which they ended."""
    ended = []

    @contextmanager
    def annotate(message, domain):
        assert domain == 'trt_segmentation'
        yield
        ended.append(message)

    monkeypatch.setitem(sys.modules, 'nvtx', SimpleNamespace(annotate=annotate))
    yield ended
    set_tracing(False)


def segment(tmp_path):
    pipeline = HostPipeline(color_card(color_classifier(tmp_path / 'n.onnx', cube_colors(3)),
                                       cube_colors(3)))
    pipeline.submit([Frame(np.zeros(48, np.uint8), 'bgr8', 4, 4, 12)] * 2)
    assert len(pipeline.collect()) == 2
    pipeline.close()


def test_each_stage_has_a_range(ranges, tmp_path):
    set_tracing(True)
    segment(tmp_path)
    assert ranges == ['preprocess', 'preprocess', 'inference', 'postprocess', 'postprocess']


def test_there_is_no_range_while_tracing_is_off(ranges, tmp_path):
    set_tracing(True)
    set_tracing(False)
    segment(tmp_path)
    assert ranges == []
    assert stage('a') is stage('b')     # no object is made


def test_the_error_says_how_to_install_nvtx(monkeypatch):
    monkeypatch.setitem(sys.modules, 'nvtx', None)
    with pytest.raises(TraceError, match='pip install nvtx'):
        set_tracing(True)
    assert stage('a') is stage('b')


def test_the_real_nvtx_accepts_the_ranges():
    pytest.importorskip('nvtx', reason='needs nvtx (pip install nvtx)')
    set_tracing(True)
    try:
        with stage('outer'), stage('inner'):
            pass
    finally:
        set_tracing(False)
