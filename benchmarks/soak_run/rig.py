# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras, node and receiver at work together, and the highest rate they hold."""

from __future__ import annotations

import subprocess
import time

from rich.console import Console

from .cameras import Publishers
from .receiver import Counts, Receiver

START_SECONDS = 120.0
"""How long the node may take to open its engine."""
END_SECONDS = 20.0
HOLDS = 15.0
"""Seconds without a loss after which a rate is taken for one that holds."""
STEP = 5.0
"""Seconds at each rate until one is too much."""
OVERLOAD = 0.9
"""Share of images answered below which it is."""


class Rig:
    """Cameras, node and receiver, and what they do together."""

    def __init__(self, node: subprocess.Popen[bytes], publishers: Publishers,
                 receiver: Receiver) -> None:
        self.node = node
        self.publishers = publishers
        self.receiver = receiver

    def spin(self, seconds: float) -> None:
        """Receive for so long; end the benchmark where a process has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.receiver.spin(min(left, 1.0))
            if self.node.poll() is not None:
                raise SystemExit(f'the node ended with {self.node.returncode}')
            self.publishers.check()

    def connect(self) -> None:
        """Wait until the node answers to everything."""
        end = time.monotonic() + START_SECONDS
        while not self.receiver.connected():
            self.spin(0.2)
            if time.monotonic() > end:
                raise SystemExit(f'the node did not come up in {START_SECONDS:g} s')

    def rest(self) -> Counts:
        """Let the cameras stand still; the node's counts once it has nothing to do."""
        self.publishers.rate(0)
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
        """Run at a rate; images sent and answered."""
        before, published = self.rest(), len(self.publishers.published())
        self.publishers.rate(hz)
        self.spin(seconds)
        found = self.rest().since(before)
        return len(self.publishers.published()) - published, found.frames_out


def highest_rate(rig: Rig, cameras: int, say: Console) -> float:
    """Images a second and camera that are all answered for a quarter of a minute."""
    hz = 2.0
    rig.run(hz, STEP)  # the first images meet memory nobody has touched yet
    while True:
        hz *= 2
        # twice, as one hiccup of the machine is no overload
        sent, answered = max((rig.run(hz, STEP) for _ in range(2)), key=lambda found: found[1])
        if answered < OVERLOAD * sent:
            break
    most = answered / STEP / cameras
    say.print(f'{sent / STEP / cameras:.1f} Hz: {answered} of {sent} images answered, '
              f'{most:.1f} a second and camera')
    for percent in range(110, 25, -5):
        hz = round(most * percent / 100, 2)
        sent, answered = rig.run(hz, HOLDS)
        say.print(f'{hz:g} Hz: {answered} of {sent} images answered')
        if answered == sent:
            return hz
    raise SystemExit('no rate was found at which every image is answered')
