# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Setting ``model`` on an active node exchanges the network without a gap, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import re
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from caller import ALPHA, Caller, parameter
from diagnostic_msgs.msg import DiagnosticArray
from node_rig import camera_image, FakePipeline, NODE, TIMEOUT
from rcl_interfaces.srv import GetParameters, SetParameters
from sensor_msgs.msg import Image

from trt_segmentation.errors import EngineError, GpuError
from trt_segmentation.model.card import ModelCard
from trt_segmentation.ros import model_exchange, publishers
from trt_segmentation.ros.model_exchange import describe_card
from trt_segmentation.ros.parameters.setting import EXCHANGED
from trt_segmentation.serving.engine_state import EngineState
from trt_segmentation.serving.recovery import REOPEN_AFTER

CLASSES = {'day': 255, 'night': 7, 'wide': 300}
"""Number of classes of each model."""


def model(name: str) -> Any:
    return parameter('model', 4, string_value=name)


class Models:
    """The models of a node. ``gate`` holds every exchange that opens a model."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, make_rig: Callable[..., Any],
                 *arguments: str) -> None:
        rig = make_rig(start=False, cli_args=['--ros-args', '-p', 'model:=day', *(
            part for one in arguments for part in ('-p', one))])
        self.gate = threading.Event()
        self.gate.set()
        self.opening = threading.Event()
        self.error: Exception | None = None
        self.asked: list[tuple[str, str, int]] = []
        module = __import__('trt_segmentation.ros.node', fromlist=['open_pipeline'])

        def load(name: str) -> ModelCard:
            count = CLASSES[name]
            return ModelCard(name, Path('none.onnx'), tuple(f'{name} {i}' for i in range(count)),
                             np.zeros((count, 3), np.uint8))

        def open_(card: ModelCard, engine: str, **options: Any) -> Any:
            self.asked.append((card.name, engine, options['settings'].exchange))
            self.opening.set()
            assert self.gate.wait(TIMEOUT)
            if self.error:
                raise self.error
            rig.pipelines.append(FakePipeline(card))
            return rig.pipelines[-1]
        monkeypatch.setattr(module, 'load_card', load)
        monkeypatch.setattr(module, 'open_pipeline', open_)
        assert rig.node.start()
        self.rig, self.caller = rig, Caller(rig)

    def hold_image(self, camera: Any) -> Any:
        """Publish image 1, hold it in the pipeline at work, and return this pipeline."""
        old = self.rig.pipeline
        old.gate.clear()
        camera.publish(camera_image(1))
        self.rig.until(lambda: old.batches)
        return old

    def begin(self, *parameters: Any) -> Any:
        """Hold the gate, send a request, and wait until the network is being opened."""
        self.gate.clear()
        self.opening.clear()
        future = self.caller.begin(
            SetParameters, 'set_parameters', SetParameters.Request(parameters=list(parameters)))
        self.rig.until(self.opening.is_set)
        return future

    def finish(self, future: Any) -> list[tuple[bool, str]]:
        self.gate.set()
        self.rig.until(future.done)
        return [(result.successful, result.reason) for result in future.result().results]

    def names(self) -> tuple[str, str]:
        """Return the value of ``model``, and the name of the model at work."""
        return self.rig.node.value('model'), self.rig.node._supervisor.pipeline.card.name

    def open_names(self) -> list[str]:
        return [one.card.name for one in self.rig.pipelines if not one.closed]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, make_rig: Callable[..., Any]) -> Models:
    return Models(monkeypatch, make_rig)


def test_images_are_segmented_while_the_new_network_is_opened(models: Models) -> None:
    rig = models.rig
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    future = models.begin(model('night'))
    for number in range(1, 6):
        camera.publish(camera_image(number))
        rig.until(lambda number=number: len(maps) == number)
    values = models.caller(GetParameters, 'get_parameters', GetParameters.Request(names=['model']))
    assert values.values[0].string_value == 'day' and not future.done()
    assert rig.node.exchange.note == 'opening the model night'
    assert models.finish(future) == [(True, '')]
    camera.publish(camera_image(6))
    rig.until(lambda: len(maps) == 6)
    assert [one.header.stamp.sec for one in maps] == [1, 2, 3, 4, 5, 6]
    assert [len(one.batches) for one in rig.pipelines] == [5, 1]
    assert models.asked == [('day', 'auto', 0), ('night', 'onnxruntime-cpu', 1)]
    rig.until(lambda: models.open_names() == ['night'])
    assert models.names() == ('night', 'night') and rig.node.exchange.note == ''
    assert rig.snapshot().frames_dropped == 0


def test_a_frame_at_work_is_finished_by_the_old_network_and_a_waiting_one_by_the_new(
        models: Models) -> None:
    rig = models.rig
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    old = models.hold_image(camera)
    camera.publish(camera_image(2))
    rig.until(lambda: rig.snapshot().frames_in == 2)
    assert models.finish(models.begin(model('wide'))) == [(True, '')]
    camera.publish(camera_image(3))  # the newest frame wins, as without an exchange
    rig.until(lambda: rig.snapshot().frames_in == 3)
    assert old.closed == 0 and not maps and not rig.pipeline.batches
    old.gate.set()
    rig.until(lambda: len(maps) == 2)
    assert [(one.header.stamp.sec, one.encoding) for one in maps] == [(1, 'mono8'), (3, 'mono16')]
    rig.until(lambda: models.open_names() == ['wide'])
    found = rig.snapshot()
    assert (found.frames_out, found.dropped) == (2, {'superseded': 1})


def test_the_class_names_are_published_before_the_first_label_map_of_the_new_network(
        models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI has no vision_msgs, so the test records what the node would publish."""
    monkeypatch.setattr(publishers, 'LabelInfo', SimpleNamespace)
    monkeypatch.setattr(publishers, 'VisionClass', SimpleNamespace)
    published: list[str] = []
    outputs = models.rig.node.cameras[0]._outputs
    outputs._label_info = SimpleNamespace(publish=lambda info: published.append(
        f'{len(info.class_map)} classes, {info.class_map[3].class_name}'))
    send = outputs._publish_image
    monkeypatch.setattr(outputs, '_publish_image', lambda publisher, *image: (
        published.append(image[2]), send(publisher, *image)))
    camera = models.rig.speaker(Image)
    old = models.hold_image(camera)
    assert models.finish(models.begin(model('wide'))) == [(True, '')]
    camera.publish(camera_image(2))
    old.gate.set()
    models.rig.until(lambda: len(published) == 3)
    assert published == ['mono8', '300 classes, wide 3', 'mono16']


