# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The preprocess kernel agrees with the oracle."""

from itertools import product

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import numpy as np
import oracle
import pytest

from trt_segmentation.frame import BYTES_PER_PIXEL, EVEN_HEIGHT, EVEN_WIDTH, Frame, PLANE_ROWS
from trt_segmentation.model.card import COLORS, InputCard, RESIZES
from trt_segmentation.model.geometry import fit
from trt_segmentation.model.signature import ImageInput

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from device_arrays import device_arrays

from trt_segmentation.gpu.kernels.image import KERNEL_ENCODINGS
from trt_segmentation.gpu.kernels.preprocess import Preprocess, Source
from trt_segmentation.gpu.kernels.program import IMAGES

ENCODINGS = sorted(KERNEL_ENCODINGS)
GPU = settings.get_profile('gpu')
SIDE = st.integers(1, 60)
MEAN, STD = (0.3, 0.5, 0.7), (0.2, 0.25, 0.5)
HALF = 2e-3
"""Relative tolerance of float16 tensors, in addition to one level of 255 for every tensor."""


def random_frame(rng, encoding, height, width, padding=0):
    height += encoding in EVEN_HEIGHT and height % 2
    width += encoding in EVEN_WIDTH and width % 2
    times, per = PLANE_ROWS.get(encoding, (1, 1))
    step = width * BYTES_PER_PIXEL[encoding] + padding
    data = rng.integers(0, 256, step * (height * times // per), dtype=np.uint8)
    return Frame(data, encoding, height, width, step)


def card_of(color, resize, pad=114):
    channels = 1 if color == 'gray' else 3
    return InputCard(color=color, mean=MEAN[:channels], std=STD[:channels], resize=resize, pad=pad)


def run(memory, card, frames, net, layout='nchw', dtype='float32', offset=0):
    """Return the tensor that the kernel writes for a batch. Its memory is poisoned first."""
    channels = 1 if card.color == 'gray' else 3
    image = ImageInput('image', layout, dtype, channels, net[0], net[1], None)
    kernel = Preprocess(card, image, f'sm_{memory.device.arch}')
    with device_arrays(memory) as arrays:
        shape = image.shape(len(frames))
        tensor = arrays.room(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        launch = kernel.make_launch()
        images = [Source(f, arrays.send(f.data[:f.size], offset)) for f in frames]
        kernel.set_parameters(launch, images, tensor)
        launch.enqueue(0)
        result = arrays.fetch(tensor, shape, dtype)
    kernel.close()
    return result


def check(tensor, expected, card, layout, dtype):
    """Check a tensor within one level of 255 plus, for float16, the rounding error."""
    tensor = tensor.astype(np.float64)
    if layout == 'nhwc':
        tensor = np.moveaxis(tensor, -1, 0)
    channels = len(tensor)
    if dtype == 'uint8':
        levels = np.abs(tensor - expected)
        assert levels.max() <= 1
        return
    allowed = 1 / 255 / np.reshape(card.std[:channels], (-1, 1, 1))
    if dtype == 'float16':
        allowed = allowed + HALF * np.abs(expected)
    assert (np.abs(tensor - expected) <= allowed).all()


def exact(frame, card, net, dtype):
    channels = 1 if card.color == 'gray' else 3
    mean, std = (card.mean, card.std) if dtype != 'uint8' else ((0,) * channels,
                                                                (1 / 255,) * channels)
    return oracle.preprocess(oracle.rgb(frame), card.resize, net, card.color, mean, std, card.pad)


@settings(GPU, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(encoding=st.sampled_from(ENCODINGS), resize=st.sampled_from(RESIZES),
       height=SIDE, width=SIDE, net=st.tuples(SIDE, SIDE), color=st.sampled_from(COLORS),
       layout=st.sampled_from(['nchw', 'nhwc']), pad=st.integers(0, 255),
       dtype=st.sampled_from(['float32', 'float16', 'uint8']), padding=st.integers(0, 9),
       offset=st.integers(0, 17), seed=st.integers(0, 999))
def test_any_image_to_any_tensor(memory, encoding, resize, height, width, net, color, layout, pad,
                                 dtype, padding, offset, seed):
    memory.make_current()
    frame = random_frame(np.random.default_rng(seed), encoding, height, width, padding)
    card = card_of(color, resize, pad)
    (tensor,) = run(memory, card, [frame], net, layout, dtype, offset)
    check(tensor, exact(frame, card, net, dtype), card, layout, dtype)


@pytest.mark.parametrize(('encoding', 'resize'), list(product(ENCODINGS, RESIZES)))
def test_every_encoding_with_every_policy(current, encoding, resize):
    frame = random_frame(np.random.default_rng(5), encoding, 47, 86, padding=3)
    card = card_of('rgb', resize)
    for layout, dtype in product(['nchw', 'nhwc'], ['float32', 'float16', 'uint8']):
        (tensor,) = run(current, card, [frame], (24, 33), layout, dtype, offset=1)
        check(tensor, exact(frame, card, (24, 33), dtype), card, layout, dtype)


def matrix(axis, area):
    """Return the (net, camera) float64 matrix of oracle.resize_matrix, computed faster."""
    at = np.arange(axis.net)[:, None] - axis.offset
    cell = np.arange(axis.camera)
    ratio = axis.camera / axis.new
    if area:
        weights = np.minimum(cell + 1, (at + 1) * ratio) - np.maximum(cell, at * ratio)
        weights = np.clip(weights, 0, None)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    else:
        center = np.clip((at + 0.5) * ratio - 0.5, 0, axis.camera - 1)
        weights = np.clip(1 - np.abs(cell - center), 0, None)
    return weights * ((at >= 0) & (at < axis.new))


@pytest.mark.parametrize('resize', RESIZES)
@pytest.mark.parametrize('camera', [(1, 1), (1080, 1920), (720, 1281), (3000, 4096), (1, 4096),
                                    (3000, 1)])
def test_real_sizes(current, camera, resize):
    rng, net = np.random.default_rng(1), (512, 1024)
    frame = random_frame(rng, 'bgr8', camera[0], camera[1], padding=5)
    card = card_of('rgb', resize)
    (tensor,) = run(current, card, [frame], net, dtype='float16', offset=3)
    geometry = fit(resize, camera, net)
    rows, cols = (matrix(axis, axis.camera > 2 * axis.new)
                  for axis in (geometry.rows, geometry.cols))
    planes = oracle.rgb(frame).transpose(2, 0, 1)
    resized = np.where(np.outer(rows.any(axis=1), cols.any(axis=1)), rows @ planes @ cols.T,
                       card.pad)
    expected = (resized / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    check(tensor, expected, card, 'nchw', 'float16')


def test_the_fast_and_the_slow_oracle_agree():
    for resize, camera, net in product(RESIZES, [(7, 30), (31, 12)], [(5, 6), (40, 13)]):
        geometry = fit(resize, camera, net)
        for axis, placed in zip((geometry.rows, geometry.cols),
                                oracle.placement(resize, camera, net)):
            slow = oracle.resize_matrix(placed, axis.camera, axis.net)
            assert np.allclose(matrix(axis, axis.camera > 2 * axis.new), slow, atol=1e-9)


def test_cameras_of_a_batch_do_not_touch_each_other(current):
    rng = np.random.default_rng(2)
    frames = [random_frame(rng, ENCODINGS[i % len(ENCODINGS)], height, width, i % 4)
              for i, (height, width) in enumerate(rng.integers(1, 90, (IMAGES, 2)))]
    card = card_of('bgr', 'letterbox')
    batch = run(current, card, frames, (33, 41), 'nhwc', 'float16', offset=1)
    for frame, tensor in zip(frames, batch):
        (alone,) = run(current, card, [frame], (33, 41), 'nhwc', 'float16')
        assert (tensor == alone).all()
