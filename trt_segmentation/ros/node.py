# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node: parameters and lifecycle; the frames are the worker's."""

from __future__ import annotations

from collections.abc import Callable
import sys
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from ..engines import Identity
from ..errors import EngineError, FrameLogError, Interrupted, ModelCardError, TransportError
from ..model.card import load_card, ModelCard
from ..pipeline import EngineSettings, open_pipeline, Pipeline
from ..serving.background import interruptible
from ..serving.frame_log import FrameLog
from ..serving.stopping import GPU_LOST, TOLD
from ..serving.supervisor import buffers, Supervisor, TICK_SECONDS
from ..serving.throttled_log import ThrottledLog
from ..serving.worker import Worker
from ..stats import Stats
from . import parameters
from .camera import Camera
from .diagnostics import summary
from .live_parameters import LiveParameters
from .model_parameters import MODEL_DEPENDENT, unfit
from .monitor import Monitor
from .process.clock import ForwardClock
from .process.guarded import Guarded
from .process.malloc import give_back_freed_memory, keep_freed_memory
from .process.python_log import forward_python_log
from .process.requests import answer_requests
from .process.run import run
from .transport.choose import choose_transport, Transport

FINISH_SECONDS = 30.0
"""How long the frames at work may take when the node is deactivated; longer, the engine hangs."""

STOP_SECONDS = 1.5
"""How long shutting down waits for the frames at work."""


