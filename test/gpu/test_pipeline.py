# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The GPU pipeline gives the segmentations of the host pipeline."""

from contextlib import closing
import ctypes
from dataclasses import replace
from itertools import product
import logging
import subprocess
import sys
import threading

from networks import color_card, color_classifier, cube_colors, painted
import numpy as np
import onnx
import pytest

from trt_segmentation.errors import EngineError, FrameError
from trt_segmentation.frame import Frame, Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import OutputCard

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from cuda.bindings import driver

from trt_segmentation.engines.cuda_driver import call
from trt_segmentation.gpu import slot_ring
from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.gpu.settings import GpuSettings
from trt_segmentation.gpu.slots import ALIGNED, HEADROOM

pytestmark = pytest.mark.usefixtures('on_cuda')

PALETTE = cube_colors(8)
ALL = Wanted(overlay=True, confidence=True)


def open_cuda(card, gpu, stream):
    from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
    return OnnxRuntimeCuda(card, gpu, stream)


def open_gpu(card, **settings):
    return GpuPipeline(card, open_cuda, settings=GpuSettings(**settings))


def blocks(rng, height, width, classes=8):
    """Return a label map of large blocks. A resize changes only the borders of the blocks."""
    coarse = rng.integers(0, classes, (-(-height // 16), -(-width // 16)))
    return np.kron(coarse, np.ones((16, 16), int))[:height, :width]


def segment(pipeline, frames, wanted=ALL):
    """Submit and collect. Return copies, because the arrays belong to the pipeline."""
    pipeline.submit(frames, wanted)
    copies = []
    for segmentation in pipeline.collect():
        arrays = segmentation.labels, segmentation.overlay, segmentation.confidence
        copies.append([None if array is None else array.copy() for array in arrays])
        segmentation.release()
    return copies


def check_like_host(host, frames, results, wanted=ALL):
    host.submit(frames, wanted)
    for theirs, (labels, overlay, confidence) in zip(host.collect(), results):
        same = labels == theirs.labels
        assert same.mean() >= 0.99
        assert labels.dtype == theirs.labels.dtype
        assert (overlay is None) == (theirs.overlay is None)
        assert (confidence is None) == (theirs.confidence is None)
        if overlay is not None:
            # the host decodes YUV with whole numbers, so it may differ by 1
            step = wanted.overlay_step
            assert overlay.shape == theirs.overlay.shape
            assert (np.abs(overlay.astype(int) - theirs.overlay)[same[::step, ::step]] <= 1).all()
        if confidence is not None:
            # the host rounds the resized image to whole levels of color, so confidences differ
            assert (np.abs(confidence.astype(int) - theirs.confidence)[same] <= 24).mean() >= 0.99


@pytest.fixture
def card(tmp_path):
    return color_card(color_classifier(tmp_path / 'colors.onnx', PALETTE, height=48, width=64,
                                       stride=4), PALETTE)


@pytest.fixture(params=[1, 2], ids=['one network', 'two networks'])
def pipeline(request, card, memory):
    pipeline = open_gpu(card, networks=request.param)
    yield pipeline
    pipeline.close()
    memory.make_current()


@pytest.mark.parametrize('settings', [
    {'memory': 'pinned'}, {'memory': 'mapped'}, {'direct_labels': True}], ids=str)
@pytest.mark.parametrize('resize', ['stretch', 'letterbox', 'crop'])
def test_every_encoding_as_the_host_does(tmp_path, memory, resize, settings):
    card = color_card(color_classifier(tmp_path / 'colors.onnx', PALETTE, height=48, width=64),
                      PALETTE, resize=resize)
    host, pipeline = HostPipeline(card), open_gpu(card, **settings)
    rng = np.random.default_rng(0)
    for encoding in ('bgr8', 'rgb8', 'bgra8', 'mono8', 'uyvy', 'yuv422_yuy2', 'nv12', 'mono16',
                     'bayer_rggb8'):
        bytes_per_pixel = {'bgr8': 3, 'rgb8': 3, 'bgra8': 4, 'uyvy': 2, 'yuv422_yuy2': 2,
                           'mono16': 2}.get(encoding, 1)
        step = 130 * bytes_per_pixel + 6
        rows = 90 * 3 // 2 if encoding == 'nv12' else 90
        data = np.repeat(np.repeat(rng.integers(
            0, 256, (-(-rows // 15), -(-step // 30)), dtype=np.uint8), 15, 0), 30, 1)
        frame = Frame(np.ascontiguousarray(data[:rows, :step]).reshape(-1), encoding, 90, 130,
                      step)
        for wanted in (Wanted(), Wanted(overlay=True), ALL,
                       Wanted(overlay=True, half_overlay=True)):
            check_like_host(host, [frame], segment(pipeline, [frame], wanted), wanted)
    pipeline.close()
    memory.make_current()


@pytest.mark.parametrize('settings', [
    {'memory': 'pinned'}, {'memory': 'mapped'}, {'direct_labels': True}], ids=str)
@pytest.mark.parametrize('wanted', [Wanted(tally=True), replace(ALL, tally=True)], ids=str)
def test_the_tally_of_every_frame_is_that_of_the_host(card, memory, settings, wanted):
    host, pipeline = HostPipeline(card), open_gpu(card, **settings)
    rng = np.random.default_rng(2)
    # frames with a tally and frames without one share the memory of a slot
    for size in [(96, 128), (192, 256), (96, 128)]:
        frame = painted(blocks(rng, *size), PALETTE)
        segment(pipeline, [frame])
        tallies = []
        for one in (host, pipeline):
            one.submit([frame], wanted)
            (segmentation,) = one.collect()
            assert segmentation.tally is not None
            tallies.append(segmentation.tally.astype(np.int64))
            segmentation.release()
        ours, theirs = tallies
        samples = theirs[:len(PALETTE) + 1].sum()
        assert ours.shape == theirs.shape and samples > 1000
        assert ours[:len(PALETTE) + 1].sum() == samples
        assert np.abs(ours - theirs)[:len(PALETTE) + 1].sum() <= samples // 50
        assert ours[len(PALETTE) + 2:].sum() == samples
        entropies = int(ours[len(PALETTE) + 1]), int(theirs[len(PALETTE) + 1])
        assert entropies[0] == pytest.approx(entropies[1], rel=0.05)
    pipeline.submit([frame])
    (segmentation,) = pipeline.collect()
    assert segmentation.tally is None
    segmentation.release()
    pipeline.close()
    memory.make_current()


def test_known_labels_come_back(pipeline):
    labels = blocks(np.random.default_rng(1), 192, 256)
    ((found, overlay, confidence),) = segment(pipeline, [painted(labels, PALETTE)])
    inside = np.zeros(labels.shape, bool)
    for y, x in product(range(0, 192, 16), range(0, 256, 16)):
        inside[y + 7:y + 9, x + 7:x + 9] = True
    assert (found == labels)[inside].all()
    assert overlay.shape == (192, 256, 3)
    assert confidence.min() > 0


def test_batches_of_cameras_of_different_size(tmp_path, memory):
    for batch in (None, 1, 3):
        card = color_card(color_classifier(tmp_path / f'{batch}.onnx', PALETTE, height=48,
                                           width=64, batch=batch), PALETTE)
        host, pipeline = HostPipeline(card), open_gpu(card, max_batch=8)
        assert pipeline.batch == (batch or 1)  # OnnxRuntimeCuda accepts only one batch size
        rng = np.random.default_rng(2)
        for count in (1, 4, 2, 20, 3, 7, 1):
            frames = [painted(blocks(rng, *rng.integers(40, 200, 2)), PALETTE)
                      for _ in range(count)]
            check_like_host(host, frames, segment(pipeline, frames))
        assert pipeline.uses_graph
        pipeline.close()
    memory.make_current()


def test_segmentations_come_in_order_with_all_slots_in_flight(pipeline):
    rng = np.random.default_rng(3)
    maps = [blocks(rng, 96, 128) for _ in range(12)]
    expected = [segment(pipeline, [painted(labels, PALETTE)])[0][0] for labels in maps]
    found, waiting = [], 0
    for labels in [*maps, None, None]:
        if labels is not None:
            pipeline.submit([painted(labels, PALETTE)])
            waiting += 1
        if waiting == 3 or labels is None:
            (segmentation,) = pipeline.collect()
            found.append(segmentation.labels.copy())
            segmentation.release()
            waiting -= 1
    assert len(found) == 12
    assert all((a == b).all() for a, b in zip(found, expected))


def test_a_kept_segmentation_stays_valid_after_the_release(pipeline):
    rng = np.random.default_rng(8)
    frames = [painted(blocks(rng, 96, 128), PALETTE) for _ in range(6)]
    expected, kept = [], []
    for frame in frames:
        ((labels, overlay, confidence),) = segment(pipeline, [frame])
        expected.append((labels, overlay, confidence))
    for frame in frames:
        pipeline.submit([frame], ALL)
        (segmentation,) = pipeline.collect()
        kept.append(segmentation.keep())
        segmentation.release()
    for found, (labels, overlay, confidence) in zip(kept, expected):
        np.testing.assert_array_equal(found.labels, labels)
        np.testing.assert_array_equal(found.overlay, overlay)
        np.testing.assert_array_equal(found.confidence, confidence)


def test_submit_and_collect_in_two_threads(pipeline):
    rng = np.random.default_rng(4)
    frames = [painted(np.full((40, 60), label), PALETTE) for label in rng.integers(0, 8, 200)]
    found, submitted = [], threading.Semaphore(0)

    def collect():
        for _ in frames:
            submitted.acquire()     # collect() raises if no batch is pending
            (segmentation,) = pipeline.collect()
            found.append((segmentation.frame, segmentation.labels[20, 30]))
            segmentation.release()

    thread = threading.Thread(target=collect)
    thread.start()
    for frame in frames:
        pipeline.submit([frame])
        submitted.release()
    thread.join(60)
    assert [frame for frame, _ in found] == frames
    for frame, label in found:
        assert (frame.data[:3][::-1] == PALETTE[label]).all()


def test_a_frame_in_a_buffer_is_read_without_a_copy(pipeline):
    labels = blocks(np.random.default_rng(5), 96, 128)
    frame = painted(labels, PALETTE)
    for _ in range(2):  # afterwards every network had a frame, and a slot has its memory
        ((expected, *_),) = segment(pipeline, [frame])
    buffer = pipeline.inputs.take(100)
    buffer.reallocate(frame.size + 57)
    buffer.array[57:57 + frame.size] = frame.data
    pinned = pipeline.memory.pinned_bytes
    placed = Frame(buffer.array[57:], 'bgr8', 96, 128, 384)
    pipeline.submit([placed], ALL)
    buffer.release()
    assert pipeline.inputs.find_buffer(buffer.address) is buffer
    (segmentation,) = pipeline.collect()
    assert pipeline.inputs.find_buffer(buffer.address) is None
    assert (segmentation.labels == expected).all()
    assert pipeline.memory.pinned_bytes == pinned
    for array in (segmentation.labels, segmentation.overlay, segmentation.confidence):
        assert array.ctypes.data % ALIGNED == 0
        before = np.ctypeslib.as_array((ctypes.c_uint8 * HEADROOM).from_address(
            array.ctypes.data - HEADROOM))
        before[:] = 7
    assert (segmentation.labels == expected).all()
    segmentation.release()


def test_a_new_palette_and_alpha_apply_to_the_next_batch(card, pipeline):
    host = HostPipeline(card)
    frame = painted(blocks(np.random.default_rng(6), 60, 80), PALETTE)
    for palette, alpha in [(PALETTE[::-1].copy(), 0.5), (PALETTE, 0.9), (PALETTE, 0.0)]:
        pipeline.palette = host.palette = palette
        pipeline.alpha = host.alpha = alpha
        check_like_host(host, [frame], segment(pipeline, [frame]))


def test_timings_name_every_stage(pipeline):
    pipeline.submit([painted(np.zeros((50, 50), int), PALETTE)])
    (segmentation,) = pipeline.collect()
    stages = ['stage', 'upload', 'preprocess', 'inference', 'postprocess', 'download', 'total']
    assert list(segmentation.timings) == stages
    assert all(ms >= 0 for ms in segmentation.timings.values())
    times = segmentation.timings
    assert sum(times[stage] for stage in stages[:-1]) <= times['total'] * 1.01 + 0.1
    segmentation.release()


@pytest.mark.parametrize('pipeline', [1], indirect=True)
def test_growth_and_graphs_are_logged_once(pipeline, caplog):
    caplog.set_level(logging.INFO)
    small, large = (painted(np.zeros(size, int), PALETTE) for size in [(40, 60), (80, 90)])
    frames = [small, large, small]
    for count in (1, 2, 1):
        for frame in frames:
            segment(pipeline, [frame] * count, Wanted())
    said = [r.getMessage() for r in caplog.records]
    # two images run the graph of one image twice, so no new graph is made
    assert 'CUDA graph' not in caplog.text
    assert len([line for line in said if 'image 0 outputs' in line and 'grown from' in line]) == 2
    caplog.clear()
    for _ in range(6):
        segment(pipeline, [frames[0]], Wanted())
    quiet = caplog.text
    for _ in range(6):
        segment(pipeline, [frames[0]], Wanted())
    assert caplog.text == quiet


def test_the_first_batch_finds_every_slot_ready(card, caplog):
    caplog.set_level(logging.INFO)
    pipeline = open_gpu(card, max_batch=5)
    try:
        assert len([r for r in caplog.records if 'CUDA graph' in r.getMessage()]) == 3
        caplog.clear()
        frame = painted(blocks(np.random.default_rng(10), 40, 60), PALETTE)
        for count in range(1, 8):
            found = segment(pipeline, [frame] * count, Wanted())
            assert len(found) == count
            assert all((labels == found[0][0]).all() for labels, *_ in found)
        assert 'CUDA graph' not in caplog.text
    finally:
        pipeline.close()


@pytest.mark.parametrize('pipeline', [1], indirect=True)
def test_a_submit_too_many_says_what_to_do(pipeline, monkeypatch):
    monkeypatch.setattr(slot_ring, 'PATIENCE', 0.05)
    frame = painted(np.zeros((20, 20), int), PALETTE)
    for _ in range(3):
        pipeline.submit([frame])
    with pytest.raises(EngineError, match=r'3 slots are in use. 3 submitted batches wait for'):
        pipeline.submit([frame])
    segmentations = [pipeline.collect()[0] for _ in range(3)]
    with pytest.raises(EngineError,
                       match=r'0 submitted batches wait for collect\(\). Any other slot'):
        pipeline.submit([frame])
    for segmentation in segmentations:
        segmentation.release()
        segmentation.release()
    assert len(segment(pipeline, [frame])) == 1


def test_bad_requests_leave_the_pipeline_working(card, pipeline):
    frame = painted(np.zeros((20, 20), int), PALETTE)
    pipeline.submit([])
    assert pipeline.collect() == []
    rare = Frame(np.zeros(2, np.uint8), 'bayer_rggb16', 1, 1, 2)
    try:
        pipeline.submit([rare])
        pipeline.collect()[0].release()
    except FrameError as error:
        assert 'bayer_rggb16' in str(error)
    for _ in range(5):
        assert len(segment(pipeline, [frame])) == 1


def test_confidence_of_a_label_model_is_refused(tmp_path, memory):
    card = color_card(color_classifier(tmp_path / 'ids.onnx', PALETTE, kind='labels'), PALETTE,
                      output=OutputCard(kind='labels'))
    pipeline = open_gpu(card)
    frame = painted(blocks(np.random.default_rng(8), 48, 64), PALETTE)
    with pytest.raises(EngineError, match='no confidence'):
        pipeline.submit([frame], ALL)
    host = HostPipeline(card)
    check_like_host(host, [frame], segment(pipeline, [frame], Wanted(overlay=True)),
                    Wanted(overlay=True))
    pipeline.close()
    memory.make_current()


def test_without_a_graph_the_segmentations_are_the_same(card, pipeline):
    plain = open_gpu(card, graph=False, wait='spin')
    frame = painted(blocks(np.random.default_rng(9), 90, 120), PALETTE)
    for ours, theirs in zip(segment(plain, [frame])[0], segment(pipeline, [frame])[0]):
        assert (ours == theirs).all()
    assert pipeline.uses_graph
    assert not plain.uses_graph
    plain.close()


def test_an_engine_without_a_graph_runs_and_is_reported_once(card, memory, caplog):
    class Waits:
        """An engine that waits for its stream in each run. CUDA cannot capture such a wait."""

        def __init__(self, *args):
            self._engine = open_cuda(*args)
            self._stream = args[2]

        def __getattr__(self, name):
            return getattr(self._engine, name)

        def bind(self, *args):
            bound, stream = self._engine.bind(*args), self._stream

            class Run:
                def enqueue(self, _):
                    bound.enqueue(stream)
                    call(driver.cuStreamSynchronize, stream)
            return Run()

    pipeline = GpuPipeline(card, Waits)
    host = HostPipeline(card)
    frame = painted(blocks(np.random.default_rng(10), 90, 120), PALETTE)
    for _ in range(4):
        check_like_host(host, [frame], segment(pipeline, [frame]))
    assert not pipeline.uses_graph
    said = [r for r in caplog.records if 'cannot be captured' in r.getMessage()]
    assert len(said) == 1
    pipeline.close()
    memory.make_current()


def test_a_step_on_the_cpu_prevents_the_graph_and_nothing_else(tmp_path, memory, caplog):
    path = color_classifier(tmp_path / 'colors.onnx', PALETTE, height=48, width=64)
    model = onnx.load(path)
    (output,) = model.graph.output
    model.graph.node[-1].output[0] = 'before'
    # ONNX Runtime has no CUDA kernel for Sinh, so Sinh runs on the CPU. It keeps the order of
    # the logits.
    model.graph.node.append(onnx.helper.make_node('Sinh', ['before'], [output.name]))
    onnx.save(model, path)
    card = color_card(path, PALETTE)
    host, pipeline = HostPipeline(card), open_gpu(card)
    assert not pipeline.uses_graph
    frame = painted(blocks(np.random.default_rng(15), 90, 120), PALETTE)
    for _ in range(6):
        check_like_host(host, [frame], segment(pipeline, [frame], Wanted()), Wanted())
    assert len([r for r in caplog.records if 'cannot be captured' in r.getMessage()]) == 1
    pipeline.close()
    memory.make_current()


def test_ten_thousand_frames_of_changing_size_leave_memory_flat(pipeline):
    rng = np.random.default_rng(11)
    frames = [painted(np.zeros(rng.integers(20, 300, 2), int), PALETTE) for _ in range(40)]
    frames.append(painted(np.zeros((300, 300), int), PALETTE))
    wanted = [Wanted(), Wanted(overlay=True), ALL]

    def run(count):
        for i in range(count):
            pipeline.submit([frames[i % 41]], wanted[i % 3])
            pipeline.collect()[0].release()
        free, _ = call(driver.cuMemGetInfo)
        return free, pipeline.memory.device_bytes, pipeline.memory.pinned_bytes

    before = run(41 * 3 * 3)
    assert run(10_000) == before


def test_two_pipelines_side_by_side(card, pipeline):
    other = open_gpu(card)
    frame = painted(blocks(np.random.default_rng(12), 60, 80), PALETTE)
    pipeline.submit([frame])
    other.submit([frame])
    theirs, ours = other.collect()[0], pipeline.collect()[0]
    assert (ours.labels == theirs.labels).all()
    other.close()
    other.close()
    assert (segment(pipeline, [frame])[0][0] == ours.labels).all()
    for use in (lambda: other.submit([frame]), lambda: other.submit([]), other.collect):
        with pytest.raises(EngineError, match='the pipeline is closed'):
            use()
    with pytest.raises(EngineError, match='no batch is pending'):
        pipeline.collect()


def test_a_gpu_number_that_does_not_exist_is_refused(card, memory):
    with pytest.raises(EngineError, match=r'`gpu` is 99, but this machine has \d+ GPU'):
        GpuPipeline(card, open_cuda, gpu=99)


def test_out_of_memory_leaves_the_pipeline_working(card, pipeline, monkeypatch):
    small = painted(np.full((40, 60), 3), PALETTE)
    large = painted(np.full((400, 600), 3), PALETTE)
    segment(pipeline, [small])
    allocate = pipeline.memory.allocate_on_device
    monkeypatch.setattr(pipeline.memory, 'allocate_on_device', lambda nbytes: allocate(2**50))
    with pytest.raises(EngineError, match='cuMemAlloc failed with CUDA_ERROR_OUT_OF_MEMORY'):
        pipeline.submit([large])
    monkeypatch.undo()
    for frame in (small, large):
        assert (segment(pipeline, [frame])[0][0] == 3).all()
    pipeline.close()
    again = open_gpu(card)
    assert (segment(again, [large])[0][0] == 3).all()
    again.close()


def test_a_second_gpu_segments_as_the_first(card, pipeline):
    if call(driver.cuDeviceGetCount) < 2:
        pytest.skip('needs two GPUs')
    other = GpuPipeline(card, open_cuda, gpu=1)
    frames = [painted(blocks(np.random.default_rng(i), 60, 80), PALETTE) for i in range(8)]
    are_equal = []
    for frame in frames:
        pipeline.submit([frame], ALL)
        other.submit([frame], ALL)
        pair = pipeline.collect()[0], other.collect()[0]
        are_equal += [(pair[0].labels == pair[1].labels).all(),
                      (pair[0].overlay == pair[1].overlay).all()]
        for segmentation in pair:
            segmentation.release()
    assert are_equal == [True] * 16
    other.close()


def test_frames_for_the_cpu_decoder_get_cached_memory(card, memory):
    pipeline = open_gpu(card, write_combined=True)
    for encoding, kept in (('bgr8', True), ('bayer_rggb8', False), ('bgr8', False)):
        buffer = pipeline.inputs.take(40 * 60 * 3)
        buffer.array[:40 * 60 * 3] = 90
        frame = Frame(buffer.array, encoding, 40, 60, 180)
        pipeline.submit([frame])
        pipeline.collect()[0].release()
        buffer.release()
        fresh = pipeline.inputs.take(10)
        assert fresh.block.write_combined == kept
        fresh.release()
    pipeline.close()
    memory.make_current()


def test_allocated_memory_is_read_without_a_copy_and_released(pipeline):
    labels = blocks(np.random.default_rng(14), 96, 128)
    frame = painted(labels, PALETTE)
    for _ in range(2):  # afterwards every network had a frame, and a slot has its memory
        ((expected, *_),) = segment(pipeline, [frame])
    memory = pipeline.allocate(frame.size + 61)
    address = memory.address
    assert memory.view.ctypes.data == address and memory.nbytes >= frame.size + 61
    memory.view[61:61 + frame.size] = frame.data
    placed = Frame(memory.view[61:], 'bgr8', 96, 128, 384)
    del memory
    lent = pipeline.inputs.find_buffer(address)
    held = pipeline.memory.pinned_bytes
    for _ in range(2 * pipeline.depth):
        ((found, *_),) = segment(pipeline, [placed], Wanted())
        assert (found == expected).all()
    assert pipeline.memory.pinned_bytes == held
    assert lent.holders == 1
    del placed
    for _ in range(pipeline.depth + 1):  # a slot keeps its frame until the slot's next batch
        segment(pipeline, [frame], Wanted())
    assert lent.holders == 0


def test_the_pipeline_answers_the_questions_of_a_node(request, pipeline):
    assert pipeline.depth == (3 if 'two networks' in request.node.name else 2)
    assert (pipeline.batch, pipeline.gives_confidence) == (1, True)
    pipeline.submit([painted(np.zeros((50, 50), int), PALETTE)])
    (segmentation,) = pipeline.collect()
    assert segmentation.headroom == HEADROOM


@pytest.mark.parametrize('wait', ['block', 'timed'])
def test_every_wait_gives_the_segmentations(card, memory, wait):
    pipeline = open_gpu(card, wait=wait)
    for label in np.random.default_rng(13).integers(0, 8, 50):
        side = 40 + 20 * int(label)
        ((labels, *_),) = segment(pipeline, [painted(np.full((side, side), label), PALETTE)])
        assert (labels == label).all()
    pipeline.close()
    memory.make_current()


def test_unknown_choices_are_refused(card, memory):
    with pytest.raises(EngineError, match="`memory` is 'paged'; expected one of auto, pinned"):
        open_gpu(card, memory='paged')
    with pytest.raises(EngineError, match="`wait` is 'forever'; expected one of timed, block"):
        open_gpu(card, wait='forever')


STICKY = """
from pathlib import Path
import sys

import numpy as np

sys.path[:0] = ['test', '.']
from networks import color_card, cube_colors, painted
from trt_segmentation.errors import EngineError
from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
from trt_segmentation.errors import EngineError
from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.gpu.settings import GpuSettings

palette = cube_colors(8)
card = color_card(Path(sys.argv[1]), palette)
frame = painted(np.full((40, 60), 3), palette)
pipeline = GpuPipeline(card, OnnxRuntimeCuda, settings=GpuSettings(graph=False))
pipeline.submit([frame])
pipeline.collect()[0].release()
# the kernels of the next batch access an address without memory
for slot in pipeline._ring.slots:
    for work in slot.works.values():
        work.key = None
    slot.input.address = 64
try:
    pipeline.submit([frame])
    pipeline.collect()
except EngineError as error:
    assert 'CUDA_ERROR' in str(error), error
    print('failed')
try:
    pipeline.submit([frame])
except EngineError as error:
    assert 'ended with an error of the GPU (cu' in str(error), error
    print('ended')
pipeline.close()
print('closed', flush=True)
for _ in range(2):
    try:
        GpuPipeline(card, OnnxRuntimeCuda)
    except EngineError as error:
        assert 'GPU 0 failed in this process (cu' in str(error), error
        assert 'restarted' in str(error), error
        print('refused', flush=True)
"""


def test_a_sticky_error_ends_the_pipeline_and_says_to_restart(card, tmp_path):
    """The error happens in another process. This process must end without a crash."""
    script = tmp_path / 'sticky.py'
    script.write_text(STICKY)
    done = subprocess.run(
        [sys.executable, str(script), str(card.model)], capture_output=True, text=True,
        timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ['failed', 'ended', 'closed', 'refused', 'refused'], done.stderr


def test_scores_that_look_like_probabilities_are_said_once(tmp_path, memory, caplog):
    path = color_classifier(tmp_path / 'm.onnx', PALETTE[:2], height=48, width=64, kind='sigmoid')
    model = onnx.load(path)
    # the network computes 1 / (1 + exp(-x)), so the graph contains no Sigmoid
    model.graph.node[-1].output[0] = 'score'
    for op, inputs, name in (('Neg', ['score'], 'minus'), ('Exp', ['minus'], 'power'),
                             ('Add', ['power', 'one'], 'sum'), ('Reciprocal', ['sum'], 'logits')):
        model.graph.node.append(onnx.helper.make_node(op, inputs, [name]))
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array(1, np.float32), 'one'))
    path.write_bytes(model.SerializeToString())
    card = color_card(path, PALETTE[:2], output=OutputCard(kind='sigmoid'))
    frames = [painted(blocks(np.random.default_rng(0), 48, 64, 2), PALETTE[:2])]
    pipeline = open_gpu(card)
    for _ in range(8):
        segment(pipeline, frames)
    pipeline.close()
    memory.make_current()
    (line,) = [text for text in caplog.messages if 'between 0 and 1' in text]
    assert 'write `kind: probability` under `output` in the model card' in line


def test_memory_is_lent_until_no_view_of_it_exists(tmp_path):
    card = color_card(color_classifier(tmp_path / 'c.onnx', PALETTE), PALETTE)
    with closing(open_gpu(card)) as pipeline:
        assert not pipeline.lends_memory
        memory = pipeline.allocate(1000)
        view = memory.view[10:20]
        del memory
        assert pipeline.lends_memory
        del view
        assert not pipeline.lends_memory


@pytest.mark.parametrize('encoding', ['bgr8', 'bgr16'])
def test_a_collected_frame_in_lent_memory_lets_the_memory_go(tmp_path, encoding):
    """Otherwise the pipeline of the old model would never be closed after an exchange."""
    card = color_card(color_classifier(tmp_path / 'c.onnx', PALETTE), PALETTE)
    image = np.zeros((8, 8 * 3), np.uint16 if encoding == 'bgr16' else np.uint8)
    with closing(open_gpu(card)) as pipeline, closing(open_gpu(card)) as newer:
        for reader in (pipeline, newer):
            memory = pipeline.allocate(image.nbytes)
            memory.view[:image.nbytes] = 0
            frame = Frame(memory.view[:image.nbytes], encoding, 8, 8, image.nbytes // 8)
            del memory
            reader.submit([frame])
            del frame
            assert pipeline.lends_memory
            for segmentation in reader.collect():
                segmentation.release()
            del segmentation
            assert not pipeline.lends_memory


def test_a_pipeline_works_while_others_are_opened_and_closed_beside_it(tmp_path, current):
    """The frames lie in memory of another pipeline, as after an exchange."""
    card = color_card(color_classifier(tmp_path / 'c.onnx', PALETTE), PALETTE)
    frame = painted(blocks(np.random.default_rng(1), 96, 128), PALETTE)
    with closing(open_gpu(card)) as live, closing(open_gpu(card)) as other:
        memory = other.allocate(frame.size)
        memory.view[:frame.size] = frame.data[:frame.size]
        frame = replace(frame, data=memory.view[:frame.size])
        expected = segment(live, [frame])
        stop, wrong, done = threading.Event(), [], []

        def work():
            while not stop.is_set():
                found = segment(live, [frame])
                wrong.extend(one for one, right in zip(found[0], expected[0], strict=True)
                             if not np.array_equal(one, right))
                done.append(1)
        worker = threading.Thread(target=work)
        worker.start()
        used = []
        for exchange in range(1, 9):
            with closing(open_gpu(card, exchange=exchange)) as new:
                assert np.array_equal(segment(new, [frame])[0][0], expected[0][0])
            used.append(current.used_bytes)
        stop.set()
        worker.join()
        assert done and not wrong
        # The first network loads libraries. Later, the driver may take one more block of 2 MiB.
        assert used[-1] <= used[1] + 2 * 2**20
