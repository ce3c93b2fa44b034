# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Exchanges the model of an active node. No frame is lost during an exchange.

An exchange begins if a service request sets the parameter ``model``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import time
from typing import Any, TYPE_CHECKING

from rcl_interfaces.msg import ParameterType
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter

from ..errors import EngineError, GroundError
from ..exchange.closing import Closing
from ..exchange.opening import Opening
from ..ground.values import make_values
from ..memory import give_back_freed_memory
from ..model.card import ModelCard
from ..pipeline import Pipeline
from ..serving.engine_state import EngineState
from ..serving.recovery import describe_error
from ..serving.supervisor import Supervisor
from .health import HealthReference
from .live_parameters import find_problem, MODEL_DEPENDENT
from .parameters.setting import EXCHANGED
from .process.late_answers import answer_later, LateAnswer

if TYPE_CHECKING:
    from .node import SegmentationNode

TICK_SECONDS = 0.05
"""Seconds between two checks whether the new network is open."""
CLOSE_SECONDS = 20.0
"""Longest time in seconds that an exchange waits until the previous exchange has closed its old
network."""
KINDS = {('confidence', ParameterType.PARAMETER_BOOL), ('health', ParameterType.PARAMETER_BOOL),
         ('palette', ParameterType.PARAMETER_STRING_ARRAY)}
"""The parameters in :data:`.MODEL_DEPENDENT` with their types."""


@dataclass(frozen=True)
class OpenModel:
    """An open pipeline, and the health reference (figures of typical frames) of its model."""

    pipeline: Pipeline
    reference: HealthReference

    def close(self) -> None:
        """Close the pipeline."""
        self.pipeline.close()


def describe_card(card: ModelCard, other: ModelCard) -> str:
    """Return the name of ``card``.

    If ``other`` is a different card with the same name, add the path of ``card``.
    """
    same = card.name == other.name and card.source != other.source
    return f'{card.name} ({card.source})' if same else card.name


