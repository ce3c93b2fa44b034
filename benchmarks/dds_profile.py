# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Counts how many 1080p images reach another process through Fast DDS.

Three settings are compared: the default, LARGE_DATA, and the profile of this package (``ours``).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import random
import subprocess
import sys
import time

import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from report import FigureReport, run
from sensor_msgs.msg import Image
from std_msgs.msg import Empty

WIDTH, HEIGHT, RATE = 1920, 1080, 20.0
BAR = 95
PROFILE = Path(__file__).resolve().parent.parent / 'config' / 'fastdds.xml'
SETTINGS = {
    'default': {},
    'LARGE_DATA': {'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'},
    'ours': {'FASTDDS_DEFAULT_PROFILES_FILE': str(PROFILE),
             'FASTRTPS_DEFAULT_PROFILES_FILE': str(PROFILE)},
}
ALL = sorted({name for setting in SETTINGS.values() for name in setting})


def measure(report: FigureReport, quick: bool) -> None:
    """Publish 100 images (30 if quick) with each setting, and add the percentage that arrived."""
    frames = 30 if quick else 100
    for setting, extra in SETTINGS.items():
        for reliability in ('reliable', 'best_effort'):
            arrived = between_processes(extra, reliability, frames)
            percent = 100.0 * arrived / frames
            report.add(f'{setting}, {reliability}: arrived', percent, f'% of {frames}',
                       *((f'>= {BAR}', percent >= BAR) if setting == 'ours' else ()))


def between_processes(extra: dict[str, str], reliability: str, frames: int) -> int:
    """Publish in one process, count in another, and return the number of arrived images."""
    environment = {name: value for name, value in os.environ.items() if name not in ALL}
    environment |= {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
                    'ROS_DOMAIN_ID': str(random.randint(1, 100)), **extra}
    peers = [subprocess.Popen([sys.executable, __file__, role, reliability, str(frames)],
                              env=environment, stdout=subprocess.PIPE, text=True)
             for role in ('--subscribe', '--publish')]
    try:
        outputs = [peer.communicate(timeout=60 + 2 * frames / RATE)[0] for peer in peers]
    finally:
        for peer in peers:
            peer.kill()
    if any(peer.returncode for peer in peers):
        raise RuntimeError(f'a process failed; exit codes: {[peer.returncode for peer in peers]}')
    return int(json.loads(outputs[0])['arrived'])


def publish(reliability: str, frames: int) -> None:
    """Wait for the subscriber, then publish images of noise at 20 Hz."""
    node = rclpy.create_node('publisher')
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability.upper()])
    publisher = node.create_publisher(Image, 'image', qos)
    end = node.create_publisher(Empty, 'end', 1)
    while not (publisher.get_subscription_count() and end.get_subscription_count()):
        time.sleep(0.05)
    time.sleep(0.5)  # The subscriber may not have matched yet.
    noise = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    message = Image(height=HEIGHT, width=WIDTH, encoding='bgr8', step=3 * WIDTH,
                    data=noise.tobytes())
    due = time.monotonic()
    for _ in range(frames):
        publisher.publish(message)
        due += 1 / RATE
        time.sleep(max(0.0, due - time.monotonic()))
    time.sleep(1.0)  # In this second a reliable publisher can send lost images again.
    end.publish(Empty())
    time.sleep(0.5)


def subscribe(reliability: str, frames: int) -> None:
    """Count images until the publisher sends the end message, and print the count as JSON."""
    node = rclpy.create_node('subscriber')
    arrived: list[int] = []
    ended: list[Empty] = []
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability.upper()])
    node.create_subscription(Image, 'image', lambda image: arrived.append(len(image.data)), qos)
    node.create_subscription(Empty, 'end', ended.append, 1)
    deadline = time.monotonic() + 30 + 2 * frames / RATE
    while not ended and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.1)
    if not ended:
        sys.exit('the publisher did not send the end message in time')
    if any(size != WIDTH * HEIGHT * 3 for size in arrived):
        sys.exit('an image arrived with too few bytes')
    print(json.dumps({'arrived': len(arrived)}))


if __name__ == '__main__':
    if sys.argv[1:] and sys.argv[1] in ('--publish', '--subscribe'):
        rclpy.init()
        {'--publish': publish, '--subscribe': subscribe}[sys.argv[1]](
            sys.argv[2], int(sys.argv[3]))
        rclpy.shutdown()
    else:
        run('1920x1080 bgr8 at 20 Hz between two processes', measure)
