# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Camera processes. They read a rate from stdin, and publish pictures at this rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, ExitStack
import json
import os
from pathlib import Path
import select
import signal
import subprocess
import sys
import time
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
import numpy.typing as npt
import rclpy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from trt_segmentation.commands.demo.node_process import running
from trt_segmentation.memory import PageMemory
from trt_segmentation.ros.transport.cdr import HEAD_ROOM
from trt_segmentation.ros.transport.choose import choose_transport
from trt_segmentation.ros.transport.qos import RELIABLE

CAMERAS_A_PROCESS = 2
"""Cameras in a process. Two 1080p cameras at 30 Hz send 0.4 GB/s, which a process can copy."""


class CameraProcesses:
    """Controls the camera processes.

    :param logs: maps the first camera of each process to the file with the record of its images.
    """

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]], logs: dict[int, Path]
                 ) -> None:
        self._processes, self._logs = processes, logs

    def set_rate(self, hz: float) -> None:
        """Let each camera publish ``hz`` images per second; 0 pauses the cameras."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f'{hz}\n'.encode())
            process.stdin.flush()

    def published(self) -> npt.NDArray[np.int64]:
        """Return (n, 3): camera, picture, stamp in ns of every image. Pause the cameras first."""
        records = []
        for first, log in self._logs.items():
            found = np.fromfile(log, np.int64).reshape(-1, 3)
            records.append(found + (first, 0, 0))
        return np.concatenate(records)

    def check_alive(self) -> None:
        """Exit if a camera process has ended."""
        for process in self._processes:
            if process.poll() is not None:
                raise SystemExit(f'a camera process ended with exit code {process.returncode}')


@contextmanager
def camera_processes(script: Path, folder: Path, names: list[str], pictures: list[list[Path]]
                     ) -> Iterator[CameraProcesses]:
    """Run the cameras inside the block. They are paused until :meth:`~CameraProcesses.set_rate`.

    :param script: the script that calls :func:`publish` for ``--publish SPEC``.
    :param pictures: .npy files of each camera, (height, width, 3) uint8 BGR.
    """
    processes, logs = [], {}
    with ExitStack() as stack:
        for first in range(0, len(names), CAMERAS_A_PROCESS):
            part = slice(first, first + CAMERAS_A_PROCESS)
            spec = folder / f'cameras{first}.json'
            logs[first] = folder / f'cameras{first}.published'
            spec.write_text(json.dumps({
                'log': str(logs[first]), 'names': names[part],
                'pictures': [[str(path) for path in paths] for paths in pictures[part]],
                'phases': [(first + i) / len(names) for i in range(len(names[part]))],
            }), encoding='utf-8')
            processes.append(stack.enter_context(running(
                [sys.executable, str(script), '--publish', str(spec)], stdin=subprocess.PIPE)))
        yield CameraProcesses(processes, logs)


def publish(spec_file: Path) -> None:
    """Publish until stdin ends or SIGINT comes. A camera process runs this.

    A camera publishes its pictures in turn. The stamp is the time of sending, and the frame_id is
    ``camera:picture``. The log has three int64 for each image: camera, picture, stamp in ns.
    """
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.append(1))
    spec = json.loads(spec_file.read_text(encoding='utf-8'))
    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = rclpy.create_node(f'cameras_{spec["names"][0]}')
    cameras = [_Camera(node, name, index, [Path(p) for p in spec['pictures'][index]])
               for index, name in enumerate(spec['names'])]
    with open(spec['log'], 'wb') as log:
        for camera in _turns(spec['phases'], told):
            cameras[camera].send().tofile(log) if camera is not None else log.flush()
    node.destroy_node()  # Otherwise its shared memory stays in /dev/shm.
    rclpy.shutdown()


def _turns(phases: list[float], told: list[int]) -> Iterator[int | None]:
    """Yield the index of a camera when it has to publish. Yield None when the rate changes."""
    due, period = [0.0] * len(phases), 0.0
    while not told:
        turn = min(range(len(due)), key=due.__getitem__)
        wait = min(0.2, max(0.0, due[turn] - time.monotonic())) if period else 0.2
        if select.select([0], [], [], wait)[0]:
            if not (text := os.read(0, 4096)):
                break
            rate = float(text.split()[-1])
            period = 1.0 / rate if rate else 0.0
            due = [time.monotonic() + phase * period for phase in phases]
            yield None
        elif period and due[turn] <= time.monotonic():
            yield turn
            # A late camera skips images, so that it never sends many at once.
            due[turn] = max(due[turn] + period, time.monotonic())
    yield None


class _Camera:
    """Publishes its pictures in turn without copying them."""

    def __init__(self, node: Any, name: str, index: int, pictures: list[Path]) -> None:
        self._name, self._index, self._sent = name, index, 0
        self._images = choose_transport().publisher(
            node.create_publisher(Image, f'{name}/image', RELIABLE))
        self._pictures = []
        for path in pictures:
            picture = np.load(path, allow_pickle=False)
            memory = PageMemory(HEAD_ROOM + picture.nbytes)
            pixels = memory.view[HEAD_ROOM:].reshape(picture.shape)
            pixels[:] = picture
            self._pictures.append((pixels, memory))

    def send(self) -> npt.NDArray[np.int64]:
        """Publish the next image and return its record for the log."""
        picture = self._sent % len(self._pictures)
        pixels, memory = self._pictures[picture]
        now = time.time_ns()
        sec, nanosec = divmod(now, 10**9)
        self._images.publish(Header(stamp=Time(sec=sec, nanosec=nanosec),
                                    frame_id=f'{self._name}:{picture}'), 'bgr8', pixels, memory)
        self._sent += 1
        return np.array([self._index, picture, now], np.int64)