@pytest.mark.parametrize(('make_error', 'reason'), [
    (lambda: EngineError('none.onnx is damaged'), 'model: none.onnx is damaged'),
    (MemoryError, 'model: the system has too little free memory; end other programs, or use '
     'smaller images, fewer cameras or a smaller network')])
def test_a_network_that_does_not_open_leaves_the_old_one_at_work(
        models: Models, make_error: Callable[[], Exception], reason: str) -> None:
    # each test makes its error, because the traceback of a raised error keeps the node alive
    rig, models.error = models.rig, make_error()
    assert models.finish(models.begin(model('night'), ALPHA)) == [(False, reason), (True, '')]
    assert models.names() == ('day', 'day') and rig.node.value('alpha') == 0.25
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    camera.publish(camera_image(1))
    rig.until(lambda: maps)
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    rig.until(lambda: reports)
    (engine,) = (one for one in reports[0].status if one.name.endswith('engine'))
    assert engine.level == b'\0'
    assert {one.key: one.value for one in engine.values}['exchange'] == (
        f'the model night was refused: {reason.removeprefix("model: ")}')
    models.error = None
    assert models.finish(models.begin(model('night'))) == [(True, '')]
    assert models.names() == ('night', 'night')


def test_a_card_that_cannot_be_read_is_refused(models: Models) -> None:
    (result,) = models.caller.set(model('absent'))
    assert not result.successful and 'absent' in result.reason
    assert models.names() == ('day', 'day') and models.open_names() == ['day']


@pytest.mark.parametrize(('names', 'reason'), [
    ([''], 'model: the value is empty; give the name of an installed model card, or the path of '
     'a model card'),
    (['night', 'wide'], 'model: the request sets `model` more than once; give one value')])
