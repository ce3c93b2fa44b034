# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The host pipeline gives labels, overlays and confidences of frames, and refuses misuse."""

from contextlib import closing
from threading import Thread

from networks import color_card, color_classifier, cube_colors, enlarge_at_end, painted
import numpy as np
import oracle
import pytest

from trt_segmentation.engines.onnxruntime_cpu import OnnxRuntimeEngine
from trt_segmentation.errors import EngineError, FrameError
from trt_segmentation.frame import Frame, Wanted
from trt_segmentation.host.pipeline import HostPipeline, WARM_UP_RUNS
from trt_segmentation.model.card import InputCard, OutputCard
from trt_segmentation.pipeline import EngineSettings, open_pipeline

COLORS = cube_colors(8)
CELL = 20


def scene(rows=4, cols=6, classes=8, seed=3, cell=CELL):
    """Return the labels of squares, and a mask of the pixels far from the edges of squares."""
    labels = np.random.default_rng(seed).integers(0, classes, (rows, cols))
    labels = labels.repeat(cell, axis=0).repeat(cell, axis=1)
    middle = np.abs(np.arange(max(rows, cols) * cell) % cell - cell / 2) < cell / 5
    return labels, np.outer(middle[:rows * cell], middle[:cols * cell])


def segment(card, frame, wanted=Wanted()):
    pipeline = HostPipeline(card)
    pipeline.submit([frame], wanted)
    (result,) = pipeline.collect()
    pipeline.close()
    return result


def check_scene(path, colors=COLORS, classes=8, card=None, output=OutputCard(), cell=CELL,
                wanted=Wanted(), **input):
    labels, sure = scene(classes=classes, cell=cell)
    card = card or color_card(path, colors, output=output, **input)
    result = segment(card, painted(labels, colors), wanted)
    assert result.labels.shape == labels.shape
    assert result.labels.dtype == card.label_dtype
    assert (result.labels == labels)[sure].all()
    return result


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
@pytest.mark.parametrize('dtype', ['float32', 'float16', 'uint8'])
@pytest.mark.parametrize('sides', [(40, 60), (None, None)])
def test_inputs(tmp_path, layout, dtype, sides):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=sides[0], width=sides[1],
                            layout=layout, dtype=dtype)
    given = {} if sides[0] else {'height': 40, 'width': 60}
    check_scene(path, **given)


@pytest.mark.parametrize('stride', [1, 2, 4])
@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
@pytest.mark.parametrize('dtype', ['float32', 'float16'])
def test_logits(tmp_path, stride, layout, dtype):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=80, width=120, stride=stride,
                            output_layout=layout, output_dtype=dtype)
    check_scene(path)


@pytest.mark.parametrize('cast,external', [(False, False), (True, True)])
def test_a_cut_network_gives_smaller_scores_and_the_same_labels(tmp_path, cast, external):
    path = enlarge_at_end(
        color_classifier(tmp_path / 'm.onnx', COLORS, height=80, width=120, stride=2,
                         output_dtype='float16' if cast else ''), 2, cast=cast, external=external)
    whole = check_scene(path)
    cut = check_scene(path, output=OutputCard(cut_resize=True))
    assert np.mean(whole.labels == cut.labels) > 0.97
    for is_cut, sides in ((False, (80, 120)), (True, (40, 60))):
        card = color_card(path, COLORS, output=OutputCard(cut_resize=is_cut))
        engine = OnnxRuntimeEngine(card)
        assert engine.run(np.zeros((1, 3, 80, 120), np.float32)).shape == (1, 8, *sides)


def test_a_network_that_cannot_be_cut_is_refused_by_name(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS)
    with pytest.raises(EngineError, match=r'm\.onnx: output logits does not end in a Resize'):
        HostPipeline(color_card(path, COLORS, output=OutputCard(cut_resize=True)))


@pytest.mark.parametrize('rank', [3, 4])
@pytest.mark.parametrize('dtype', ['int32', 'int64', 'uint8'])
@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_labels(tmp_path, rank, dtype, layout):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=80, width=120, kind='labels',
                            rank=rank, output_dtype=dtype, output_layout=layout, stride=2)
    check_scene(path)


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_sigmoid(tmp_path, layout):
    path = color_classifier(tmp_path / 'm.onnx', COLORS[:2], height=40, width=60, kind='sigmoid',
                            output_layout=layout)
    check_scene(path, COLORS[:2], classes=2)


def test_sigmoid_threshold(tmp_path):
    colors = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    path = color_classifier(tmp_path / 'm.onnx', colors, kind='sigmoid')
    # this gray is nearer to black, so only a low threshold gives class 1
    frame = Frame(np.full(3 * 48, 110, np.uint8), 'bgr8', 6, 8, 24)
    for threshold, label in ((0.5, 0), (1e-7, 1)):
        card = color_card(path, colors, output=OutputCard(threshold=threshold))
        assert (segment(card, frame).labels == label).all()


