# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""On a GPU, viewports give the results of the CPU pipeline, and their memory is freed."""

import gc

from networks import color_card, color_classifier, cube_colors
import numpy as np
import pytest
from viewports import HEIGHT, hidden_pixels, lookup_of, ROI, WIDTH

from trt_segmentation.frame import Frame, Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.viewport import Viewport

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.gpu.settings import GpuSettings
from trt_segmentation.gpu.viewports import ViewportArrays, Viewports

ALL = Wanted(overlay=True, confidence=True)


def make_viewports():
    return {'none': None, 'roi': Viewport(HEIGHT, WIDTH, ROI),
            'hidden': Viewport(HEIGHT, WIDTH, hidden=hidden_pixels()),
            'rectified': Viewport(HEIGHT, WIDTH, lookup=lookup_of('plumb_bob')),
            'all': Viewport(HEIGHT, WIDTH, ROI, hidden_pixels(), lookup_of('equidistant'))}


def blocks(palette, viewport, encoding):
    """Return a frame of large blocks in the colours of the classes."""
    rng = np.random.default_rng(4)
    classes = np.kron(rng.integers(0, len(palette), (6, 10)), np.ones((16, 16), int))[:HEIGHT]
    image = palette[classes][..., ::-1]
    if encoding == 'mono8':
        image = image[..., 0]
    data = np.ascontiguousarray(image, np.uint8).reshape(-1)
    return Frame(data, encoding, HEIGHT, WIDTH, len(data) // HEIGHT, viewport=viewport)


def copies(pipeline, frames):
    pipeline.submit(frames, ALL)
    found = []
    for one in pipeline.collect():
        found.append((one.labels.copy(), one.overlay.copy(), one.confidence.copy()))
        one.release()
    return found


@pytest.mark.usefixtures('on_cuda')
@pytest.mark.parametrize('resize', ['stretch', 'letterbox', 'crop'])
@pytest.mark.parametrize('memory_kind', ['pinned', 'mapped'])
def test_the_results_are_those_of_the_cpu_pipeline(tmp_path, memory, resize, memory_kind):
    from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
    palette = cube_colors(8)
    card = color_card(color_classifier(tmp_path / 'colors.onnx', palette, height=40, width=64),
                      palette, resize=resize)
    pipeline = GpuPipeline(card, OnnxRuntimeCuda, settings=GpuSettings(memory=memory_kind))
    host, viewports = HostPipeline(card), make_viewports()
    # the second round uses the same slots with the viewports in another order
    for names in (list(viewports), list(viewports)[::-1]):
        frames = [blocks(palette, viewports[name], encoding)
                  for name in names for encoding in ('bgr8', 'mono8')]
        for found, expected in zip(copies(pipeline, frames), copies(host, frames), strict=True):
            same = found[0] == expected[0]
            assert same.mean() >= 0.99
            assert np.array_equal(found[0] == 255, expected[0] == 255)
            assert np.array_equal(found[2] == 0, expected[2] == 0)
            assert (np.abs(found[1].astype(int) - expected[1])[same] <= 1).all()
    host.close()
    pipeline.close()
    memory.make_current()


def test_arrays_are_copied_once_and_freed_after_their_viewport(current):
    viewports, before = Viewports(current, 0), current.device_bytes
    assert viewports.find(None) == ViewportArrays(0, 0)
    first = Viewport(HEIGHT, WIDTH, hidden=hidden_pixels(), lookup=lookup_of('plumb_bob'))
    found = viewports.find(first)
    assert found.hidden and found.lookup
    assert viewports.find(first) == found
    pixels = HEIGHT * WIDTH
    assert current.device_bytes - before == 9 * pixels
    del first
    gc.collect()
    second = Viewport(HEIGHT, WIDTH, hidden=hidden_pixels())
    assert viewports.find(second).lookup == 0
    assert current.device_bytes - before == pixels
    del second
    gc.collect()
    viewports.find(Viewport(HEIGHT, WIDTH))
    assert current.device_bytes == before
