# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A segmentation node on real rclpy, a pipeline the test holds in its hand, and small images."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import gc
from queue import SimpleQueue
import threading
import time
from typing import Any

import numpy as np
from rcl_interfaces.msg import Log
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image

from trt_segmentation.engines import Identity
from trt_segmentation.errors import FrameError
from trt_segmentation.frame import Frame, Segmentation, Wanted
from trt_segmentation.model.card import ModelCard
from trt_segmentation.ros.node import SegmentationNode

TIMEOUT = 30.0
"""Seconds, far above what anything here takes; a test that needs them has failed."""

NODE = '/trt_segmentation'


def camera_image(sec: int = 1, height: int = 6, width: int = 8, encoding: str = 'bgr8',
                 step: int = 27, size: int | None = None) -> Image:
    """An image of small noise, rows padded to ``step``."""
    noise = np.random.default_rng(sec).integers(0, 250, size if size is not None
                                                else height * step, np.uint8)
    message = Image(height=height, width=width, encoding=encoding, step=step,
                    data=array('B', noise.tobytes()))
    message.header.stamp.sec, message.header.stamp.nanosec = sec, 999999999
    message.header.frame_id = f'camera {sec}'
    return message


class FakePipeline:
    """Answers with the first channel as labels; waits for ``gate`` and raises what it is told.

    A batch with an ``nv24`` frame is refused as a whole, as by a pipeline that cannot decode it.
    """

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.alpha = -1.0
        self.palette = card.palette
        self.depth = 1
        self.batch = 8
        self.gives_confidence = True
        self.allocate = None
        self.identity = Identity(card.name, 'onnxruntime-cpu', '1.2', 'fp32', 'a fake', 'test')
        self.gate = threading.Event()
        self.gate.set()
        self.errors: list[Exception] = []
        self.wanted: list[Wanted] = []
        self.batches: list[list[Frame]] = []
        self.closed = 0
        self._waiting: SimpleQueue[tuple[list[Frame], Wanted]] = SimpleQueue()

    def submit(self, frames: list[Frame], wanted: Wanted = Wanted()) -> None:
        for frame in frames:
            if frame.encoding == 'nv24':
                raise FrameError('nv24 cannot be decoded here')
        self.wanted.append(wanted)
        self.batches.append(list(frames))
        self._waiting.put((list(frames), wanted))

    def collect(self) -> list[Segmentation]:
        frames, wanted = self._waiting.get()
        assert self.gate.wait(TIMEOUT)
        if self.errors:
            raise self.errors.pop(0)
        return [self._answer(frame, wanted) for frame in frames]

    def _answer(self, frame: Frame, wanted: Wanted) -> Segmentation:
        rows = np.lib.stride_tricks.as_strided(
            frame.data, (frame.height, frame.row_bytes), (frame.step, 1))
        labels = rows[:, ::frame.row_bytes // frame.width].astype(self.card.label_dtype)
        size = labels.shape
        return Segmentation(
            frame, labels,
            np.full((*size, 3), 7, np.uint8) if wanted.overlay else None,
            np.full(size, 200, np.uint8) if wanted.confidence else None,
            {'preprocess': 1.0, 'inference': 2.0, 'postprocess': 3.0})

    def close(self) -> None:
        self.closed += 1


class Rig:
    """The node and, beside it, a node of the test's own; both spun in the test's thread."""

    def __init__(self, context: Any, pipelines: list[FakePipeline], **options: Any) -> None:
        self.pipelines = pipelines
        self.node = SegmentationNode(context=context, **options)
        self.peer = Node('peer', context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._executor.add_node(self.peer)

    @property
    def pipeline(self) -> FakePipeline:
        return self.pipelines[-1]

    def until(self, what: Callable[[], Any], seconds: float = TIMEOUT) -> Any:
        """Spin until it is so; returns what was found."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, 'it did not happen'
            self._executor.spin_once(timeout_sec=0.02)
        return found

    def hear(self, kind: Any, topic: str, qos: Any = 10) -> list[Any]:
        """Everything the node publishes on a topic from now on."""
        heard: list[Any] = []
        self.peer.create_subscription(kind, topic, heard.append, qos)
        (publisher,) = (p for p in self.node.publishers if p.topic_name == topic)
        self.until(publisher.get_subscription_count)
        return heard

    def log(self) -> list[Log]:
        """What the node logs, lines from before included."""
        lines: list[Log] = []
        kept = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.peer.create_subscription(Log, '/rosout', lines.append, kept)
        return lines

    def speaker(self, kind: Any, topic: str = 'image') -> Any:
        """A publisher the node has matched."""
        publisher = self.peer.create_publisher(kind, topic, 10)
        self.until(publisher.get_subscription_count)
        return publisher

    def wanted(self) -> Wanted:
        """What the node would have computed for a frame of its first camera."""
        return self.node._supervisor.worker._settings.schedule_outputs(self.node.cameras[0])

    def snapshot(self, camera: str | None = None) -> Any:
        """Counts of the node, or of one of its cameras."""
        stats = self.node.stats if camera is None else self.node._camera_stats[camera]
        found = stats.snapshot(self.node._forward_clock.seconds())
        assert found.frames_in == found.frames_out + found.frames_dropped + found.in_flight
        assert found.in_flight >= 0
        return found

    def close(self) -> None:
        """End both nodes; a second call does nothing."""
        if not hasattr(self, 'node'):
            return
        for pipeline in self.pipelines:
            pipeline.gate.set()
        self.node.stop()
        self._executor.shutdown()
        self.node.destroy_node()
        self.peer.destroy_node()
        del self.node, self.peer, self._executor


@contextmanager
def kept_rigs() -> Iterator[Callable[[Rig, bool], Rig]]:
    """What starts a rig's node, unless told not to, and closes the rig at the block's end."""
    rigs: list[Rig] = []

    def keep(rig: Rig, start: bool) -> Rig:
        rigs.append(rig)
        if start:
            assert rig.node.start()
        return rig

    yield keep
    for rig in rigs:
        rig.close()
    # rclpy leaves a lifecycle node's services to the garbage collector, those of one that was
    # refused a parameter too, and the next test's node has the same name
    gc.collect()