@pytest.mark.parametrize('names, output', [
    (('out', 'aux'), ''), (('primary', 'first'), ''), (('truth', 'out'), 'truth')])
def test_one_of_several_outputs(tmp_path, names, output):
    # the first output is right, and the other outputs have the opposite sign
    path = color_classifier(tmp_path / 'm.onnx', COLORS, names=names, height=40, width=60)
    check_scene(path, output=OutputCard(name=output))


def test_out_wins_wherever_it_stands(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, names=('aux', 'out'))
    pipeline = HostPipeline(color_card(path, COLORS))
    assert pipeline.signature.output.name == 'out'


def test_more_than_255_classes(tmp_path):
    colors = cube_colors(300)
    path = color_classifier(tmp_path / 'm.onnx', colors, height=40, width=60)
    result = check_scene(path, colors, classes=300, wanted=Wanted(True, True))
    assert result.labels.dtype == np.uint16
    assert result.labels.max() > 255
    assert result.overlay.dtype == np.uint8


@pytest.mark.parametrize('color', ['rgb', 'bgr'])
def test_colour_order_and_normalisation(tmp_path, color):
    given = InputCard(color=color, mean=(0.1, 0.2, 0.3), std=(1 / 255, 0.5, 2.0))
    path = color_classifier(tmp_path / 'm.onnx', COLORS, card=given, height=40, width=60)
    check_scene(path, color=color, mean=given.mean, std=given.std)


@pytest.mark.parametrize('resize', ['stretch', 'letterbox', 'crop'])
def test_resize_is_undone(tmp_path, resize):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=96, width=64)
    labels, sure = scene()
    result = segment(color_card(path, COLORS, resize=resize), painted(labels, COLORS),
                     Wanted(True, True))
    axes = [oracle.visible(*pair) for pair in zip(
        oracle.placement(resize, labels.shape, (96, 64)), labels.shape, (96, 64))]
    seen = np.outer(*axes)
    assert seen.all() == (resize != 'crop')
    assert (result.labels == labels)[sure & seen].all()
    assert (result.labels[~seen] == 255).all()
    assert (result.confidence[~seen] == 0).all()
    image = COLORS[labels][..., ::-1]
    assert (result.overlay[~seen] == image[~seen]).all()


def test_a_batch_of_different_cameras(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=40, width=60)
    pipeline = HostPipeline(color_card(path, COLORS))
    scenes = [scene(seed=i, rows=2 + i, cols=3 + i) for i in range(3)]
    frames = [painted(labels, COLORS) for labels, _ in scenes]
    gray = Frame(np.zeros(30 * 32, np.uint8), 'mono8', 30, 32, 32, stamp_ns=7, frame_id='left')
    pipeline.submit([*frames, gray])
    pipeline.submit(frames[:1])
    results = pipeline.collect()
    assert [r.frame for r in results] == [*frames, gray]
    for (labels, sure), result in zip(scenes, results):
        assert (result.labels == labels)[sure].all()
    assert (results[3].labels == 0).all() and results[3].labels.shape == (30, 32)
    (again,) = pipeline.collect()
    assert (again.labels == results[0].labels).all()
    assert results[0].labels is not again.labels


@pytest.mark.parametrize('batch, count', [(1, 3), (2, 3), (4, 1)])
def test_a_fixed_batch_of_another_size(tmp_path, batch, count):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=40, width=60, batch=batch)
    pipeline = HostPipeline(color_card(path, COLORS))
    scenes = [scene(seed=i) for i in range(count)]
    pipeline.submit([painted(labels, COLORS) for labels, _ in scenes])
    results = pipeline.collect()
    assert len(results) == count
    for (labels, sure), result in zip(scenes, results):
        assert (result.labels == labels)[sure].all()


def test_only_what_is_wanted(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS)
    card, frame = color_card(path, COLORS), painted(scene()[0], COLORS)
    result = segment(card, frame)
    assert result.overlay is None and result.confidence is None
    assert set(result.timings) == {'preprocess', 'inference', 'postprocess', 'total'}
    assert all(ms >= 0 for ms in result.timings.values())
    assert result.timings['total'] >= result.timings['inference']
    assert segment(card, frame, Wanted(overlay=True)).overlay.shape == (80, 120, 3)
    assert segment(card, frame, Wanted(confidence=True)).confidence.shape == (80, 120)


def test_alpha_and_palette_change_live(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS)
    pipeline = HostPipeline(color_card(path, COLORS))
    frame = Frame(np.zeros(3 * 4, np.uint8), 'bgr8', 2, 2, 6)

    def overlay():
        pipeline.submit([frame], Wanted(overlay=True))
        return pipeline.collect()[0].overlay
    pipeline.palette = np.full((8, 3), (200, 100, 50), np.uint8)
    assert (overlay() == (25, 50, 100)).all()
    pipeline.alpha = 1.0
    assert (overlay() == (50, 100, 200)).all()
    pipeline.alpha = 0.0
    assert (overlay() == 0).all()


