# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Records the label maps of a soak test, compares some of them, and reads diagnostics."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import partial
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from image_sink import ImageSink
import numpy as np
import numpy.typing as npt
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from trt_segmentation.ros.transport.choose import choose_transport
from trt_segmentation.ros.transport.messages import TakenImage
from trt_segmentation.ros.transport.qos import NEWEST, RELIABLE

EVERY = 50
"""Of this many label maps, one is compared with the label map of the host pipeline."""


@dataclass(frozen=True)
class Counts:
    """Frames that the node has counted since its start."""

    frames_in: int = 0
    frames_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def in_flight(self) -> int:
        """Number of frames that the node took, but has neither segmented nor dropped."""
        return self.frames_in - self.frames_out - sum(self.dropped.values())

    def since(self, before: Counts) -> Counts:
        """Return these counts minus earlier counts."""
        return Counts(self.frames_in - before.frames_in, self.frames_out - before.frames_out,
                      {reason: count - before.dropped.get(reason, 0)
                       for reason, count in self.dropped.items()})


class Receiver:
    """Subscribes to every camera's label map, to one overlay and to the diagnostics.

    :param expected: expected class ids; the indices are the camera and its picture.
    """

    def __init__(self, node: Node, names: list[str],
                 expected: list[list[npt.NDArray[np.generic]]]) -> None:
        self.counts = Counts()
        self.reports = 0
        """Number of received diagnostics."""
        self.identity: dict[str, str] = {}
        """Engine and transport that the diagnostics report."""
        self.agreement: list[float] = []
        """Fraction of equal pixels of every compared label map."""
        self.foreign = 0
        """Number of label maps on the topic of another camera."""
        self._expected = expected
        self._records = array('q')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        transport = choose_transport()
        self._subscriptions = [transport.subscribe(
            node, f'{name}/segmentation/label_map', RELIABLE,
            ImageSink(partial(self._arrived, index, name))) for index, name in enumerate(names)]
        node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnosed, 10)
        self._subscriptions.append(transport.subscribe(
            node, f'{names[0]}/segmentation/overlay', NEWEST,
            ImageSink(lambda taken: taken.release())))

    def is_connected(self) -> bool:
        """Return whether the node publishes all topics and has sent diagnostics."""
        return 'engine' in self.identity and all(
            s.subscription.get_publisher_count() for s in self._subscriptions)

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left, 0.1))

    def records(self) -> npt.NDArray[np.int64]:
        """Return (n, 4): camera, picture, stamp and arrival in ns of every label map."""
        return np.array(self._records, np.int64).reshape(-1, 4)

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        self._executor.shutdown()

    def _arrived(self, index: int, name: str, taken: TakenImage) -> None:
        now = time.time_ns()
        frame = taken.frame(name)
        camera, picture = frame.frame_id.split(':')
        self.foreign += camera != name
        if len(self._records) // 4 % EVERY == 0:
            expected = self._expected[index][int(picture)]
            labels = frame.data[:frame.size].reshape(frame.height, frame.step)[:, :frame.width]
            self.agreement.append(float((labels == expected).mean())
                                  if labels.shape == expected.shape else 0.0)
        self._records.extend((index, int(picture), frame.stamp_ns, now))
        taken.release()

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values: dict[str, Any] = {pair.key: pair.value for pair in status.values}
            if status.name.endswith(': engine'):
                self.identity |= values
            elif status.name.endswith(': pipeline'):
                drops = {key.removeprefix('frames_dropped_').replace('_', ' '): int(value)
                         for key, value in values.items() if key.startswith('frames_dropped_')}
                self.counts = Counts(int(values['frames_in']), int(values['frames_out']), drops)
                self.identity |= {k: v for k, v in values.items() if k == 'transport'}
                self.reports += 1