class ModelExchange:
    """Opens a new model while the old model is in use. Then the cameras use the new model.

    If a request begins an exchange, the node answers the request only after the new network is
    open, or after the exchange has failed. Until then, the executor receives images as before. The
    executor's thread calls all public methods.

    :param open_pipeline: opens the pipeline of a model. This function is called in another thread,
        with the value of ``model``, the name of the engine, and the number of the exchange (1 for
        the first exchange).
    """

    def __init__(self, node: SegmentationNode, supervisor: Supervisor,
                 open_pipeline: Callable[[str, str, int], Pipeline]) -> None:
        self.reference: HealthReference | None = None
        """The health reference of the present model. None if the node was never configured."""
        self.note = ''
        """What an exchange does now, or why the last exchange failed. Otherwise empty."""
        self._node = node
        self._supervisor = supervisor
        self._open_pipeline = open_pipeline
        self._count = 0
        self._model = ''
        self._is_set_twice = False  # whether the newest request sets `model` more than once
        self._began = 0.0  # time.monotonic() of the request
        self._opening: Opening[OpenModel] | None = None
        self._request: LateAnswer | None = None
        self._closing: Closing | None = None
        self._timer: Any = None
        self._accepted: OpenModel | None = None
        # Why `model` is refused while a request sets it. None at all other times.
        self._refusal: str | None = None
        answer_later(node, self._begin)

    def check_value(self, name: str, value: Any) -> str:
        """Return why a parameter cannot have a value. Empty if the value is accepted."""
        if name == 'model':
            return self._check_model(value)
        pipeline = self._accepted.pipeline if self._accepted else self._supervisor.pipeline
        reference = self._accepted.reference if self._accepted else self.reference
        return find_problem(name, value, pipeline, reference)

    def cancel(self, reason: str) -> None:
        """If the node is opening a new model, give up, and answer the request with the reason."""
        if self._opening:
            self._opening.give_up()
            self._finish(None, reason)

    def _check_model(self, value: str) -> str:
        state = self._node.state
        if not value:
            return ('the value is empty; give the name of an installed model card, or the path of '
                    'a model card')
        if self._is_set_twice:
            return 'the request sets `model` more than once; give one value'
        if state == 'unconfigured':
            return ''
        if self._refusal is not None and value == self._model:
            return self._refusal
        if state != 'active':
            return f'{EXCHANGED}, but now it is {state}'
        if self._opening:
            return (f'the node is opening the model {self._model} for an earlier request; set '
                    '`model` again after the answer to that request')
        return ('an active node changes its model only if a client calls the service '
                f'{self._node.get_fully_qualified_name()}/set_parameters. For example, `ros2 '
                'param set` calls this service')

    def _begin(self, request: LateAnswer) -> bool:
        """If a request sets ``model``, begin an exchange. Return whether an exchange began."""
        names = [parameter.value.string_value for parameter in request.parameters
                 if parameter.name == 'model'
                 and parameter.value.type == ParameterType.PARAMETER_STRING]
        self._is_set_twice = len(names) > 1
        pipeline = self._supervisor.pipeline
        if (len(names) != 1 or not names[0] or self._node.state != 'active' or self._opening
                or pipeline is None):
            return False
        name, self._began = names[0], time.monotonic()
        # Use the same engine again, because ``auto`` might choose a slower engine now.
        engine, number = pipeline.identity.engine, self._count + 1
        self._model, self._request = name, request
        self.note = f'opening the model {name}'
        self._node.get_logger().info(
            f'{self.note} while the model {pipeline.card.name} is in use')
        self._opening = Opening(lambda: self._open(name, engine, number))
        self._timer = self._node.create_timer(
            TICK_SECONDS, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        return True

    def _open(self, name: str, engine: str, number: int) -> OpenModel:
        """Open a model. This runs in the thread of :class:`.Opening`."""
        if self._closing and not self._closing.wait(CLOSE_SECONDS):
            raise EngineError('the network that the previous exchange replaced is still in use, '
                              'so its memory is not free yet. Set `model` again later')
        pipeline = self._open_pipeline(name, engine, number)
        reference = HealthReference(pipeline.card, self._node.value('health_reference'),
                                    self._node.value('drift_frames'))
        if self._node.value('health'):
            reference.find_problem()  # reads the file, so that the executor need not read it
        return OpenModel(pipeline, reference)

    def _tick(self) -> None:
        """Finish the exchange if the new network is open, or if it cannot be opened."""
        opening, supervisor = self._opening, self._supervisor
        if opening is None or not opening.has_ended:
            return
        if error := opening.error:
            if isinstance(error, EngineError) and error.sticky:
                supervisor.health.note_lost(str(error))
            self._finish(None, describe_error(error))
        elif supervisor.can_exchange:
            self._finish(opening.take(), '')
        elif supervisor.status.state is EngineState.LOST:
            self.cancel(supervisor.status.reason)

    def _finish(self, new: OpenModel | None, error: str) -> None:
        """Answer the request. If ``model`` was set, let the cameras use the new model."""
        request = self._request
        assert request is not None
        self._node.destroy_timer(self._timer)
        self._opening = self._request = self._timer = None
        reason = error or self._find_problem(new, request.parameters)
        before = self._node.value('model')
        response, was_set = self._set_parameters(request, new, reason)
        if new and was_set:
            try:
                self._exchange(new)
            except Exception as failure:  # for example, no new thread can be started
                self._node.errors.add_exception('the exchange of the model', failure)
                self._set_back(before)
                response, was_set, reason = type(response)(), False, describe_error(failure)
        if not was_set:
            reason = reason or 'another parameter of the request was refused'
            self.note = f'the model {self._model} was refused: {reason}'
            self._node.get_logger().warning(f'{self.note}. The old model stays in use')
            if new:
                self._close(new.pipeline, lambda: True)
        request.send(response)

    def _set_parameters(self, request: LateAnswer, new: OpenModel | None, reason: str
                        ) -> tuple[Any, bool]:
        self._refusal, self._accepted = reason, None if reason else new
        try:
            return request.set_parameters('model')
        finally:
            self._refusal = self._accepted = None

    def _set_back(self, name: str) -> None:
        self._model, self._refusal = name, ''
        try:
            self._node.set_parameters([Parameter('model', value=name)])
        finally:
            self._refusal = None

    def _find_problem(self, new: OpenModel | None, changes: Sequence[Any]) -> str:
        """Return why a new model does not fit the node's parameters. Empty if the model fits."""
        if new is None:
            return ''
        values = {name: self._node.value(name) for name in MODEL_DEPENDENT}
        values |= {one.name: Parameter.from_parameter_msg(one).value for one in changes
                   if (one.name, one.value.type) in KINDS}
        for name, value in values.items():
            if reason := find_problem(name, value, new.pipeline, new.reference):
                return f'{name}: {reason}'
        if any(camera.ground for camera in self._node.cameras):
            try:
                make_values(new.pipeline.card.classes, new.pipeline.card.ground, 0)
            except GroundError as error:
                return f'ground: {error}'
        return ''

    def _exchange(self, new: OpenModel) -> None:
        supervisor, cameras = self._supervisor, tuple(self._node.cameras)
        worker, old = supervisor.worker, supervisor.pipeline
        assert worker is not None and old is not None

        def change_model() -> None:
            for camera in cameras:
                camera.change_model(new.pipeline.card, new.reference)

        supervisor.exchange(new.pipeline, change_model)
        self._close(old, lambda: worker.has_ended)
        self.reference, self.note = new.reference, ''
        self._count += 1
        identity = new.pipeline.identity
        self._node.get_logger().info(
            f'exchanged the model {describe_card(old.card, new.pipeline.card)} for '
            f'{describe_card(new.pipeline.card, old.card)} on {identity.engine}, opened in '
            f'{identity.opened_s:.1f} s; the request is answered after '
            f'{time.monotonic() - self._began:.1f} s')

    def _close(self, pipeline: Pipeline, has_ended: Callable[[], bool]) -> None:
        # Without the last argument, malloc would keep some of the freed memory, and the process
        # would grow during the first exchanges.
        self._closing = Closing(pipeline, has_ended, self._supervisor.wait_for_pause,
                                self._node.get_logger().warning, give_back_freed_memory)