def test_another_thread_may_collect_what_this_thread_submitted(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS)
    pipeline, got = HostPipeline(color_card(path, COLORS)), []
    frame = painted(scene()[0], COLORS)
    pipeline.submit([frame])
    thread = Thread(target=lambda: got.extend(pipeline.collect()))
    thread.start()
    thread.join(30)
    assert [result.frame for result in got] == [frame]


def test_misuse_raises_and_does_not_wait(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS)
    pipeline, frame = HostPipeline(color_card(path, COLORS)), painted(scene()[0], COLORS)
    with pytest.raises(EngineError, match='no batch is pending'):
        pipeline.collect()
    pipeline.submit([frame])
    assert len(pipeline.collect()) == 1
    with pytest.raises(EngineError, match='no batch is pending'):
        pipeline.collect()
    pipeline.submit([frame])
    pipeline.close()
    for use in (lambda: pipeline.submit([frame]), lambda: pipeline.submit([]), pipeline.collect):
        with pytest.raises(EngineError, match='the pipeline is closed; open a new one'):
            use()


def test_refused_frames_leave_nothing_pending(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, kind='labels')
    pipeline = HostPipeline(color_card(path, COLORS))
    good = painted(scene()[0], COLORS)
    with pytest.raises(FrameError, match='contiguous'):
        pipeline.submit([good, Frame(np.zeros(32, np.uint8)[::2], 'mono8', 4, 4, 4)])
    with pytest.raises(EngineError, match='no confidence'):
        pipeline.submit([good], Wanted(confidence=True))
    pipeline.submit([good])
    assert [result.frame for result in pipeline.collect()] == [good]


def test_opening_by_name(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS)
    for engine in ('auto', 'onnxruntime-cpu'):
        pipeline = open_pipeline(color_card(path, COLORS), engine)
        identity = pipeline.identity
        assert (identity.model, identity.engine) == ('m', 'onnxruntime-cpu')
        assert identity.precision == 'fp32' and identity.device and identity.reason
        pipeline.close()
        pipeline.close()


def test_an_opened_pipeline_has_run_its_network(tmp_path, monkeypatch):
    """The first runs are slow, so open_pipeline makes them before the first frame."""
    runs = []
    run = OnnxRuntimeEngine.run
    monkeypatch.setattr(OnnxRuntimeEngine, 'run',
                        lambda self, tensor: runs.append(tensor.shape) or run(self, tensor))
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=40, width=60)
    card = color_card(path, COLORS)
    pipeline = open_pipeline(card, 'onnxruntime-cpu')
    assert runs == [(1, 3, 40, 60)] * WARM_UP_RUNS
    labels, sure = scene()
    pipeline.submit([painted(labels, COLORS)])
    (result,) = pipeline.collect()      # warm-up runs give no result
    assert (result.labels == labels)[sure].all() and len(runs) == WARM_UP_RUNS + 1
    pipeline.close()


def test_beside_a_network_at_work_a_network_runs_once_after_a_pause(tmp_path, monkeypatch):
    events, run = [], OnnxRuntimeEngine.run

    def noted(self, tensor):
        events.append('run')
        return run(self, tensor)

    monkeypatch.setattr(OnnxRuntimeEngine, 'run', noted)
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=40, width=60)
    for exchange, expected in ((1, ['pause', 'run']), (0, ['run'] * WARM_UP_RUNS)):
        events.clear()
        with closing(open_pipeline(
                color_card(path, COLORS), 'onnxruntime-cpu', settings=EngineSettings(
                    exchange=exchange, wait_for_pause=lambda: events.append('pause')))):
            assert events == expected


@pytest.mark.parametrize('exchange', [0, 1])
def test_a_network_that_fails_in_the_warm_up_is_not_opened(tmp_path, monkeypatch, exchange):
    def fail(self, tensor):
        raise EngineError('out of memory')

    monkeypatch.setattr(OnnxRuntimeEngine, 'run', fail)
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=40, width=60)
    with pytest.raises(EngineError, match='out of memory'):
        open_pipeline(color_card(path, COLORS), 'onnxruntime-cpu',
                      settings=EngineSettings(exchange=exchange))


def test_a_half_overlay_has_every_second_row_and_column(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, height=40, width=60)
    labels, _ = scene(rows=1, cols=2, cell=33)
    frame = painted(labels, COLORS)
    whole = segment(color_card(path, COLORS), frame, Wanted(overlay=True))
    half = segment(color_card(path, COLORS), frame, Wanted(overlay=True, half_overlay=True))
    assert half.overlay.shape == (17, 33, 3) == (*Wanted(half_overlay=True).overlay_size(frame), 3)
    assert (half.overlay == whole.overlay[::2, ::2]).all()
    assert half.labels.shape == (33, 66)
