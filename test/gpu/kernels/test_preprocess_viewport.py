# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The preprocess kernel sees the same part of an image as the CPU pipeline. g++ compiles it."""

from typing import Any

from emulated_kernels import has_compiler, use_emulation
from lenses import LENSES
import numpy as np
import pytest
from viewports import address, frame_of, HEIGHT, lookup_of, NET, PAD, ROI, WIDTH

from trt_segmentation.frame import Frame
from trt_segmentation.host.decode_raw import decode
from trt_segmentation.host.preprocess import Preprocess as HostPreprocess
from trt_segmentation.host.preprocess import rectify
from trt_segmentation.model.card import InputCard
from trt_segmentation.model.geometry import fit
from trt_segmentation.model.signature import ImageInput
from trt_segmentation.viewport import Viewport

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')
if not has_compiler():
    pytest.skip('needs g++', allow_module_level=True)

from trt_segmentation.gpu.kernels import preprocess as kernels


def run_kernel(card: InputCard, frames: list[Frame]) -> Any:
    image = ImageInput('image', 'nchw', 'float32', 3, *NET, None)
    tensor = np.full((len(frames), 3, *NET), np.nan, np.float32)
    kernel = kernels.Preprocess(card, image, 'sm_90')
    launch = kernel.make_launch()
    kernel.set_parameters(launch, [kernels.Source(
        frame, address(frame.data), address(frame.viewport and frame.viewport.lookup))
        for frame in frames], address(tensor))
    launch.function(launch)
    return tensor * 255


def run_host(card: InputCard, frame: Frame) -> Any:
    image = ImageInput('image', 'nchw', 'float32', 3, *NET, None)
    tensor = np.full((3, *NET), np.nan, np.float32)
    pixels = decode(frame)
    if frame.viewport and frame.viewport.lookup is not None:
        pixels = rectify(pixels, frame.viewport.lookup, card.pad)
    geometry = fit(card.resize, (HEIGHT, WIDTH), NET, frame.roi)
    HostPreprocess(card, image)(pixels, geometry, tensor)
    return tensor * 255


def card_of(resize: str) -> InputCard:
    return InputCard(resize=resize, mean=(0.0,) * 3, std=(1.0,) * 3, pad=PAD)


@pytest.fixture(autouse=True)
def emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    use_emulation(monkeypatch, kernels)


@pytest.mark.parametrize('model', LENSES)
@pytest.mark.parametrize('resize', ['stretch', 'letterbox', 'crop'])
@pytest.mark.parametrize('roi', [None, ROI], ids=['whole', 'roi'])
def test_a_rectified_image_is_that_of_the_host_within_one_level(model: str, resize: str,
                                                                roi: Any) -> None:
    viewport = Viewport(HEIGHT, WIDTH, roi, lookup=lookup_of(model))
    frame, card = frame_of('bgr8', viewport), card_of(resize)
    (found,), expected = run_kernel(card, [frame]), run_host(card, frame)
    assert np.abs(found - expected).max() <= 1
    plain = run_host(card, frame_of('bgr8', Viewport(HEIGHT, WIDTH, roi)))
    assert np.abs(plain - expected).max() > 100


@pytest.mark.parametrize('encoding', ['bgr8', 'mono8', 'uyvy'])
@pytest.mark.parametrize('resize', ['stretch', 'letterbox', 'crop'])
def test_a_part_of_an_image_is_that_of_the_host(encoding: str, resize: str) -> None:
    frame, card = frame_of(encoding, Viewport(HEIGHT, WIDTH, ROI)), card_of(resize)
    (found,), expected = run_kernel(card, [frame]), run_host(card, frame)
    # In YUV, the host rounds the colours before the resize too.
    assert np.abs(found - expected).max() <= (2 if encoding == 'uyvy' else 1)


@pytest.mark.parametrize('encoding', ['mono8', 'uyvy'])
def test_other_encodings_are_rectified_too(encoding: str) -> None:
    viewport = Viewport(HEIGHT, WIDTH, lookup=lookup_of('plumb_bob'))
    frame, card = frame_of(encoding, viewport), card_of('stretch')
    (found,), expected = run_kernel(card, [frame]), run_host(card, frame)
    assert np.abs(found - expected).max() <= (2 if encoding == 'uyvy' else 1)


def test_each_image_of_a_batch_has_its_own_viewport() -> None:
    viewports = [None, Viewport(HEIGHT, WIDTH, ROI),
                 Viewport(HEIGHT, WIDTH, lookup=lookup_of('equidistant'))]
    frames, card = [frame_of('bgr8', viewport) for viewport in viewports], card_of('stretch')
    found = run_kernel(card, frames)
    for tensor, frame in zip(found, frames, strict=True):
        assert np.abs(tensor - run_host(card, frame)).max() <= 1
    assert len({tensor.tobytes() for tensor in found}) == 3
