# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A segmentation node on the real rclpy with a fake pipeline, and small images."""

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
from trt_segmentation.trust.tally import tally_size

TIMEOUT = 30.0
"""Seconds. The waits of a passing test are far shorter."""

NODE = '/trt_segmentation'


def camera_image(sec: int = 1, height: int = 6, width: int = 8, encoding: str = 'bgr8',
                 step: int = 27, size: int | None = None) -> Image:
    """Make an image of noise. Each row has ``step`` bytes with its padding."""
    noise = np.random.default_rng(sec).integers(0, 250, size if size is not None
                                                else height * step, np.uint8)
    message = Image(height=height, width=width, encoding=encoding, step=step,
                    data=array('B', noise.tobytes()))
    message.header.stamp.sec, message.header.stamp.nanosec = sec, 999999999
    message.header.frame_id = f'camera {sec}'
    return message


class FakePipeline:
    """A pipeline whose labels are the first channel of the frame.

    collect() waits until ``gate`` is set. The next calls of collect() raise the ``errors``.
    submit() refuses a batch with an ``nv24`` frame.
    """

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.alpha = -1.0
        self.palette = card.palette
        self.depth = 1
        self.batch = 8
        self.lends_memory = False
        self.gives_confidence = True
        self.allocate = None
        self.identity = Identity(card.name, 'onnxruntime-cpu', '1.2', 'fp32', 'a fake', 'test')
        self.gate = threading.Event()
        self.gate.set()
        self.errors: list[Exception] = []
        self.wanted: list[Wanted] = []
        self.batches: list[list[Frame]] = []
        self.closed = 0
        self.tally = np.zeros(tally_size(len(card.classes)), np.uint32)
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
        return [self._segment(frame, wanted) for frame in frames]

    def _segment(self, frame: Frame, wanted: Wanted) -> Segmentation:
        rows = np.lib.stride_tricks.as_strided(
            frame.data, (frame.height, frame.row_bytes), (frame.step, 1))
        labels = rows[:, ::frame.row_bytes // frame.width].astype(self.card.label_dtype)
        size = labels.shape
        return Segmentation(
            frame, labels,
            np.full((*size, 3), 7, np.uint8) if wanted.overlay else None,
            np.full(size, 200, np.uint8) if wanted.confidence else None,
            {'preprocess': 1.0, 'inference': 2.0, 'postprocess': 3.0},
            tally=self.tally if wanted.tally else None)

    def close(self) -> None:
        self.closed += 1


class Rig:
    """The node under test, and a peer node. The thread of the test spins both."""

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

    def until(self, what: Callable[..., Any], seconds: float = TIMEOUT) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, 'the condition did not become true'
            self._executor.spin_once(timeout_sec=0.02)
        return found

    def hear(self, kind: Any, topic: str, qos: Any = 10) -> list[Any]:
        """Return a list. Each later message of this topic of the node is added to it."""
        heard: list[Any] = []
        self.peer.create_subscription(kind, topic, heard.append, qos)
        (publisher,) = (p for p in self.node.publishers if p.topic_name == topic)
        self.until(publisher.get_subscription_count)
        return heard

    def log(self) -> list[Log]:
        """Return a list. Each earlier and later log line of the node is added to it."""
        lines: list[Log] = []
        kept = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.peer.create_subscription(Log, '/rosout', lines.append, kept)
        return lines

    def speaker(self, kind: Any, topic: str = 'image') -> Any:
        """Make a publisher and wait until the subscription of the node is connected to it."""
        publisher = self.peer.create_publisher(kind, topic, 10)
        self.until(publisher.get_subscription_count)
        return publisher

    def wanted(self) -> Wanted:
        """Return the outputs that the node wants for a frame of its first camera."""
        worker = self.node._supervisor.worker
        assert worker
        return worker._settings.schedule_outputs(self.node.cameras[0])

    def snapshot(self, camera: str | None = None) -> Any:
        """Return the counts of the node or of one camera. Check that they add up."""
        stats = self.node.stats if camera is None else self.node._camera_stats[camera]
        found = stats.snapshot(self.node._forward_clock.seconds())
        assert found.frames_in == found.frames_out + found.frames_dropped + found.in_flight
        assert found.in_flight >= 0
        return found

    def close(self) -> None:
        """Stop and destroy both nodes. A second call does nothing."""
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
    """Yield a function that starts a rig's node. Close all rigs at the end of the block."""
    rigs: list[Rig] = []

    def keep(rig: Rig, start: bool) -> Rig:
        rigs.append(rig)
        if start:
            assert rig.node.start()
        return rig

    yield keep
    for rig in rigs:
        rig.close()
    # Only the garbage collector destroys the services of a lifecycle node. It must run before
    # the next test makes a node with the same name.
    gc.collect()
