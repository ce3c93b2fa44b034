# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs cameras, node and receiver together, and searches for the highest rate."""

from __future__ import annotations

import subprocess
import time

from rich.console import Console

from .cameras import CameraProcesses
from .receiver import Counts, Receiver

START_SECONDS = 120.0
"""The node must open its engine within this time."""
END_SECONDS = 20.0
"""The node must end, or become idle, within this time."""
HOLDS = 15.0
"""If no image is lost in this many seconds, a rate is accepted."""
STEP = 5.0
"""Seconds at each rate while the search doubles the rate."""
OVERLOAD = 0.9
"""If a smaller fraction of the images gets label maps, the rate is too high."""


class Rig:
    """Runs cameras, node and receiver together."""

    def __init__(self, node: subprocess.Popen[bytes], cameras: CameraProcesses,
                 receiver: Receiver) -> None:
        self.node, self.cameras, self.receiver = node, cameras, receiver

    def spin(self, seconds: float) -> None:
        """Receive messages for some seconds; exit if a process has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.receiver.spin(min(left, 1.0))
            if self.node.poll() is not None:
                raise SystemExit(f'the node ended with exit code {self.node.returncode}')
            self.cameras.check_alive()

    def connect(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not self.receiver.is_connected():
            self.spin(0.2)
            if time.monotonic() > end:
                raise SystemExit(f'the node did not start within {START_SECONDS:g} s')

    def pause(self) -> Counts:
        """Pause the cameras, wait until the node is idle, and return its counts."""
        self.cameras.set_rate(0)
        self.spin(1.0)
        end = time.monotonic() + END_SECONDS
        while time.monotonic() < end:
            before, reports = self.receiver.counts, self.receiver.reports
            while self.receiver.reports == reports and time.monotonic() < end:
                self.spin(0.1)
            if self.receiver.counts == before and not before.in_flight:
                break
        return self.receiver.counts

    def run(self, hz: float, seconds: float) -> tuple[int, int]:
        """Run at a rate. Return the number of sent images and the number of segmented images."""
        before, published = self.pause(), len(self.cameras.published())
        self.cameras.set_rate(hz)
        self.spin(seconds)
        found = self.pause().since(before)
        return len(self.cameras.published()) - published, found.frames_out


def highest_rate(rig: Rig, cameras: int, say: Console) -> float:
    """Find the highest rate, in images per second and camera, at which no image is lost."""
    hz = 2.0
    rig.run(hz, STEP)  # In this run the node uses its memory for the first time.
    while True:
        hz *= 2
        # Each rate runs twice, because a short pause of the machine is no overload.
        sent, answered = max((rig.run(hz, STEP) for _ in range(2)), key=lambda found: found[1])
        if answered < OVERLOAD * sent:
            break
    most = answered / STEP / cameras
    say.print(f'{sent / STEP / cameras:.1f} Hz: {answered} of {sent} images segmented, '
              f'{most:.1f} a second and camera')
    for percent in range(110, 25, -5):
        hz = round(most * percent / 100, 2)
        sent, answered = rig.run(hz, HOLDS)
        say.print(f'{hz:g} Hz: {answered} of {sent} images segmented')
        if answered == sent:
            return hz
    raise SystemExit('the node lost images at every rate; run the soak test on an idle machine')
