# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A viewport checks its numbers, and the CPU pipeline applies it."""

from typing import Any

import numpy as np
import pytest
from viewports import frame_of, HEIGHT, hidden_pixels, lookup_of, ROI, WIDTH

from trt_segmentation.errors import FrameError
from trt_segmentation.frame import Frame, Segmentation, Wanted
from trt_segmentation.host.decode_raw import Pixels
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.host.postprocess import Postprocess
from trt_segmentation.host.preprocess import rectify
from trt_segmentation.model.card import load_card
from trt_segmentation.model.geometry import fit
from trt_segmentation.model.kind import OutputKind
from trt_segmentation.model.signature import NetworkOutput
from trt_segmentation.pipeline import segment_one
from trt_segmentation.street import Drive
from trt_segmentation.viewport import Viewport


@pytest.fixture(scope='module')
def pipeline() -> Any:
    pipeline = HostPipeline(load_card('street'))
    yield pipeline
    pipeline.close()


@pytest.fixture(scope='module')
def image() -> Any:
    return Drive(3, 'day', 320, 180).frame(5).image


def segment(pipeline: Any, image: Any, viewport: Viewport | None = None) -> Segmentation:
    height, width = image.shape[:2]
    frame = Frame(np.ascontiguousarray(image).reshape(-1), 'bgr8', height, width, 3 * width,
                  viewport=viewport)
    return segment_one(pipeline, frame, Wanted(overlay=True, confidence=True))


def test_the_network_sees_only_the_roi(pipeline: Any, image: Any) -> None:
    found = segment(pipeline, image, Viewport(180, 320, (40, 60, 200, 100)))
    alone = segment(pipeline, image[60:160, 40:240])
    part = np.s_[60:160, 40:240]
    assert found.confidence is not None and alone.confidence is not None
    assert np.array_equal(found.labels[part], alone.labels)
    assert np.array_equal(found.confidence[part], alone.confidence)
    outside = np.ones((180, 320), bool)
    outside[part] = False
    assert (found.labels[outside] == 255).all() and (found.confidence[outside] == 0).all()
    assert found.overlay is not None
    assert np.array_equal(found.overlay[outside], image[outside])


def test_hidden_pixels_are_unlabelled_and_the_others_do_not_change(pipeline: Any,
                                                                   image: Any) -> None:
    hidden = np.zeros((180, 320), np.uint8)
    hidden[140:, 100:220] = 1
    found, plain = segment(pipeline, image, Viewport(180, 320, hidden=hidden)), segment(
        pipeline, image)
    assert (found.labels[hidden == 1] == 255).all()
    assert found.confidence is not None and (found.confidence[hidden == 1] == 0).all()
    assert np.array_equal(found.labels[hidden == 0], plain.labels[hidden == 0])
    assert found.overlay is not None
    assert np.array_equal(found.overlay[hidden == 1], image[hidden == 1])


def test_a_rectified_image_gives_the_results_of_the_same_image_rectified_before(
        pipeline: Any, image: Any) -> None:
    rows, columns = np.mgrid[:180, :320].astype(np.float32)
    lookup = np.stack([columns * 0.75 + 20, rows * 0.5 + 40], axis=-1)
    lookup[:10] = -2
    found = segment(pipeline, image, Viewport(180, 320, lookup=lookup))
    before = rectify(Pixels(image, 'bgr'), lookup, 114).array
    assert (before[:10] == 114).all()
    plain = segment(pipeline, before)
    assert np.array_equal(found.labels, plain.labels)
    assert np.array_equal(found.overlay, plain.overlay)


@pytest.mark.parametrize('kind', ['logits', 'sigmoid', 'labels'])
@pytest.mark.parametrize('resize', ['stretch', 'letterbox', 'crop'])
def test_the_labels_of_a_roi_are_those_of_the_part_alone(kind: str, resize: str) -> None:
    rng = np.random.default_rng(2)
    shape = {'logits': (4, 9, 13), 'sigmoid': (1, 9, 13), 'labels': (9, 13)}[kind]
    tensor = (rng.integers(0, 4, shape) if kind == 'labels' else
              rng.normal(0, 3, shape).astype(np.float32))
    output = NetworkOutput('out', OutputKind[kind.upper()],
                           'nhw' if kind == 'labels' else 'nchw', str(tensor.dtype),
                           shape[0] if kind != 'labels' else 1)
    post, (left, top, width, height) = Postprocess(output, 4, 0.5), ROI
    whole = post(tensor, fit(resize, (HEIGHT, WIDTH), (18, 26), ROI)).labels
    alone = post(tensor, fit(resize, (height, width), (18, 26))).labels
    assert whole.shape == (HEIGHT, WIDTH)
    assert (whole[top:top + height, left:left + width] != alone).mean() <= 0.001
    assert (whole != 255).sum() == (alone != 255).sum()


@pytest.mark.parametrize('arguments, text', [
    ({'roi': (100, 0, 61, 20)}, 'roi. is 61x20 pixels at column 100 and row 0, but the image has '
                                '160x90'),
    ({'roi': (-1, 0, 10, 10)}, 'column -1'), ({'roi': (0, 0, 0, 10)}, '0x10 pixels'),
    ({'hidden': np.zeros((90, 161), np.uint8)}, r'hidden has the shape \(90, 161\)'),
    ({'hidden': np.full((90, 160), 255, np.uint8)}, 'hidden has the value 255; expected 0 or 1'),
    ({'lookup': np.zeros((90, 160), np.float32)}, r'expected \(90, 160, 2\)')])
def test_numbers_that_do_not_fit_are_refused(arguments: Any, text: str) -> None:
    with pytest.raises(FrameError, match=text):
        Viewport(HEIGHT, WIDTH, **arguments)


def test_a_frame_of_another_size_is_refused() -> None:
    assert frame_of('bgr8', Viewport(HEIGHT, WIDTH, ROI, hidden_pixels(), lookup_of('plumb_bob')))
    with pytest.raises(FrameError, match='for images of 161x90 pixels, but this image has 160x90'):
        frame_of('bgr8', Viewport(HEIGHT, WIDTH + 1))
