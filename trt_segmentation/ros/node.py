# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node: its parameters and its lifecycle.

In its own threads, the node's worker segments the images and publishes the results. The engine
runs the network.
"""

from __future__ import annotations

from collections.abc import Callable
import sys
from typing import Any, TYPE_CHECKING

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from ..memory import give_back_freed_memory, keep_freed_memory, limit_arenas
from ..model.card import load_card, ModelCard
from ..pipeline import EngineSettings, open_pipeline, Pipeline
from ..serving.background import run_interruptibly
from ..serving.frame_log import FrameLog
from ..serving.recovery import describe_error
from ..serving.stopping import GPU_LOST, STOP_REQUESTED
from ..serving.supervisor import Supervisor, TICK_SECONDS
from ..serving.throttled_log import ThrottledLog
from ..serving.worker import Worker
from ..stats import Stats
from ..tracing.stages import set_tracing
from .camera import Camera
from .diagnostics import summary
from .health import HealthReference
from .live_parameters import check_values, LiveParameters, refuse_change
from .model_exchange import ModelExchange
from .monitor import Monitor
from .optics.camera_viewport import CameraViewport
from .parameters.declare import declare
from .parameters.table import SETTINGS
from .process.clock import ForwardClock
from .process.guarded import Guarded
from .process.python_log import forward_python_log
from .process.requests import answer_requests
from .process.run import run, skip_present_objects
from .transport.choose import choose_transport, Transport
from .transport.messages import check_image_transport

if TYPE_CHECKING:
    from .optics.ground_output import GroundOutput

FINISH_SECONDS = 30.0
"""Longest time in seconds that ``deactivate`` waits until the worker has published its frames.
After this time, the node assumes that the engine hangs."""
STOP_SECONDS = 1.5
"""Longest time in seconds that ``shutdown`` waits until the worker has published its frames."""


class SegmentationNode(Guarded, LifecycleNode):  # type: ignore[misc]  # rclpy has no types
    """Receives images in the executor's thread. A :class:`.Worker` publishes the segmentations.

    The transition ``configure`` opens the pipeline and makes the publishers. ``activate`` starts
    the worker and subscribes to the images. ``deactivate`` unsubscribes and ends the worker.
    ``cleanup`` removes the publishers and closes the pipeline.
    """

    def __init__(self, name: str = 'trt_segmentation', **options: Any) -> None:
        super().__init__(name, **options)
        self.trouble = ''
        """Why the last transition ``configure`` or ``activate`` failed. Empty if it succeeded."""
        self.progress = ''
        """The newest line about the opening of an engine, also if it is reopened or exchanged.
        Empty after ``configure`` and ``cleanup``. Diagnostics show it if no pipeline exists."""
        self._prepare: Callable[[], None] = lambda: None  # see begin
        self.cameras: list[Camera] = []
        self.stats = Stats()
        self._camera_stats: dict[str, Stats] = {}  # by camera name; also kept after `cleanup`
        self.transport: Transport | None = None
        # After a failure, reopen the engine that failed. ``auto`` might choose a slower engine.
        self._supervisor = Supervisor(self._make_worker, lambda old: self._open_pipeline(
            old.card, old.identity.engine), self.get_logger())
        self._frame_log = FrameLog('', self.get_logger().warning)
        self.exchange = ModelExchange(
            self, self._supervisor, lambda model, engine, number: self._open_pipeline(
                load_card(model), engine, number))
        declare(self, SETTINGS, lambda: self.state != 'unconfigured',
                lambda name, value: refuse_change(self, name, value))
        self._forward_clock = ForwardClock(self.get_clock())
        forward_python_log(self.get_logger())
        self._warn = ThrottledLog(self.get_logger(), lambda: self.value('log_throttle'))
        self.monitor = Monitor(self, self._supervisor, self._forward_clock)
        self.create_timer(TICK_SECONDS, self._supervisor.tick, clock=self.monitor.steady)

    def value(self, name: str) -> Any:
        """Return the value of a parameter. ``cameras``, ``palette`` and ``roi`` are always lists.

        rclpy itself may return None for an empty list, and an ``array.array`` for ``roi``.
        """
        value = self.get_parameter(name).value
        return value if name not in ('cameras', 'palette', 'roi') else list(value or [])

    @property
    def state(self) -> str:
        """The lifecycle state's name, such as active."""
        return str(self._state_machine.current_state[1])

    @property
    def exit_code(self) -> int | None:
        """The exit code if the process must end now. None if the process may go on."""
        return GPU_LOST if self._supervisor.must_end_process else None

    def start(self) -> bool:
        """Configure and activate the node. Return False if a step failed. The log says why."""
        success = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == success
                    and self.trigger_activate() == success)

    def begin(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Call :meth:`start` if the parameter ``autostart`` is true.

        :param prepare: called at the beginning of each transition ``activate``.
        """
        self._prepare = prepare
        if self.value('autostart'):
            self.start()

    def stop(self) -> None:
        """Shut down the node from any state. A second call does nothing."""
        if self.state in ('unconfigured', 'inactive', 'active'):
            self.trigger_shutdown()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the model card, open the pipeline, and make the publishers.

        If a step fails, the log and diagnostics say why.
        """
        try:
            card = load_card(self.value('model'))
            pipeline = self._supervisor.pipeline = run_interruptibly(
                lambda: self._open_pipeline(card, self.value('engine')), self._attend)
            reference = self.exchange.reference = HealthReference(
                card, self.value('health_reference'), self.value('drift_frames'))
            check_values(self)
            check_image_transport(self.value('image_transport'))
            set_tracing(self.value('trace'))
            self.transport = choose_transport(self.value('transport'))
            self._frame_log = FrameLog(self.value('frame_log'), self.get_logger().warning)
            grounds = self._make_ground_outputs(names := self.value('cameras') or [''], card)
            for index, name in enumerate(names):
                stats = self._camera_stats.setdefault(name, Stats())
                self.cameras.append(Camera(
                    self, name, card, self.transport, stats=stats, node_stats=self.stats,
                    clock=self._forward_clock, warn=self._warn, reference=reference,
                    value=self.value, ground=grounds.get(name),
                    viewport=CameraViewport(name, index, len(names), self.value)))
        except Exception as error:  # rclpy would hide this error
            return self._report_failure('configure', describe_error(error))
        finally:
            self.progress = ''
        self.trouble = ''
        identity = pipeline.identity
        self.get_logger().info(
            f'configured: model {identity.model} on {identity.engine} {identity.version}, '
            f'{identity.precision}, {identity.device} ({identity.reason}), opened in '
            f'{identity.opened_s:.1f} s{"; " * bool(identity.tuning)}{identity.tuning}; transport '
            f'{self.transport}')
        if self.value('health') and (absence := reference.describe_absence()):
            self.get_logger().info(absence)
        if self.transport.name == 'typed' or pipeline.allocate is None:
            keep_freed_memory()  # because every frame needs new large arrays
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker, and subscribe to the images."""
        self._prepare()
        self._supervisor.start(self.cameras)  # before the first image can arrive
        try:
            for camera in self.cameras:
                camera.subscribe(self.value('image_transport'), self._supervisor.sink(camera))
        except Exception as error:  # for example an impossible qos_overrides value
            self._stop_worker_or_give_up()
            return self._report_failure('activate', describe_error(error))
        self.trouble = ''
        enabled = super().on_activate(state)
        for camera in self.cameras:
            camera.announce_classes()
            self.get_logger().info(f'active: {camera.topic} -> {camera.label_map}')
        return enabled

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop receiving images, and wait until the worker has published its frames.

        If the engine hangs, this returns FAILURE, and the process ends.
        """
        if not self._stop_worker_or_give_up():
            return TransitionCallbackReturn.FAILURE
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the pipeline and remove the topics."""
        self._close_all()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and end the worker. If the worker ends in time, close the pipeline."""
        ended = self._stop_worker(STOP_SECONDS)
        self.monitor.publish()
        if ended:  # otherwise the worker still uses the pipeline
            self._close_all()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close everything, so that the node can be configured again."""
        if self._stop_worker_or_give_up():
            self._close_all()
        return TransitionCallbackReturn.SUCCESS

    def _open_pipeline(self, card: ModelCard, engine: str, exchange: int = 0) -> Pipeline:
        """Open the pipeline that the parameters describe. This runs in a background thread."""
        cameras = len(self.value('cameras')) or 1
        return open_pipeline(card, engine, gpu=self.value('gpu'),
                             precision=self.value('precision'),
                             networks=self.value('networks'),
                             max_batch=min(self.value('max_batch') or 1, cameras),
                             log=self._report_progress,
                             settings=EngineSettings(
                                 self.value('engine_cache'), self.value('workspace_mib') << 20,
                                 self.value('optimization_level'), self.value('tune'),
                                 exchange, self._supervisor.wait_for_pause))

    def _make_ground_outputs(self, names: list[str], card: ModelCard) -> dict[str, GroundOutput]:
        if not self.value('ground'):
            return {}
        from .optics.ground_output import make_ground_outputs  # this needs nav_msgs and tf2_ros
        return make_ground_outputs(self, names, card, self.value, self._warn)

    def _make_worker(self, pipeline: Pipeline, **options: Any) -> Worker:
        return Worker(pipeline, len(self.cameras), LiveParameters(self.value, pipeline),
                      self._forward_clock, self._warn, self._frame_log, self._supervisor.health,
                      **options)

    def _report_progress(self, line: str) -> None:
        self.progress = line
        self.get_logger().info(line)

    def _stop_worker_or_give_up(self) -> bool:
        """Stop the worker. If the engine hangs, return False. The process then ends."""
        ended = self._stop_worker(FINISH_SECONDS, self._attend)
        if not ended and not STOP_REQUESTED.is_set():
            self._supervisor.give_up(FINISH_SECONDS)
        return ended

    def _attend(self) -> bool:
        """Answer requests and publish diagnostics. Return whether the process was told to end."""
        answer_requests(self, self.errors)
        self.monitor.publish_if_due()
        return STOP_REQUESTED.is_set()

    def _stop_worker(self, timeout: float, attend: Callable[[], bool] = lambda: False) -> bool:
        """Unsubscribe and end the worker. See :meth:`.Worker.stop`."""
        self.exchange.cancel('the node stops')
        for camera in self.cameras:
            camera.unsubscribe()
        was_active = self._supervisor.worker is not None
        ended = self._supervisor.stop(timeout, attend)
        for camera in self.cameras if was_active else ():
            name = f'camera {camera.name}: ' if camera.name else ''
            counts = camera.stats.snapshot(self._forward_clock.seconds())
            self.get_logger().info(name + summary(counts))
        return ended

    def _close_all(self) -> None:
        for camera in self.cameras:
            camera.close()
        self.cameras.clear()
        self._supervisor.close()
        self._frame_log.close()
        self.transport, self.progress, self.exchange.note = None, '', ''
        give_back_freed_memory()

    def _report_failure(self, transition: str, reason: str) -> TransitionCallbackReturn:
        self.trouble = f'cannot {transition}: {reason}'
        self.get_logger().error(
            f'{self.trouble}. Correct this, then run: ros2 lifecycle set '
            f'{self.get_fully_qualified_name()} {transition}. Or start the node again')
        if transition == 'configure':
            self._close_all()
        return TransitionCallbackReturn.FAILURE


def main(args: list[str] | None = None) -> int:
    """Run the node until the process must end. Return the exit code, see :func:`.run`."""
    # Each exchange of the model starts new threads. Without this call, the process would use more
    # and more memory for a long time.
    limit_arenas()
    return run(SegmentationNode, lambda node: node.begin(skip_present_objects), args,
               lambda node: node.exit_code)


if __name__ == '__main__':
    sys.exit(main())
