# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The postprocess kernel agrees with the oracle and with the host."""

from dataclasses import replace

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import numpy as np
import oracle
import pytest

from trt_segmentation.frame import Frame, UNLABELLED
from trt_segmentation.host.decode_raw import decode
from trt_segmentation.host.overlay import blend
from trt_segmentation.host.postprocess import Postprocess as HostPostprocess
from trt_segmentation.model.card import InputCard, ModelCard, OutputCard, RESIZES, spread_palette
from trt_segmentation.model.geometry import fit
from trt_segmentation.model.kind import OutputKind
from trt_segmentation.model.signature import ImageInput, NetworkOutput

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from device_arrays import device_arrays

from trt_segmentation.gpu.kernels.postprocess import (
    palette_words,
    Postprocess,
    Target,
    totals_bytes,
)
from trt_segmentation.trust.tally import BINS, tally_size

GPU = settings.get_profile('gpu')
SIDE = st.integers(1, 60)
NEAR = 1e-3
"""If two logits differ by less, the float32 kernel may order them unlike the float64 oracle."""


def card_of(classes, resize='stretch', threshold=0.5):
    return ModelCard('test', None, tuple(f'class_{i}' for i in range(classes)),
                     spread_palette(classes), InputCard(resize=resize),
                     OutputCard(threshold=threshold))


def camera_frame(rng, height, width, encoding='bgr8'):
    channels = {'bgr8': 3, 'uyvy': 2, 'mono8': 1}[encoding]
    data = rng.integers(0, 256, height * width * channels, dtype=np.uint8)
    return Frame(data, encoding, height, width, width * channels)


def run(memory, card, tensor, layout, kind, frames, net, alpha=0.5):
    """Return (labels, confidence or None, overlay) of every image.

    The output memory is poisoned first, so a pixel that the kernel does not write shows.
    """
    channels = {'nchw': 1, 'nhwc': 3}.get(layout)
    output = NetworkOutput('out', OutputKind[kind.upper()], layout, str(tensor.dtype),
                          tensor.shape[channels] if channels else 1)
    confidence = kind != 'labels'
    results = []
    with device_arrays(memory) as arrays:
        image = ImageInput('image', 'nchw', 'float32', 3, net[0], net[1], None)
        kernel = Postprocess(card, image, output, arrays.send(palette_words(card.palette)),
                             f'sm_{memory.device.arch}')
        targets = [Target(f, arrays.send(f.data, 1),
                          arrays.room(f.height * f.width * card.label_dtype.itemsize),
                          arrays.room(f.height * f.width) if confidence else 0,
                          arrays.room(f.height * f.width * 3)) for f in frames]
        launch = kernel.make_launch()
        kernel.set_parameters(launch, targets, arrays.send(tensor), tensor.shape, alpha)
        launch.enqueue(0)
        for target in targets:
            size = target.frame.height, target.frame.width
            results.append((
                arrays.fetch(target.labels, size, card.label_dtype),
                arrays.fetch(target.confidence, size, np.uint8) if confidence else None,
                arrays.fetch(target.overlay, (*size, 3), np.uint8)))
        kernel.close()
    return results


