# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The segmentation node: parameters, lifecycle, diagnostics; the frames are the worker's."""

from __future__ import annotations

import sys
import time
from traceback import format_exception
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos_overriding_options import QoSOverridingOptions

from ..engines import EngineError
from ..frame import Segmentation, Wanted
from ..model_card import load_card, ModelCardError
from ..pipeline import open_pipeline, Pipeline
from ..stats import Snapshot, Stats
from . import diagnostics, parameters
from .camera import Camera
from .clock import ForwardClock
from .frame_log import FrameLog
from .messages import Taken
from .process import run
from .publishers import Publishers
from .qos import ANSWERS
from .worker import Health, INTERNAL_ERROR, Worker

STOP_SECONDS = 1.5
"""How long shutting down waits for the frame at work."""


class SegmentationNode(LifecycleNode):  # type: ignore[misc]  # rclpy has no types
    """Takes images in the executor's thread and answers them in a worker's.

    configure opens the pipeline and makes the publishers, activate subscribes and starts the
    worker, deactivate stops both, cleanup closes the pipeline.
    """

    def __init__(self, name: str = 'trt_segmentation', **options: Any) -> None:
        super().__init__(name, **options)
        parameters.declare(self, parameters.SETTINGS, lambda: self.state != 'unconfigured')
        self._forward = ForwardClock(self.get_clock())
        self.stats = Stats()
        self._health = Health()
        self._trouble = ''
        self._pipeline: Pipeline | None = None
        self._outputs: Publishers | None = None
        self._camera: Camera | None = None
        self._worker: Worker | None = None
        self._frame_log = FrameLog('')
        self._last_image = 0.0
        self._dropped: dict[str, int] = {}
        self._warned: dict[str, float] = {}
        self._diagnostics = self.create_publisher(
            DiagnosticArray, '/diagnostics', ANSWERS,
            qos_overriding_options=QoSOverridingOptions.with_default_policies())
        # a steady clock: diagnostics go on while sim time stands
        self.create_timer(self.value('diagnostics_period'), self.publish_diagnostics,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))

    def value(self, name: str) -> Any:
        """The current value of a parameter."""
        return self.get_parameter(name).value

    @property
    def state(self) -> str:
        """The lifecycle state's name, such as active."""
        label: str = self._state_machine.current_state[1]
        return label

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
            self._pipeline = open_pipeline(card, self.value('engine'))
            self._frame_log = FrameLog(self.value('frame_log'))
            self._outputs = Publishers(self, card)
        except (ModelCardError, EngineError) as error:
            return self._failed('configure', str(error))
        except Exception as error:  # rclpy would swallow it without a word
            return self._failed('configure', f'{type(error).__name__}: {error}')
        self._trouble = ''
        it = self._pipeline.identity
        self.get_logger().info(
            f'configured: model {it.model} on {it.engine} {it.version}, {it.precision}, '
            f'{it.device} ({it.reason})')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        assert self._pipeline is not None and self._outputs is not None
        self._health = Health()
        self._last_image = time.monotonic()
        try:
            self._camera = Camera(self, self.value('image_transport'), self._take)
        except Exception as error:  # an impossible qos_overrides value, say
            return self._failed('activate', f'{type(error).__name__}: {error}')
        # no image can come before this returns: both are this thread's work
        self._worker = Worker(self._pipeline, self._wanted, self._publish, self.stats,
                              self._health, self._forward, self.warn, self._frame_log)
        self._trouble = ''
        enabled = super().on_activate(state)
        self._outputs.announce()
        self.get_logger().info(
            f'active: {self._camera.topic} -> {self.resolve_topic_name("~/label_map")}')
        return enabled

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop taking images; the frame at work is still published."""
        self._halt()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the pipeline and take the topics away."""
        self._free()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Whatever is left of deactivate and cleanup."""
        ended = self._halt(STOP_SECONDS)
        self.publish_diagnostics()
        if ended:  # else the pipeline is in use, and the process is about to end
            self._free()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, from where configure can try again."""
        self._halt()
        self._free()
        return TransitionCallbackReturn.SUCCESS

    def warn(self, kind: str, error: Exception) -> None:
        """Log an error, at most one of its kind every ``log_throttle`` seconds; any thread."""
        now = time.monotonic()
        if now - self._warned.get(kind, -1e9) < self.value('log_throttle'):
            return
        self._warned[kind] = now
        if kind == INTERNAL_ERROR:  # nobody foresaw it, so where it came from is the news
            self.get_logger().error(f'{kind}: {"".join(format_exception(error))}')
        else:
            self.get_logger().warning(f'{kind}: {error}')

    def publish_diagnostics(self) -> None:
        """Publish every task's status; called by the timer and a last time at the end."""
        snapshot = self.stats.snapshot(self._forward.seconds())
        topic = self._camera.topic if self._camera else ''
        report = diagnostics.Report(
            node=self.get_name(), state=self.state, trouble=self._trouble, topic=topic,
            publishers=self.count_publishers(topic) if topic else 0,
            silence=time.monotonic() - self._last_image, snapshot=snapshot,
            health=self._health, dropped_before=self._dropped,
            identity=self._pipeline.identity if self._pipeline else None,
            limits=diagnostics.Limits(*(self.value(name) for name in (
                'latency_warn_ms', 'latency_error_ms', 'age_warn_ms', 'age_error_ms',
                'stale_after'))))
        self._dropped = dict(snapshot.dropped)
        message = DiagnosticArray(status=diagnostics.tasks(report))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _take(self, taken: Taken) -> None:
        self._last_image = taken.arrived
        if self._worker:
            self._worker.offer(taken)

    def _wanted(self) -> Wanted:
        assert self._outputs is not None and self._pipeline is not None
        self._pipeline.alpha = self.value('alpha')
        return self._outputs.wanted(self.value('confidence'))

    def _publish(self, answer: Segmentation, taken: Taken) -> None:
        assert self._outputs is not None
        camera = self._camera
        self._outputs.publish(answer, taken.header, camera.info if camera else None)

    def _halt(self, timeout: float | None = None) -> bool:
        """Unsubscribe and end the worker; False where it is still at a frame by then."""
        if self._camera:
            self._camera.close()
        ended = self._worker is None or self._worker.stop(timeout)
        if self._worker:
            self.get_logger().info(_summary(self.stats.snapshot(self._forward.seconds())))
        self._camera = self._worker = None
        return ended

    def _free(self) -> None:
        if self._outputs:
            self._outputs.close()
        if self._pipeline:
            self._pipeline.close()
        self._frame_log.close()
        self._outputs = self._pipeline = None

    def _failed(self, transition: str, reason: str) -> TransitionCallbackReturn:
        self._trouble = f'cannot {transition}: {reason}'
        self.get_logger().error(
            f'{self._trouble}. Put it right, then: ros2 lifecycle set '
            f'{self.get_fully_qualified_name()} {transition}')
        if transition == 'configure':
            self._free()
        return TransitionCallbackReturn.FAILURE


def _summary(snapshot: Snapshot) -> str:
    """What went through since the start, in one line."""
    reasons = ', '.join(f'{count} {reason}' for reason, count in snapshot.dropped.items())
    return (f'{snapshot.frames_in} frames in, {snapshot.frames_out} out, '
            f'{snapshot.frames_dropped} dropped' + (f' ({reasons})' if reasons else ''))


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; the process's exit code."""
    return run(SegmentationNode, SegmentationNode.begin, args)


if __name__ == '__main__':
    sys.exit(main())
