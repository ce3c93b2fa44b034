# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The plot of latencies is drawn."""

from matplotlib.colors import to_rgb
import numpy as np
from PIL import Image
import pytest

from trt_segmentation.view.latency_plot import DROP, HIGH, LINE, MIDDLE, WAY, write_latency_plot
from trt_segmentation.view.waterfall import FrameTime


def frames(count):
    rng = np.random.default_rng(0)
    return [FrameTime(i * 10**8, {'wait': 1.0, 'inference': ms, 'publish': 1.0, 'total': ms + 3,
                                  'age': ms + 5}, ms + 20)
            for i, ms in enumerate(rng.gamma(30, 0.5, count))]


def areas(path):
    """Return the width of the picture, and the number of pixels of each colour."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert('RGB'))
    colors = {color: np.round(np.array(to_rgb(color)) * 255).astype(np.uint8)
              for color in (LINE, MIDDLE, HIGH, DROP, WAY)}
    return pixels.shape[1], {name: int((pixels == rgb).all(axis=2).sum())
                             for name, rgb in colors.items()}


@pytest.mark.parametrize('count', [1, 7, 300])
def test_a_latency_plot_has_the_steps_the_percentiles_and_the_drops(tmp_path, count):
    write_latency_plot(frames(count), [5 * 10**7], tmp_path / 'a.png', 'onnxruntime-cpu')
    width, found = areas(tmp_path / 'a.png')
    assert width == 1600 and all(found.values()), found


def test_without_drops_there_are_no_ticks(tmp_path):
    write_latency_plot(frames(20), [], tmp_path / 'a.png')
    _, found = areas(tmp_path / 'a.png')
    assert found.pop(DROP) == 0 and all(found.values())


def test_no_latencies_make_no_plot(tmp_path):
    with pytest.raises(ValueError, match='no latencies'):
        write_latency_plot([], [], tmp_path / 'latency.png')
    assert not (tmp_path / 'latency.png').exists()
