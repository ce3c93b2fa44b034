# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A frame becomes the input tensor of a network."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import oracle
import pytest

from trt_segmentation.frame import Frame
from trt_segmentation.host.decode_raw import Pixels
from trt_segmentation.host.preprocess import Preprocess
from trt_segmentation.model.card import COLORS, InputCard, RESIZES
from trt_segmentation.model.geometry import fit
from trt_segmentation.model.signature import ImageInput

SIDE = st.integers(1, 60)
ONE, MORE = 1.0, 2.0
"""Largest errors, in levels of 255, of one rounding to uint8 and of several roundings.

OpenCV has fixed-point weights. Gray images round several times, and so does a resize that averages
only one axis.
"""


def image_input(card, net, layout='nchw', dtype='float32'):
    channels = 1 if card.color == 'gray' else 3
    return ImageInput('image', layout, dtype, channels, net[0], net[1], None)


def random_image(rng, height, width, channels=3):
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def run(pixels, card, net, layout='nchw', dtype='float32'):
    image = image_input(card, net, layout, dtype)
    # The kernel writes the middle image of three. Another image must not change, and no element
    # of the middle image may remain NaN or 77.
    batch = np.full(image.shape(3), 77 if dtype == 'uint8' else np.nan, dtype)
    camera = pixels.array.shape[:2]
    Preprocess(card, image)(pixels, fit(card.resize, camera, net), batch[1])
    untouched = batch[[0, 2]]
    assert (untouched == 77).all() if dtype == 'uint8' else np.isnan(untouched).all()
    return batch[1]


@settings(deadline=None, max_examples=300)
@given(resize=st.sampled_from(RESIZES), camera=st.tuples(SIDE, SIDE), net=st.tuples(SIDE, SIDE),
       color=st.sampled_from(COLORS), order=st.sampled_from(['bgr', 'rgb', 'gray']),
       layout=st.sampled_from(['nchw', 'nhwc']), seed=st.integers(0, 999),
       dtype=st.sampled_from(['float32', 'float16', 'uint8']), pad=st.integers(0, 255))
def test_within_rounding_of_exact_arithmetic(resize, camera, net, color, order, layout, seed,
                                             dtype, pad):
    array = random_image(np.random.default_rng(seed), camera[0], camera[1],
                         1 if order == 'gray' else 3)
    rgb = {'gray': np.repeat(array, 3, axis=2), 'rgb': array, 'bgr': array[..., ::-1]}[order]
    if order == 'gray':
        array = array[..., 0]
    channels = 1 if color == 'gray' else 3
    mean, std = (0.3, 0.5, 0.7)[:channels], (0.2, 0.25, 0.5)[:channels]
    card = InputCard(color=color, mean=mean, std=std, resize=resize, pad=pad)
    tensor = run(Pixels(array, order), card, net, layout, dtype).astype(np.float64)
    if layout == 'nhwc':
        tensor = np.moveaxis(tensor, -1, 0)
    if dtype == 'uint8':
        mean, std = (0.0,) * channels, (1 / 255,) * channels
    expected = oracle.preprocess(rgb.astype(float), resize, net, color, mean, std, pad)
    levels = np.abs(tensor - expected) * np.reshape(std, (-1, 1, 1)) * 255
    assert levels.max() <= MORE


@settings(deadline=None, max_examples=100)
@given(resize=st.sampled_from(RESIZES), height=SIDE, width=SIDE, net=st.tuples(SIDE, SIDE),
       seed=st.integers(0, 999))
def test_one_resize_rounds_once(resize, height, width, net, seed):
    array = random_image(np.random.default_rng(seed), height, width)
    card = InputCard(resize=resize, mean=(0.0,) * 3, std=(1.0,) * 3)
    tensor = run(Pixels(array, 'rgb'), card, net)
    geometry = fit(resize, (height, width), net)
    averaged = [axis.camera > 2 * axis.new for axis in (geometry.rows, geometry.cols)]
    expected = oracle.preprocess(array.astype(float), resize, net, 'rgb', (0.0,) * 3,
                                 (1.0,) * 3, card.pad)
    assert np.abs(tensor - expected).max() * 255 <= (
        ONE if averaged[0] == averaged[1] else MORE)


def test_normalisation_is_exact_without_a_resize():
    array = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    card = InputCard()
    tensor = run(Pixels(array, 'rgb'), card, (16, 16))
    value = np.arange(256).reshape(16, 16) / 255
    for channel in range(3):
        expected = (value - card.mean[channel]) / card.std[channel]
        assert (tensor[channel] == expected.astype(np.float32)).all()


def test_0_to_255_by_mean_0_and_std_one_255th():
    array = np.array([[[1, 2, 3]]], np.uint8)
    card = InputCard(mean=(0.0,) * 3, std=(1 / 255,) * 3, color='bgr')
    assert run(Pixels(array, 'rgb'), card, (1, 1))[:, 0, 0] == pytest.approx([3, 2, 1])


def test_letterbox_pads_both_ends_with_the_cards_value():
    array = np.full((10, 40, 3), 200, np.uint8)
    card = InputCard(resize='letterbox', pad=7, mean=(0.0,) * 3, std=(1 / 255,) * 3)
    tensor = run(Pixels(array, 'bgr'), card, (20, 20))
    rows = np.round(tensor[0, :, 10])
    assert rows.tolist() == [7] * 7 + [200] * 5 + [7] * 8


def test_a_very_narrow_image_is_cropped_without_filling_the_memory():
    array = (np.arange(4096) // 16).astype(np.uint8).reshape(-1, 1, 1).repeat(3, axis=2)
    card = InputCard(resize='crop', mean=(0.0,) * 3, std=(1 / 255,) * 3)
    tensor = run(Pixels(array, 'bgr'), card, (512, 1024))
    # a resize of the whole image would have four million rows, but the network sees only 512
    assert set(np.unique(np.round(tensor))) <= {127.0, 128.0}


def test_padded_rows_of_a_frame_are_not_read():
    from trt_segmentation.host.decode_raw import decode
    data = np.full((8, 40), 255, np.uint8)
    data[:, :24] = 10
    frame = Frame(data.reshape(-1), 'bgr8', 8, 8, 40)
    card = InputCard(mean=(0.0,) * 3, std=(1 / 255,) * 3)
    assert np.allclose(run(decode(frame), card, (5, 3)), 10)