def check_labels(labels, values, seen):
    """Check that at least 99.9 % of the labels are equal to the oracle's labels.

    Any other label must have a logit almost as large as the logit of the oracle's label. Pixels
    that the network does not see must be unlabelled.

    :param values: (classes, height, width) float64 logits at camera size.
    """
    assert (labels[~seen] == UNLABELLED[labels.dtype]).all()
    winner = values.argmax(axis=0)
    differs = seen & (labels != winner)
    assert differs.sum() <= max(labels.size // 1000, 1)
    rows, cols = np.nonzero(differs)
    lost = values[winner[rows, cols], rows, cols] - values[labels[rows, cols], rows, cols]
    assert (lost <= NEAR * np.maximum(1, np.abs(values[winner[rows, cols], rows, cols]))).all()


def check_rest(card, frame, labels, confidence, overlay, values, seen, alpha=0.5):
    _, probability, _ = oracle.softmax_winner(values)
    assert (confidence[~seen] == 0).all()
    assert (np.abs(confidence - probability * 255.0)[seen] <= 1).all()
    expected = blend(decode(frame).bgr(), labels, card.palette, alpha)
    assert (np.abs(overlay.astype(int) - expected) <= 1).all()


@settings(GPU, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(camera=st.tuples(SIDE, SIDE), net=st.tuples(SIDE, SIDE), grid=st.tuples(SIDE, SIDE),
       resize=st.sampled_from(RESIZES), layout=st.sampled_from(['nchw', 'nhwc']),
       dtype=st.sampled_from(['float32', 'float16']),
       classes=st.sampled_from([1, 2, 3, 19, 255, 256, 300]), seed=st.integers(0, 999))
def test_any_logits_at_any_size(memory, camera, net, grid, resize, layout, dtype, classes, seed):
    memory.make_current()
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (1, classes, *grid)).astype(dtype)
    frame, card = camera_frame(rng, *camera), card_of(classes, resize)
    tensor = logits if layout == 'nchw' else np.moveaxis(logits, 1, -1)
    ((labels, confidence, overlay),) = run(memory, card, tensor, layout, 'logits', [frame], net)
    values, seen = oracle.upsample(logits[0], resize, camera, net)
    check_labels(labels, values, seen)
    check_rest(card, frame, labels, confidence, overlay, values, seen)


@pytest.mark.parametrize('encoding', ['bgr8', 'uyvy', 'mono8'])
@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_cameras_of_a_batch_do_not_touch_each_other(current, encoding, layout):
    rng, net = np.random.default_rng(3), (16, 24)
    frames = [camera_frame(rng, *size, encoding)
              for size in [(30, 44), (1, 2), (77, 12), (5, 130), (31, 46)]]
    logits = rng.normal(0, 3, (len(frames), 7, 9, 13)).astype('float16')
    tensor = logits if layout == 'nchw' else np.moveaxis(logits, 1, -1)
    card = card_of(7, 'letterbox')
    results = run(current, card, tensor, layout, 'logits', frames, net, alpha=0.3)
    for frame, grid, (labels, confidence, overlay) in zip(frames, logits, results):
        values, seen = oracle.upsample(grid, 'letterbox', (frame.height, frame.width), net)
        check_labels(labels, values, seen)
        check_rest(card, frame, labels, confidence, overlay, values, seen, alpha=0.3)


@pytest.mark.parametrize('dtype', ['float32', 'float16'])
@pytest.mark.parametrize('grid', [(64, 128), (512, 1024), (1100, 2000)])
@pytest.mark.parametrize('camera', [(1080, 1920), (721, 1283), (3000, 4096)])
def test_real_sizes_agree_with_the_host(current, camera, grid, dtype):
    rng, net = np.random.default_rng(4), (512, 1024)
    logits = rng.normal(0, 3, (1, 19, *grid)).astype(dtype)
    frame, card = camera_frame(rng, *camera), card_of(19)
    ((labels, confidence, overlay),) = run(current, card, logits, 'nchw', 'logits', [frame], net)
    output = NetworkOutput('out', OutputKind.LOGITS, 'nchw', dtype, 19)
    host = HostPostprocess(output, 19, 0.5)(logits[0], fit('stretch', camera, net), True)
    differs = labels != host.labels
    assert differs.mean() <= 1e-3
    # labels differ only if two logits are almost equal, and then their confidences are too
    assert (np.abs(confidence.astype(int) - host.confidence) <= 1).all()
    expected = blend(decode(frame).bgr(), labels, card.palette, 0.5)
    assert (np.abs(overlay.astype(int) - expected) <= 1).all()


def test_of_equal_logits_the_lowest_id_wins(current):
    frame, card = camera_frame(np.random.default_rng(0), 40, 60), card_of(5)
    logits = np.zeros((1, 5, 10, 10), 'float32')
    logits[0, 0] = -1
    ((labels, confidence, _),) = run(current, card, logits, 'nchw', 'logits', [frame], (20, 20))
    assert (labels == 1).all()
    assert len(np.unique(confidence)) == 1


@pytest.mark.parametrize('dtype', ['float32', 'float16'])
@pytest.mark.parametrize('camera', [(33, 90), (7, 9)])
def test_logits_that_are_not_finite_give_the_labels_of_the_host(current, camera, dtype):
    rng, net = np.random.default_rng(6), (32, 32)
    logits = rng.normal(0, 3, (1, 4, 16, 16)).astype(dtype)
    broken = rng.random(logits.shape)
    logits[broken < 0.06] = np.nan
    logits[(broken >= 0.06) & (broken < 0.09)] = -np.inf
    logits[(broken >= 0.09) & (broken < 0.1)] = np.inf
    logits[:, :, 4:8, 4:8] = np.nan
    frame, card = camera_frame(rng, *camera), card_of(4)
    ((labels, confidence, _),) = run(current, card, logits, 'nchw', 'logits', [frame], net)
    output = NetworkOutput('out', OutputKind.LOGITS, 'nchw', dtype, 4)
    host = HostPostprocess(output, 4, 0.5)(logits[0], fit('stretch', camera, net), True)
    assert (labels == 255).any()
    assert (labels == host.labels).mean() >= 0.999
    assert (np.abs(confidence.astype(int) - host.confidence)[labels == host.labels] <= 1).all()


@settings(GPU, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(camera=st.tuples(SIDE, SIDE), net=st.tuples(SIDE, SIDE), grid=st.tuples(SIDE, SIDE),
       resize=st.sampled_from(RESIZES), layout=st.sampled_from(['nchw', 'nhwc', 'nhw']),
       dtype=st.sampled_from(['uint8', 'int8', 'int32', 'int64', 'float32', 'uint16']),
       classes=st.sampled_from([3, 100, 300]), seed=st.integers(0, 999))
def test_labels_of_the_network(memory, camera, net, grid, resize, layout, dtype, classes, seed):
    memory.make_current()
    rng = np.random.default_rng(seed)
    # the card has no class for some of these ids
    ids = rng.integers(-2 if np.dtype(dtype).kind in 'if' else 0, 120, (1, *grid)).astype(dtype)
    frame, card = camera_frame(rng, *camera), card_of(classes, resize)
    tensor = {'nchw': ids[:, None], 'nhwc': ids[..., None], 'nhw': ids}[layout]
    ((labels, _, overlay),) = run(memory, card, tensor, layout, 'labels', [frame], net)
    expected, seen = oracle.nearest(ids[0].astype(np.int64), resize, camera, net)
    none = UNLABELLED[card.label_dtype]
    expected = np.where(seen & (expected >= 0) & (expected < classes), expected, none)
    assert (labels == expected).all()
    painted = blend(decode(frame).bgr(), labels, card.palette, 0.5)
    assert (np.abs(overlay.astype(int) - painted) <= 1).all()


@pytest.mark.parametrize('threshold', [0.5, 0.2, 0.9])
@pytest.mark.parametrize('layout', ['nchw', 'nhwc', 'nhw'])
@pytest.mark.parametrize('kind', ['sigmoid', 'probability'])
def test_one_channel_agrees_with_the_host(current, kind, layout, threshold):
    rng, camera, net = np.random.default_rng(7), (41, 67), (24, 24)
    grid = rng.normal(0, 2, (1, 12, 14)).astype('float32')
    if kind == 'probability':
        grid = 1 / (1 + np.exp(-grid))
        grid[0, 5, 5] = 1.01            # a resize in a network can give slightly more than 1
    grid[0, 3, 3] = np.nan
    tensor = {'nchw': grid[:, None], 'nhwc': grid[..., None], 'nhw': grid}[layout]
    frame, card = camera_frame(rng, *camera), card_of(2, 'crop', threshold)
    ((labels, confidence, _),) = run(current, card, tensor, layout, kind, [frame], net)
    output = NetworkOutput('out', OutputKind[kind.upper()], layout, 'float32', 1)
    host = HostPostprocess(output, 2, threshold)(tensor[0], fit('crop', camera, net), True)
    assert (labels != host.labels).sum() <= 2
    assert (np.abs(confidence.astype(int) - host.confidence)[labels == host.labels] <= 1).all()


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
@pytest.mark.parametrize('dtype', ['float32', 'float16'])
@pytest.mark.parametrize('camera', [(41, 67), (7, 9)])
def test_probabilities_agree_with_the_host(current, camera, dtype, layout):
    rng, net = np.random.default_rng(8), (24, 24)
    grid = np.exp(rng.normal(0, 3, (1, 6, 12, 14)))
    grid = (grid / grid.sum(axis=1, keepdims=True)).astype(dtype)
    grid[0, :, 3, 3] = np.nan
    tensor = grid if layout == 'nchw' else np.ascontiguousarray(np.moveaxis(grid, 1, -1))
    frame, card = camera_frame(rng, *camera), card_of(6, 'letterbox')
    ((labels, confidence, _),) = run(
        current, card, tensor, layout, 'probabilities', [frame], net)
    output = NetworkOutput('out', OutputKind.PROBABILITIES, layout, dtype, 6)
    host = HostPostprocess(output, 6, 0.5)(tensor[0], fit('letterbox', camera, net), True)
    assert (labels != host.labels).mean() <= 1e-3
    assert (np.abs(confidence.astype(int) - host.confidence)[labels == host.labels] <= 1).all()


def tallies(memory, card, tensor, layout, kind, frames, net, runs=1):
    """Return the tally of every image, after the same launch was made ``runs`` times."""
    channels = {'nchw': 1, 'nhwc': 3}.get(layout)
    output = NetworkOutput('out', OutputKind[kind.upper()], layout, str(tensor.dtype),
                           tensor.shape[channels] if channels else 1)
    size = tally_size(len(card.classes))
    with device_arrays(memory) as arrays:
        image = ImageInput('image', 'nchw', 'float32', 3, net[0], net[1], None)
        kernel = Postprocess(card, image, output,
                             arrays.send(palette_words(card.palette)),
                             f'sm_{memory.device.arch}')
        targets = [Target(f, arrays.send(f.data, 1),
                          arrays.room(f.height * f.width * card.label_dtype.itemsize),
                          tally=arrays.room(4 * size)) for f in frames]
        totals = arrays.send(np.zeros(totals_bytes(len(card.classes)), np.uint8))
        launch = kernel.make_launch()
        kernel.set_parameters(launch, targets, arrays.send(tensor), tensor.shape, 0.5, totals)
        for _ in range(runs):
            launch.enqueue(0)
        found = [arrays.fetch(target.tally, (size,), np.uint32) for target in targets]
        labels = [arrays.fetch(target.labels, (f.height, f.width), card.label_dtype)
                  for target, f in zip(targets, frames)]
        assert not arrays.fetch(totals, (totals_bytes(len(card.classes)),), np.uint8).any()
        kernel.close()
    return found, labels


def check_tally(tally, host, classes):
    """Compare the tally of the GPU with that of the host. Few pixels may be counted elsewhere."""
    samples = int(host[:classes + 1].sum())
    few = 2 + samples // 500
    assert tally[:classes + 1].sum() == samples
    assert np.abs(tally[:classes + 1].astype(int) - host[:classes + 1]).sum() <= 2 * few
    assert int(tally[classes + 1]) == pytest.approx(
        int(host[classes + 1]), rel=2e-3, abs=few * 65535)
    assert tally[classes + 2:].sum() == host[classes + 2:].sum()
    below = [np.cumsum(one[classes + 2:].astype(int)) for one in (tally, host)]
    assert np.abs(below[0] - below[1]).max() <= few


@pytest.mark.parametrize('kind, classes, layout', [
    ('logits', 1, 'nchw'), ('logits', 19, 'nchw'), ('logits', 300, 'nhwc'),
    ('probabilities', 6, 'nhwc'), ('sigmoid', 2, 'nhw'), ('probability', 2, 'nchw'),
    ('labels', 7, 'nhw')])
@pytest.mark.parametrize('resize', RESIZES)
@pytest.mark.parametrize('is_finite', [True, False])
def test_the_tally_is_that_of_the_host(current, kind, classes, layout, resize, is_finite):
    """Cameras of a batch have their own tallies. A second launch begins from zero."""
    rng, net = np.random.default_rng(9), (48, 64)
    channels = classes if kind in ('logits', 'probabilities') else 1
    values = rng.normal(0, 3, (3, channels, 12, 16))
    if kind == 'labels':
        values = rng.integers(0, classes + 2, values.shape).astype(np.float64)
    elif kind in ('probability', 'probabilities'):
        values = 1 / (1 + np.exp(-values))
        values /= values.sum(axis=1, keepdims=True) if channels > 1 else 1
    values = values.astype('float32')
    if not is_finite and kind != 'labels':
        values[rng.random(values.shape) < 0.05] = np.nan
        values[:, :, :4, :4] = np.nan
    tensor = {'nchw': values, 'nhwc': np.moveaxis(values, 1, -1), 'nhw': values[:, 0]}[layout]
    tensor = np.ascontiguousarray(tensor)
    frames = [camera_frame(rng, *size) for size in [(1080, 1920), (1, 2), (131, 77)]]
    card = card_of(classes, resize)
    found, labels = tallies(current, card, tensor, layout, kind, frames, net, runs=3)
    output = NetworkOutput('out', OutputKind[kind.upper()], layout, 'float32', channels)
    host = HostPostprocess(output, classes, 0.5)
    for frame, image, tally, theirs in zip(frames, tensor, found, labels):
        result = host(image, fit(resize, (frame.height, frame.width), net), False, True)
        check_tally(tally, result.tally, classes)
        assert (theirs == result.labels).mean() >= 0.999


def test_the_largest_tally_counts_every_sample(current):
    """128 by 128 samples of the largest entropy fit into 32 bits."""
    frame, card = camera_frame(np.random.default_rng(0), 1024, 2048), card_of(4)
    (tally,), _ = tallies(current, card, np.zeros((1, 4, 8, 8), 'float32'), 'nchw', 'logits',
                          [frame], (64, 64))
    assert tally[:5].tolist() == [128 * 128, 0, 0, 0, 0]
    assert tally[5] == 128 * 128 * 65535
    assert tally[6:].tolist() == [128 * 128, *[0] * (BINS - 1)]


@pytest.mark.parametrize('kind', ['logits', 'sigmoid'])
@pytest.mark.parametrize('temperature', [0.5, 3.0])
def test_the_temperature_is_that_of_the_host(current, kind, temperature):
    rng, camera, net = np.random.default_rng(5), (90, 130), (24, 24)
    channels = 5 if kind == 'logits' else 1
    classes = 5 if kind == 'logits' else 2
    values = rng.normal(0, 3, (1, channels, 12, 14)).astype('float32')
    frame, card = camera_frame(rng, *camera), card_of(classes)
    card = replace(card, output=replace(card.output, temperature=temperature))
    ((labels, confidence, _),) = run(current, card, values, 'nchw', kind, [frame], net)
    (tally,), _ = tallies(current, card, values, 'nchw', kind, [frame], net)
    output = NetworkOutput('out', OutputKind[kind.upper()], 'nchw', 'float32', channels)
    host = HostPostprocess(output, classes, 0.5, temperature)(
        values[0], fit('stretch', camera, net), True, True)
    assert (labels != host.labels).mean() <= 1e-3
    assert (np.abs(confidence.astype(int) - host.confidence)[labels == host.labels] <= 1).all()
    check_tally(tally, host.tally, classes)
