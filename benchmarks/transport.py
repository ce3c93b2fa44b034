# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how long an image takes from publisher to receiver, with direct and typed transport.

Each case runs in new processes. Each round runs every case once, so that other work of the
machine affects all cases alike. The time starts when the pixels are in an array of the publisher,
and stops when they are in an array of the receiver. Only one image is on its way, so no image
waits in a queue. In the case "one process", the publisher has its own thread, as in the node.

With typed messages, much time goes to the Linux kernel, which clears new memory for each message.
In the case "one thread", publisher and executor share a thread. Then glibc reuses memory in some
runs only. So no ratio is required here. With mallopt, glibc always reuses the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
import json
import statistics
import subprocess
import sys
import time
from typing import Any

from builtin_interfaces.msg import Time
from image_sink import ImageSink
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from trt_segmentation.commands.demo.node_process import keep_to_this_machine
from trt_segmentation.memory import keep_freed_memory, PageMemory
from trt_segmentation.ros.transport.cdr import HEAD_ROOM
from trt_segmentation.ros.transport.choose import choose_transport
from trt_segmentation.ros.transport.messages import image_message
from trt_segmentation.ros.transport.qos import NEWEST

PUBLISHERS = {'thread': 'one process', 'process': 'two processes', 'same': 'one thread'}
SIZES = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
HD = (1920, 1080)
BAR = 3.0
WARM_UP = 8
PAUSE = 0.01
"""Seconds between two images, so that the machine is idle when an image is sent."""
LOST_AFTER = 2.0
"""Seconds after which an image counts as lost."""


@dataclass(frozen=True)
class Case:
    """One case of the benchmark.

    :param publisher: the place of the publisher, a key of :data:`PUBLISHERS`.
    :param mallopt: whether malloc keeps freed memory in each process.
    :param ready: whether the publisher makes one typed message and sends it again and again, so
        that the time to make a message is not measured.
    """

    width: int
    height: int
    transport: str
    publisher: str = 'thread'
    mallopt: bool = False
    ready: bool = False
    messages: int = 50


def sender(case: Case, node: Any) -> tuple[Any, Callable[[int], None]]:
    """Make the publisher of a case, and a function that publishes image ``number``."""
    publisher = node.create_publisher(Image, 'image', QoSProfile(depth=5))
    images = choose_transport(case.transport).publisher(publisher)
    memory = PageMemory(HEAD_ROOM + case.width * case.height * 3)
    pixels = memory.view[HEAD_ROOM:].reshape(case.height, case.width, 3)
    pixels[...] = np.arange(case.width, dtype=np.uint8)[:, None]
    message = image_message(Header(), 'bgr8', pixels)

    def send(number: int) -> None:
        pixels[0, 0, 0] = message.data[0] = number % 256
        sec, nanosec = divmod(time.monotonic_ns(), 1_000_000_000)
        header = Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id='camera')
        if case.ready:
            message.header = header
            publisher.publish(message)
        else:
            images.publish(header, 'bgr8', pixels, memory)

    return publisher, send


def publish(case: Case) -> None:
    """Publish one image for every line of standard input. The publisher process runs this."""
    rclpy.init()
    node = rclpy.create_node('benchmark_publisher')
    publisher, send = sender(case, node)
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    print('matched', flush=True)
    for line in sys.stdin:
        send(int(line))
    node.destroy_node()  # Otherwise its 64 MB of shared memory stay in /dev/shm.
    rclpy.shutdown()


def receive(case: Case) -> dict[str, Any]:
    """Measure a case. The receiver process runs this, and may contain the publisher too."""
    rclpy.init()
    node = rclpy.create_node('benchmark')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    got: dict[int, float] = {}

    def take(taken: Any) -> None:
        frame = taken.frame()
        now = time.monotonic_ns()
        if frame.data.nbytes != case.width * case.height * 3:
            raise ValueError(f'received an image of {frame.data.nbytes} bytes, expected '
                             f'{case.width * case.height * 3}')
        got[int(frame.data[0])] = (now - frame.stamp_ns) / 1e6
        taken.release()

    transport = choose_transport(case.transport)
    subscription = transport.subscribe(node, 'image', NEWEST, ImageSink(take))
    with publishing(case, node, executor) as send:
        latencies = [ping(number, send, executor, got)
                     for number in range(WARM_UP + case.messages)]
    subscription.close()
    node.destroy_node()
    rclpy.shutdown()
    arrived = [latency for latency in latencies[WARM_UP:] if latency is not None]
    return {'ms': arrived, 'lost': case.messages - len(arrived)}


