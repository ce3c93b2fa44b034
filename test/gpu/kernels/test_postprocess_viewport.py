# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The postprocess kernel labels the same pixels as the CPU pipeline. g++ compiles it."""

from typing import Any

from emulated_kernels import has_compiler, use_emulation
import numpy as np
import pytest
from viewports import address, frame_of, HEIGHT, hidden_pixels, lookup_of, NET, PAD, ROI, WIDTH

from trt_segmentation.frame import Frame
from trt_segmentation.host.decode_raw import decode
from trt_segmentation.host.overlay import blend
from trt_segmentation.host.postprocess import Postprocess as HostPostprocess
from trt_segmentation.host.preprocess import rectify
from trt_segmentation.model.card import InputCard, ModelCard, spread_palette
from trt_segmentation.model.geometry import fit
from trt_segmentation.model.kind import OutputKind
from trt_segmentation.model.signature import ImageInput, NetworkOutput
from trt_segmentation.viewport import Viewport

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')
if not has_compiler():
    pytest.skip('needs g++', allow_module_level=True)

from trt_segmentation.gpu.kernels import postprocess as kernels

CLASSES = 5
VIEWPORTS = {
    'roi': Viewport(HEIGHT, WIDTH, ROI), 'hidden': Viewport(HEIGHT, WIDTH, hidden=hidden_pixels()),
    'rectified': Viewport(HEIGHT, WIDTH, lookup=lookup_of('plumb_bob')),
    'all': Viewport(HEIGHT, WIDTH, ROI, hidden_pixels(), lookup_of('equidistant')), 'none': None}


@pytest.fixture(autouse=True)
def emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    use_emulation(monkeypatch, kernels)


def card_of(resize: str) -> ModelCard:
    return ModelCard('test', None, tuple('abcde'), spread_palette(CLASSES),
                     InputCard(resize=resize, pad=PAD))


def random_output(kind: str) -> Any:
    rng = np.random.default_rng(8)
    if kind == 'labels':
        return rng.integers(-1, CLASSES + 1, (24, 32)).astype(np.int32)
    return rng.normal(0, 3, (CLASSES if kind == 'logits' else 1, 24, 32)).astype(np.float32)


def output_of(kind: str, tensor: Any) -> NetworkOutput:
    layout = 'nhw' if kind == 'labels' else 'nchw'
    channels = 1 if kind == 'labels' else len(tensor)
    return NetworkOutput('out', OutputKind[kind.upper()], layout, str(tensor.dtype), channels)


def run_kernel(card: ModelCard, frame: Frame, kind: str, tensor: Any) -> tuple[Any, Any, Any]:
    """Return labels, confidence and overlay. Their memory is poisoned first."""
    image = ImageInput('image', 'nchw', 'float32', 3, *NET, None)
    palette = kernels.palette_words(card.palette)
    kernel = kernels.Postprocess(card, image, output_of(kind, tensor), address(palette), 'sm_90')
    labels, confidence = (np.full((HEIGHT, WIDTH), 77, np.uint8) for _ in range(2))
    overlay = np.full((HEIGHT, WIDTH, 3), 77, np.uint8)
    viewport = frame.viewport or Viewport(HEIGHT, WIDTH)
    launch = kernel.make_launch()
    kernel.set_parameters(launch, [kernels.Target(
        frame, address(frame.data), address(labels), address(confidence) * (kind != 'labels'),
        address(overlay), hidden=address(viewport.hidden), lookup=address(viewport.lookup))],
        address(tensor), (1, *tensor.shape), 0.5)
    launch.function(launch)
    return labels, confidence, overlay


@pytest.mark.parametrize('viewport', VIEWPORTS)
@pytest.mark.parametrize('resize', ['stretch', 'letterbox', 'crop'])
@pytest.mark.parametrize('kind', ['logits', 'sigmoid', 'labels'])
def test_the_results_are_those_of_the_host(viewport: str, resize: str, kind: str) -> None:
    frame, card = frame_of('bgr8', VIEWPORTS[viewport]), card_of(resize)
    tensor = random_output(kind)
    labels, confidence, overlay = run_kernel(card, frame, kind, tensor)
    host = HostPostprocess(output_of(kind, tensor), CLASSES, 0.5)
    hidden = frame.viewport and frame.viewport.hidden
    expected = host(tensor, fit(resize, (HEIGHT, WIDTH), NET, frame.roi), kind != 'labels',
                    hidden=hidden)
    assert (labels != expected.labels).mean() <= 0.001
    if expected.confidence is not None:
        assert np.abs(confidence.astype(int) - expected.confidence).max() <= 1
    pixels = decode(frame)
    if frame.viewport and frame.viewport.lookup is not None:
        pixels = rectify(pixels, frame.viewport.lookup, PAD)
    painted = blend(pixels.bgr(), labels, card.palette, 0.5)
    assert np.abs(overlay.astype(int) - painted).max() <= 1
    if viewport != 'none':
        plain, _, picture = run_kernel(card, frame_of('bgr8', None), kind, tensor)
        assert (picture if viewport == 'rectified' else plain).tobytes() != (
            overlay if viewport == 'rectified' else labels).tobytes()


def test_hidden_pixels_and_pixels_outside_the_roi_are_unlabelled() -> None:
    viewport = Viewport(HEIGHT, WIDTH, ROI, hidden_pixels())
    labels, confidence, _ = run_kernel(card_of('stretch'), frame_of('bgr8', viewport), 'logits',
                                       random_output('logits'))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[ROI[1]:ROI[1] + ROI[3], ROI[0]:ROI[0] + ROI[2]] = True
    assert np.array_equal(labels != 255, inside & (hidden_pixels() == 0))
    assert np.array_equal(confidence == 0, labels == 255)
