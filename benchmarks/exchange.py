# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Exchanges the model of an active node again and again, and checks every label map.

A camera process sends the same street image again and again. The node's process segments it.
This process receives the label maps, and sets the parameter ``model`` through the parameter
service. The second network is the first network with its classes in reverse order. So each label
map shows which network it came from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import json
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

from image_sink import ImageSink
import numpy as np
import numpy.typing as npt
import onnx
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from report import FigureReport, run
from ros_end_to_end import NODE, node_command, START_SECONDS
import yaml

from trt_segmentation.commands.demo.node_process import keep_to_this_machine, running
from trt_segmentation.model.card import load_card
from trt_segmentation.ros.transport.choose import choose_transport
from trt_segmentation.ros.transport.messages import TakenImage
from trt_segmentation.ros.transport.qos import RELIABLE

WIDTH, HEIGHT = 1280, 720
PAUSE_SECONDS = 0.3
"""Time between the answer to a request and the next request."""
WARM = 20
"""Number of exchanges before the memory is measured for the first time. In these exchanges, the
memory grows, because two networks are open at once for the first time."""
MOST_GROWTH = 10.0
"""Largest allowed growth of the memory in MB."""


@dataclass
class Seen:
    """What the subscriber and the client saw.

    :param arrivals: stamp and time of arrival of each label map, in ns.
    :param models: for each label map, the index of the network that it came from; -1 if it fits
        no network.
    :param exchanges: seconds from each request to its answer.
    """

    arrivals: list[tuple[int, int]] = field(default_factory=list)
    models: list[int] = field(default_factory=list)
    exchanges: list[float] = field(default_factory=list)
    first: npt.NDArray[np.uint8] | None = None


def measure(report: FigureReport, quick: bool) -> None:
    frames, exchanges, fps = (60, 6, 10.0) if quick else (800, 100, 10.0)
    if Path('/dev/nvidia0').exists():
        frames, fps = 2 * frames, 30.0
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, 'camera.jsonl')
        models = ['street', str(write_reversed(Path(folder)))]
        with running_node(log, fps) as (process, camera, client):
            seen, memory = client.watch(process, frames, exchanges, models)
            camera.terminate()
            camera.wait(START_SECONDS)
            client.spin(2.0)
        sent = [json.loads(line)['stamp_ns']
                for line in log.read_text(encoding='utf-8').splitlines() if 'stamp_ns' in line]
    add_rows(report, seen, sent, client.span, memory)


def write_reversed(folder: Path) -> Path:
    """Write the street network with its classes in reverse order. Return the path of its card."""
    card = load_card('street')
    network = onnx.load(str(card.model))
    (output,) = network.graph.output
    network.graph.node[-1].output[0] = 'in order'
    network.graph.initializer.append(onnx.numpy_helper.from_array(
        np.arange(len(card.classes))[::-1].copy(), 'reversed'))
    network.graph.node.append(onnx.helper.make_node(
        'Gather', ['in order', 'reversed'], [output.name], axis=1))
    onnx.save(network, str(folder / 'reversed.onnx'))
    image = card.input
    path = folder / 'reversed.yaml'
    path.write_text(yaml.safe_dump({
        'name': 'reversed', 'model': 'reversed.onnx', 'classes': list(card.classes[::-1]),
        'palette': card.palette[::-1].tolist(),
        'input': {'color': image.color, 'mean': list(image.mean), 'std': list(image.std),
                  'resize': image.resize}}), encoding='utf-8')
    return path