@contextmanager
def publishing(case: Case, node: Any, executor: Any) -> Iterator[Callable[[int], object]]:
    """Start the publisher of a case, and yield a function that sends.

    The publisher has found the subscription before the function is yielded.
    """
    if case.publisher == 'process':
        with subprocess.Popen(
                [sys.executable, __file__, '--publish', json.dumps(asdict(case))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdin and other.stdout
            if other.stdout.readline() != 'matched\n':
                raise RuntimeError('the publisher process ended too early')
            yield partial(print, file=other.stdin, flush=True)
        return
    publisher, send = sender(case, node)
    while not publisher.get_subscription_count():
        executor.spin_once(timeout_sec=0.01)
    if case.publisher == 'same':
        yield send
        return
    with ThreadPoolExecutor(1) as thread:
        yield lambda number: thread.submit(send, number)


def ping(number: int, send: Callable[[int], object], executor: Any,
         got: dict[int, float]) -> float | None:
    """Send one image, wait for its arrival, and return its latency; None if it was lost."""
    time.sleep(PAUSE)
    got.clear()
    send(number)
    end = time.monotonic() + LOST_AFTER
    while number % 256 not in got and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    return got.get(number % 256)


def cases(quick: bool) -> list[Case]:
    """List all cases. After each typed case comes the direct case with the same settings."""
    messages = 12 if quick else 40
    two = (HD,) if quick else SIZES
    kinds = [Case(*size, '', messages=messages) for size in SIZES]
    kinds += [Case(*size, '', 'process', messages=messages) for size in two]
    kinds += [Case(*HD, '', publisher, mallopt=True, messages=messages)
              for publisher in (('thread',) if quick else ('thread', 'process'))]
    kinds += [Case(*HD, '', 'same', messages=messages)]
    found = [replace(kind, transport=name) for kind in kinds for name in ('typed', 'direct')]
    return [*found, Case(*HD, 'typed', ready=True, messages=messages)]


def run_case(case: Case) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, '--receive', json.dumps(asdict(case))],
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f'{case} failed:\n{done.stderr}')
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(report: Any, quick: bool) -> None:
    keep_to_this_machine()
    every = cases(quick)
    ms: dict[Case, list[float]] = {case: [] for case in every}
    lost = dict.fromkeys(every, 0)
    for _ in range(1 if quick else 3):
        for case in every:
            found = run_case(case)
            ms[case] += found['ms']
            lost[case] += found['lost']
    p50 = {case: statistics.median(values) for case, values in ms.items() if values}
    for case in every:
        name = f'{label(case)} {case.transport}'
        if case in p50:
            report.add(f'{name} p50', p50[case], 'ms')
        if case.publisher == 'process':
            report.add(f'{name} lost', 100 * lost[case] / (lost[case] + len(ms[case])), '%')
        elif lost[case]:
            raise RuntimeError(f'{name}: {lost[case]} images lost within one process')
    compare(report, p50)


def compare(report: Any, p50: dict[Case, float]) -> None:
    for typed in (case for case in p50 if case.transport == 'typed'):
        direct = replace(typed, transport='direct', ready=False)
        if direct in p50:
            ratio = p50[typed] / p50[direct]
            promised = label(typed) in (f'1920x1080 {PUBLISHERS[name]}'
                                        for name in ('thread', 'process'))
            report.add(f'{label(typed)}: typed / direct', ratio, 'times',
                       *((f'>= {BAR:g}', ratio >= BAR) if promised else ()))
    for tuned in (case for case in p50 if case.mallopt):
        plain = replace(tuned, mallopt=False)
        report.add(f'{label(plain)} {plain.transport}: without / with mallopt',
                   p50[plain] / p50[tuned], 'times')


def label(case: Case) -> str:
    """Return the name of a case: its size, its publisher and its options."""
    return (f'{case.width}x{case.height} {PUBLISHERS[case.publisher]}'
            + ', mallopt' * case.mallopt + ', message made beforehand' * case.ready)


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] in ('--receive', '--publish'):
        case = Case(**json.loads(sys.argv[2]))
        if case.mallopt and not keep_freed_memory():
            raise OSError('mallopt failed')
        if sys.argv[1] == '--publish':
            publish(case)
        else:
            print(json.dumps(receive(case)))
        return
    import report
    report.run('Direct transport against typed messages, bgr8, Fast DDS', measure)


if __name__ == '__main__':
    main()