def test_no_name_and_two_names_are_refused_with_their_own_reason(
        models: Models, names: list[str], reason: str) -> None:
    results = models.caller.set(*map(model, names))
    assert [(one.successful, one.reason) for one in results] == [(False, reason)] * len(names)
    assert models.caller.atomically(*map(model, names)).reason == reason
    assert models.names() == ('day', 'day') and [one[0] for one in models.asked] == ['day']
    assert models.caller.set(model('night'))[0].successful  # the next request is independent


def test_the_log_has_the_time_from_the_request_to_the_answer(models: Models) -> None:
    log = models.rig.log()
    assert models.caller.set(model('night'))[0].successful
    start = 'exchanged the model day for night on onnxruntime-cpu, opened in 0.0 s; '
    lines = models.rig.until(lambda: [
        line.msg for line in log if line.msg.startswith('exchanged')])
    assert re.fullmatch(re.escape(start) + r'the request is answered after \d+\.\d s', lines[-1])


def test_a_card_is_described_with_its_path_if_another_card_has_its_name() -> None:
    one, two, other = (ModelCard(name, Path('n.onnx'), ('a',), np.zeros((1, 3), np.uint8),
                                 source=Path(path)) for name, path in (
        ('street', 'a/street.yaml'), ('street', 'b/street.yaml'), ('city', 'a/city.yaml')))
    assert describe_card(one, two) == 'street (a/street.yaml)'
    assert describe_card(two, one) == 'street (b/street.yaml)'
    assert describe_card(one, one) == describe_card(one, other) == 'street'


def test_a_second_request_is_refused_while_the_first_one_waits(models: Models) -> None:
    future = models.begin(model('night'))
    (result,) = models.caller.set(model('wide'))
    assert not result.successful and result.reason == (
        'model: the node is opening the model night for an earlier request; set `model` again '
        'after the answer to that request')
    assert models.finish(future) == [(True, '')]
    assert models.finish(models.begin(model('wide'))) == [(True, '')]
    assert models.names() == ('wide', 'wide')


@pytest.mark.parametrize('step', ['deactivate', 'shutdown'])
def test_a_node_that_stops_answers_the_request_and_closes_the_new_network(
        models: Models, step: str) -> None:
    rig = models.rig
    future = models.begin(model('night'))
    assert models.caller.change(label=step)
    assert models.rig.node.value('model') == 'day'
    rig.until(future.done)
    assert [one.reason for one in future.result().results] == ['model: the node stops']
    models.gate.set()
    rig.until(lambda: len(rig.pipelines) == 2 and rig.pipelines[1].closed)
    assert models.open_names() == (['day'] if step == 'deactivate' else [])
    if step == 'deactivate':
        (result,) = models.caller.set(model('wide'))
        assert result.reason == f'model: {EXCHANGED}, but now it is inactive'
        assert models.caller.change(label='activate')
        assert models.finish(models.begin(model('wide'))) == [(True, '')]


def test_the_palette_must_fit_the_new_model(monkeypatch: pytest.MonkeyPatch,
                                            make_rig: Callable[..., Any]) -> None:
    """A palette for the new model can be set in the same request."""
    seven = parameter('palette', 9, string_array_value=['#010203'] * 7)
    models = Models(monkeypatch, make_rig)
    maps = models.rig.hear(Image, f'{NODE}/label_map')
    camera = models.rig.speaker(Image)
    assert not models.caller.set(seven)[0].successful
    result = models.caller.atomically(model('night'), seven)
    assert (result.successful, result.reason) == (True, '')
    camera.publish(camera_image(1))
    models.rig.until(lambda: maps)
    assert models.rig.pipeline.palette.tolist() == [[1, 2, 3]] * 7
    (result,) = models.caller.set(model('wide'))
    assert result.reason == ("model: palette: 7 colours for the 300 classes of model wide; give "
                             "one for each class, or [] for the card's colours")
    assert models.names() == ('night', 'night')
    models.rig.until(lambda: models.open_names() == ['night'])


def test_if_another_parameter_is_refused_the_model_is_not_exchanged(models: Models) -> None:
    result = models.caller.atomically(
        model('night'), parameter('alpha', 3, double_value=2.0))
    assert not result.successful and 'alpha' in result.reason
    assert models.names() == ('day', 'day')
    models.rig.until(lambda: models.open_names() == ['day'])
    assert 'another parameter' in models.rig.node.exchange.note


