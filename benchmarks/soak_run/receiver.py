# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The subscriber: notes every label map, checks some of them, keeps the node's own counts."""

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
from trt_segmentation.ros.transport.qos import ANSWERS, NEWEST

EVERY = 50
"""One label map in so many is compared with the host pipeline's, pixel by pixel."""


@dataclass(frozen=True)
class Counts:
    """What the node counted since its start, at one moment."""

    frames_in: int = 0
    frames_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def in_flight(self) -> int:
        """Frames taken and neither answered nor dropped."""
        return self.frames_in - self.frames_out - sum(self.dropped.values())

    def since(self, before: Counts) -> Counts:
        """What came on top of an earlier moment's."""
        return Counts(self.frames_in - before.frames_in, self.frames_out - before.frames_out,
                      {reason: count - before.dropped.get(reason, 0)
                       for reason, count in self.dropped.items()})


class Receiver:
    """Subscribes to every camera's label map, to one overlay and to the diagnostics.

    :param names: cameras.
    :param answers: class ids expected, by camera and picture.
    """

    def __init__(self, node: Node, names: list[str],
                 answers: list[list[npt.NDArray[np.generic]]]) -> None:
        self.counts = Counts()
        self.reports = 0
        """Diagnostics that came."""
        self.identity: dict[str, str] = {}
        """What the node says of its engine and transport."""
        self.agreement: list[float] = []
        """Share of pixels as expected, of every label map compared."""
        self.foreign = 0
        """Label maps on a topic of another camera than their image's."""
        self._answers = answers
        self._records = array('q')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        transport = choose_transport()
        self._subscriptions = [transport.subscribe(
            node, f'{name}/segmentation/label_map', ANSWERS,
            ImageSink(partial(self._arrived, index, name))) for index, name in enumerate(names)]
        node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnosed, 10)
        self._subscriptions.append(transport.subscribe(
            node, f'{names[0]}/segmentation/overlay', NEWEST,
            ImageSink(lambda taken: taken.release())))

    def connected(self) -> bool:
        """Whether the node publishes all of it and has said what it is."""
        return 'engine' in self.identity and all(
            s.subscription.get_publisher_count() for s in self._subscriptions)

    def spin(self, seconds: float) -> None:
        """Take what comes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left, 0.1))

    def records(self) -> npt.NDArray[np.int64]:
        """(n, 4): camera, picture, stamp and time of arrival in ns, of every label map so far."""
        return np.array(self._records, np.int64).reshape(-1, 4)

    def close(self) -> None:
        """Stop taking."""
        for subscription in self._subscriptions:
            subscription.close()
        self._executor.shutdown()

    def _arrived(self, index: int, name: str, taken: TakenImage) -> None:
        now = time.time_ns()
        frame = taken.frame(name)
        camera, picture = frame.frame_id.split(':')
        self.foreign += camera != name
        if len(self._records) // 4 % EVERY == 0:
            expected = self._answers[index][int(picture)]
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