class Client:
    def __init__(self, classes: int) -> None:
        rclpy.init(args=[])
        self.node = rclpy.create_node('exchange_client', start_parameter_services=False)
        self.seen = Seen()
        self.span = (0, 0)
        """Time of the first request, and time of the last answer, in ns."""
        self._top = classes - 1
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._images = choose_transport('direct').subscribe(
            self.node, f'/{NODE}/label_map', RELIABLE, ImageSink(self._take))
        self._parameters = AsyncParameterClient(self.node, NODE)

    def watch(self, process: Any, frames: int, exchanges: int, models: list[str]
              ) -> tuple[Seen, list[float]]:
        """Wait for ``frames`` label maps. Then set the models in turn.

        :returns: what was seen, and the memory of the node in MB after each exchange.
        """
        self._until(lambda: self.seen.arrivals, START_SECONDS)
        self._until(lambda: len(self.seen.arrivals) >= frames, START_SECONDS + frames)
        memory, first = [], time.time_ns()
        for number in range(1, exchanges + 1):
            began = time.perf_counter()
            future = self._parameters.set_parameters(
                [Parameter('model', value=models[number % 2])])
            self._until(future.done, START_SECONDS)
            (result,) = future.result().results
            if not result.successful:
                sys.exit(f'exchange {number} was refused: {result.reason}')
            self.seen.exchanges.append(time.perf_counter() - began)
            self.spin(PAUSE_SECONDS)
            memory.append(memory_mb(process.pid))
        self.span = first, time.time_ns()
        # The newest frame must not wait until the camera process has ended.
        self.spin(PAUSE_SECONDS)
        return self.seen, memory

    def spin(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def close(self) -> None:
        self._images.close()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown()

    def _until(self, what: Any, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not what():
            if time.monotonic() > until:
                sys.exit(f'{len(self.seen.arrivals)} label maps came, and then nothing for '
                         f'{seconds:g} s')
            self._executor.spin_once(timeout_sec=0.1)

    def _take(self, taken: TakenImage) -> None:
        now, frame = time.time_ns(), taken.frame()
        labels = frame.data.reshape(frame.height, frame.step)[::8, :frame.width:8].copy()
        self.seen.arrivals.append((taken.stamp_ns, now))
        taken.release()
        if self.seen.first is None:
            self.seen.first = labels
        # On a GPU, a few pixels at the border of two classes may differ.
        same = [(labels == one).mean() for one in (self.seen.first, self._top - self.seen.first)]
        self.seen.models.append(int(np.argmax(same)) if max(same) > 0.99 else -1)


@contextmanager
def running_node(log: Path, fps: float) -> Iterator[tuple[Any, Any, Client]]:
    """Run the node, the camera and the client. Yield the two processes and the client."""
    client = Client(len(load_card('street').classes))
    camera: dict[str, object] = {'width': WIDTH, 'height': HEIGHT, 'fps': fps, 'loop': 1,
                                 'subscribers': 1, 'log': log}
    try:
        with running(node_command('node', {'model': 'street'})) as process, \
                running(node_command('street_camera', camera)) as source:
            yield process, source, client
    finally:
        client.close()


def memory_mb(process: int) -> float:
    """Return the resident anonymous memory of a process in MB.

    The shared memory of the middleware is not counted, because its pages become resident one after
    the other, as more images pass through it.
    """
    for line in Path(f'/proc/{process}/status').read_text(encoding='utf-8').splitlines():
        if line.startswith('RssAnon:'):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f'/proc/{process}/status has no RssAnon')


def add_rows(report: FigureReport, seen: Seen, sent: list[int], span: tuple[int, int],
             memory: list[float]) -> None:
    count = len(seen.exchanges)
    stamps = [stamp for stamp, _ in seen.arrivals]
    missing = {stamp for stamp in sent if stamp >= min(stamps)} - set(stamps)
    earlier = sum(stamp < span[0] for stamp in missing)
    lost = len(missing) - earlier
    twice = sum(number - 1 for number in Counter(stamps).values())
    changes = int(np.count_nonzero(np.diff(seen.models)))
    ages = {stamp: (now - stamp) / 1e6 for stamp, now in seen.arrivals}
    before = [age for stamp, age in ages.items() if stamp < span[0]][10:]
    during = [age for stamp, age in ages.items() if span[0] <= stamp <= span[1]]
    p99 = float(np.percentile(before, 99))
    report.add(f'label maps before {count} exchanges', len(before), '')
    report.add('latency before: p50', float(np.median(before)), 'ms')
    report.add('latency before: p99', p99, 'ms')
    report.add('latency before: largest', max(before), 'ms')
    report.add('label maps during the exchanges', len(during), '')
    report.add('frames lost before the exchanges', earlier, '')
    report.add('frames lost during the exchanges', lost, '', '0', lost == 0)
    report.add('frames answered twice', twice, '', '0', twice == 0)
    wrong = seen.models.count(-1) + (stamps != sorted(stamps))
    report.add('label maps of no network, or out of order', wrong, '', '0', wrong == 0)
    report.add('changes of the network in the label maps', changes, '', f'{count}',
               changes == count)
    report.add('latency during: p50', float(np.median(during)), 'ms')
    report.add('latency during: p99', float(np.percentile(during, 99)), 'ms')
    report.add('latency during: largest', max(during), 'ms', f'≤ 2 × p99 before = {2 * p99:.0f}',
               max(during) <= 2 * p99)
    report.add('one exchange, from request to answer: p50',
               float(np.median(seen.exchanges)) * 1e3, 'ms')
    report.add('one exchange, from request to answer: largest', max(seen.exchanges) * 1e3, 'ms')
    add_memory_rows(report, memory)


def add_memory_rows(report: FigureReport, memory: list[float]) -> None:
    # From one exchange to the next, the memory changes by up to 80 MB, because malloc finds free
    # blocks of different sizes. So only the largest values are compared.
    count = len(memory)
    warm = WARM if count > 2 * WARM else 0
    middle = (warm + count) // 2
    early, late = max(memory[warm:middle]), max(memory[middle:])
    report.add(f'largest memory of the node, exchanges {middle + 1} to {count}', late, 'MB')
    report.add(f'growth since the exchanges {warm + 1} to {middle}', late - early, 'MB',
               f'≤ {MOST_GROWTH:g}', late - early <= MOST_GROWTH)


if __name__ == '__main__':
    keep_to_this_machine()
    run('exchange of the model of a working node, 1280×720', measure)