def test_set_parameters_of_the_node_object_is_refused_with_the_way_to_do_it(
        models: Models) -> None:
    from rclpy.parameter import Parameter
    (result,) = models.rig.node.set_parameters([Parameter('model', value='night')])
    assert result.reason == (
        'model: an active node changes its model only if a client calls the service '
        f'{NODE}/set_parameters. For example, `ros2 param set` calls this service')


def test_an_engine_that_is_being_reopened_is_replaced_by_the_new_network(
        models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = models.rig
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    future = models.begin(model('night'))
    rig.pipelines[0].errors = [EngineError('boom')] * REOPEN_AFTER
    for number in range(REOPEN_AFTER):
        camera.publish(camera_image(number + 1))
        rig.until(lambda number=number: rig.snapshot().frames_dropped == number + 1)
    supervisor = rig.node._supervisor
    rig.until(lambda: supervisor._reopening)
    assert supervisor.status.state is EngineState.REOPENING
    assert models.finish(future) == [(True, '')]
    camera.publish(camera_image(9))
    rig.until(lambda: maps)
    rig.until(lambda: models.open_names() == ['night'])
    rig.until(lambda: supervisor.status.state is EngineState.RUNNING)
    assert maps[0].header.stamp.sec == 9


def test_an_old_network_that_fails_at_its_last_frame_does_not_disturb_the_new_one(
        models: Models) -> None:
    rig = models.rig
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    rig.pipeline.errors = [EngineError('boom')] * REOPEN_AFTER
    old = models.hold_image(camera)
    assert models.finish(models.begin(model('night'))) == [(True, '')]
    old.gate.set()
    camera.publish(camera_image(2))
    rig.until(lambda: maps)
    assert [one.header.stamp.sec for one in maps] == [2]
    rig.until(lambda: rig.node._supervisor.status.state is EngineState.RUNNING)
    assert rig.snapshot().dropped == {'engine error': 1}
    rig.until(lambda: models.open_names() == ['night'])


def test_a_gpu_that_is_lost_during_the_opening_ends_the_process(models: Models) -> None:
    models.error = GpuError('an illegal address', 'CUDA_ERROR_ILLEGAL_ADDRESS')
    assert models.finish(models.begin(model('night'))) == [
        (False, 'model: an illegal address')]
    models.rig.until(lambda: models.rig.node.exit_code)
    assert models.names()[0] == 'day'


def test_an_exchange_that_fails_sets_the_parameter_back(
        models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("can't start new thread")
    monkeypatch.setattr(models.rig.node._supervisor, 'exchange', fail)
    assert models.finish(models.begin(model('night'))) == []
    assert models.names() == ('day', 'day') and models.rig.node.errors.count == 1
    assert "can't start new thread" in models.rig.node.exchange.note
    models.rig.until(lambda: models.open_names() == ['day'])


def test_a_network_waits_until_the_network_before_the_last_is_closed(
        models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """So no more than two networks are open at the same time."""
    monkeypatch.setattr(model_exchange, 'CLOSE_SECONDS', 0.05)
    rig = models.rig
    rig.pipeline.lends_memory = True
    assert models.finish(models.begin(model('night'))) == [(True, '')]
    (result,) = models.caller.set(model('wide'))
    assert 'the network that the previous exchange replaced is still in use' in result.reason
    rig.pipelines[0].lends_memory = False
    rig.until(lambda: models.open_names() == ['night'])
    assert models.finish(models.begin(model('wide'))) == [(True, '')]
    rig.until(lambda: models.open_names() == ['wide'])


def test_after_many_exchanges_one_network_is_open_and_every_frame_was_answered_once(
        models: Models) -> None:
    rig = models.rig
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    for number in range(1, 21):
        assert models.caller.set(model('night' if number % 2 else 'day'))[0].successful
        camera.publish(camera_image(number))
        rig.until(lambda number=number: len(maps) == number)
    assert [one.header.stamp.sec for one in maps] == list(range(1, 21))
    assert [len(one.batches) for one in rig.pipelines] == [0] + [1] * 20
    rig.until(lambda: models.open_names() == ['day'])
    assert {one.closed for one in rig.pipelines[:-1]} == {1}
    assert threading.active_count() < 30