class SegmentationNode(Guarded, LifecycleNode):  # type: ignore[misc]  # rclpy has no types
    """Takes images in the executor's thread and answers them in a worker's.

    configure opens the pipeline and makes the publishers, activate subscribes and starts the
    worker, deactivate stops both, cleanup closes the pipeline.
    """

    def __init__(self, name: str = 'trt_segmentation', **options: Any) -> None:
        super().__init__(name, **options)
        self.trouble = ''  # why the last configure or activate failed
        self.progress = ''  # what configure is at
        self.cameras: list[Camera] = []
        self.stats = Stats()
        self._camera_stats: dict[str, Stats] = {}  # outlive cleanup, as the node's own do
        self.transport: Transport | None = None
        # again: with the engine it had; auto might take another one, which is far slower
        self._supervisor = Supervisor(self._make_worker, lambda old: self._open(
            old.card, old.identity.engine), self.get_logger())
        self._frame_log = FrameLog('', self.get_logger().warning)
        parameters.declare(self, parameters.SETTINGS, lambda: self.state != 'unconfigured',
                           self._refuse)
        self._forward = ForwardClock(self.get_clock())
        forward_python_log(self.get_logger())
        self._warn = ThrottledLog(self.get_logger(), lambda: self.value('log_throttle'))
        self.monitor = Monitor(self, self, self.value, self.stats, self._forward)
        self.create_timer(TICK_SECONDS, self._supervisor.tick, clock=self.monitor.steady)

    def value(self, name: str) -> Any:
        """The current value of a parameter; a list where it has several."""
        value = self.get_parameter(name).value
        return value if name not in ('cameras', 'palette') else list(value or [])

    @property
    def state(self) -> str:
        """The lifecycle state's name, such as active."""
        label: str = self._state_machine.current_state[1]
        return label

    @property
    def identity(self) -> Identity | None:
        """What answers; None where unconfigured."""
        return self._pipeline.identity if self._pipeline else None

    @property
    def engine_error(self) -> str:
        """Why the newest batch got no answer; '' where it did."""
        return self._supervisor.engine_error

    @property
    def exit_code(self) -> int | None:
        """What the process has to end with now; None where it may go on."""
        return GPU_LOST if self._supervisor.lost else None

    @property
    def _pipeline(self) -> Pipeline | None:
        return self._supervisor.pipeline

    def start(self) -> bool:
        """Configure and activate; False where either failed, and the log says why."""
        success = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == success
                    and self.trigger_activate() == success)

    def begin(self) -> None:
        """Start where the parameter ``autostart`` asks for it."""
        if self.value('autostart'):
            self.start()

    def stop(self) -> None:
        """Go to finalized from whatever state; does nothing the second time."""
        if self.state in ('unconfigured', 'inactive', 'active'):
            self.trigger_shutdown()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the model card and the pipeline; FAILURE with the reason in log and diagnostics."""
        try:
            card = load_card(self.value('model'))
            pipeline = self._supervisor.pipeline = interruptible(
                lambda: self._open(card, self.value('engine')), self.monitor.publish,
                self.value('diagnostics_period'), lambda: answer_requests(self, self.errors))
            for parameter in MODEL_DEPENDENT:
                if reason := self._refuse(parameter, self.value(parameter)):
                    raise EngineError(f'{parameter}: {reason}')
            self.transport = choose_transport(self.value('transport'))
            self._frame_log = FrameLog(self.value('frame_log'), self.get_logger().warning)
            for name in self.value('cameras') or ['']:
                stats = self._camera_stats.setdefault(name, Stats())
                self.cameras.append(
                    Camera(self, name, card, self.transport, (stats, self.stats)))
        except (ModelCardError, EngineError, TransportError, FrameLogError,
                Interrupted) as error:
            return self._failed('configure', str(error))
        except Exception as error:  # rclpy would swallow it without a word
            return self._failed('configure', f'{type(error).__name__}: {error}')
        finally:
            self.progress = ''
        self.trouble = ''
        it = pipeline.identity
        self.get_logger().info(
            f'configured: model {it.model} on {it.engine} {it.version}, {it.precision}, '
            f'{it.device} ({it.reason}); transport {self.transport}')
        if self.transport.name == 'typed' or pipeline.allocate is None:
            keep_freed_memory()  # both make large arrays for every frame
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        assert self._pipeline is not None
        takes = self._supervisor
        takes.start(self.cameras)  # before the subscriptions: an image that comes finds it
        try:
            for camera in self.cameras:
                camera.subscribe(self.value('image_transport'), takes.offer, takes.not_taken,
                                 buffers(self._pipeline), takes.allocate,
                                 self._forward.seconds, self._warn)
        except Exception as error:  # an impossible qos_overrides value, say
            self._finish()
            return self._failed('activate', f'{type(error).__name__}: {error}')
        self.trouble = ''
        enabled = super().on_activate(state)
        for camera in self.cameras:
            camera.announce()
            self.get_logger().info(f'active: {camera.topic} -> {camera.label_map}')
        return enabled

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop taking images; the frames at work are still published.

        FAILURE where the engine does not finish them: the process ends then.
        """
        if not self._finish():
            return TransitionCallbackReturn.FAILURE
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the pipeline and take the topics away."""
        self._free()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Whatever is left of deactivate and cleanup."""
        ended = self._halt(STOP_SECONDS)
        self.monitor.publish()
        if ended:  # else the pipeline is in use, and the process is about to end
            self._free()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, from where configure can try again."""
        if self._finish():
            self._free()
        return TransitionCallbackReturn.SUCCESS

    def _open(self, card: ModelCard, engine: str) -> Pipeline:
        """Open the pipeline the parameters ask for; in a thread of its own."""
        cameras = len(self.value('cameras')) or 1
        return open_pipeline(card, engine, gpu=self.value('gpu'),
                             precision=self.value('precision'),
                             networks=self.value('networks'),
                             max_batch=min(self.value('max_batch') or 1, cameras),
                             log=self._say,
                             settings=EngineSettings(
                                 self.value('engine_cache'), self.value('workspace_mib') << 20,
                                 self.value('optimization_level')))

    def _make_worker(self, pipeline: Pipeline) -> Worker:
        live = LiveParameters(self.value, pipeline)
        return Worker(pipeline, len(self.cameras), live.batching, live.wanted, self._forward,
                      self._warn, self._frame_log, self._supervisor.backoff)

    def _say(self, line: str) -> None:
        self.progress = line
        self.get_logger().info(line)

    def _refuse(self, name: str, value: Any) -> str:
        return unfit(name, value, self._pipeline) if self._pipeline else ''

    def _finish(self) -> bool:
        """As :meth:`_halt`; an engine that hangs is the end of the process."""
        ended = self._halt(FINISH_SECONDS, TOLD.is_set)
        if not ended and not TOLD.is_set():
            self._supervisor.hung(FINISH_SECONDS)
        return ended

    def _halt(self, timeout: float, hurry: Callable[[], bool] = lambda: False) -> bool:
        """Unsubscribe and end the worker; False where it is still at a frame by then."""
        for camera in self.cameras:
            camera.unsubscribe()
        working = self._supervisor.worker is not None
        ended = self._supervisor.stop(timeout, hurry)
        for camera in self.cameras if working else ():
            name = f'camera {camera.name}: ' if camera.name else ''
            self.get_logger().info(name + summary(camera.stats.snapshot(self._forward.seconds())))
        return ended

    def _free(self) -> None:
        for camera in self.cameras:
            camera.close()
        self.cameras.clear()
        self._supervisor.close()
        self._frame_log.close()
        self.transport, self.progress = None, ''
        give_back_freed_memory()

    def _failed(self, transition: str, reason: str) -> TransitionCallbackReturn:
        self.trouble = f'cannot {transition}: {reason}'
        self.get_logger().error(
            f'{self.trouble}. Put it right, then: ros2 lifecycle set '
            f'{self.get_fully_qualified_name()} {transition}')
        if transition == 'configure':
            self._free()
        return TransitionCallbackReturn.FAILURE


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; the process's exit code."""
    return run(SegmentationNode, SegmentationNode.begin, args, lambda node: node.exit_code)


if __name__ == '__main__':
    sys.exit(main())
