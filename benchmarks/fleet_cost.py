# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Simulates ``trt_seg label`` on 1 to 64 GPUs: hours, bytes, and what limits the speed.

    python benchmarks/fleet_cost.py [--quick] [--json FILE]

Nothing is labelled. The simulation uses rates that were measured on one machine, see
:class:`Rates`. Every GPU has a host of its own. A worker copies a recording from the object store,
and labels its frames. Copying, decoding, network and encoding of a host overlap, so the slowest of
them gives the speed of the host. All hosts share the bandwidth of the store. The recordings have
different lengths, so the hosts do not end at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
import heapq
import random

from report import FigureReport, run

HOURS, CAMERAS, HZ = 1000, 4, 10
"""Hours of driving, cameras, and frames per second of each camera."""
MEAN_MINUTES = 20
"""Mean length of a recording. The lengths have an exponential distribution."""
GPUS = (1, 4, 16, 64)


@dataclass(frozen=True)
class Rates:
    """Measured rates for 1920x1080 pixels, and assumptions about the network.

    Measured on one NVIDIA H200 with 16 cores: the network (LR-ASPP MobileNetV3-Large, FP16, ONNX
    Runtime CUDA), JPEG decoding with OpenCV, PNG encoding of label maps. H.264 decoding was
    measured on two cores of another machine, 5.5 ms a frame. That machine decodes JPEG 2.0 times
    faster on each core, so 11 ms are assumed here.

    :param network: frames per second of the network on one GPU.
    :param decode_ms: milliseconds of one core to decode a frame, for each kind of recording.
    :param encode_ms: milliseconds of one core to encode a label map as PNG.
    :param cores: CPU cores of a host.
    :param frame_kb: kilobytes of a frame, for each kind of recording.
    :param label_kb: kilobytes of a label map.
    :param host_gb_s: bandwidth of a host in gigabytes per second, assumed: 10 Gbit/s.
    :param store_gb_s: bandwidth of the object store for all hosts together, assumed.
    :param start_s: seconds until a worker has opened its network.
    """

    network: float = 1082
    decode_ms: tuple[tuple[str, float], ...] = (('JPEG', 12.8), ('H.264', 11.0))
    encode_ms: float = 25.3
    cores: int = 16
    frame_kb: tuple[tuple[str, float], ...] = (('JPEG', 383.0), ('H.264', 34.0))
    label_kb: float = 30
    host_gb_s: float = 1.25
    store_gb_s: float = 10.0
    start_s: float = 12


def find_limits(rates: Rates, kind: str, gpus: int) -> dict[str, float]:
    """Return the frames per second that each part of a host allows."""
    moved = (dict(rates.frame_kb)[kind] + rates.label_kb) / 1e6
    return {'network': rates.network,
            'CPU cores': 1000 * rates.cores / (dict(rates.decode_ms)[kind] + rates.encode_ms),
            'host bandwidth': rates.host_gb_s / moved,
            'store bandwidth': rates.store_gb_s / gpus / moved}


def simulate_hours(rates: Rates, kind: str, gpus: int, recordings: list[float]) -> float:
    """Return the hours until the last host is ready.

    :param recordings: number of frames of each recording. The hosts get the recordings in this
        order, because the scheduler does not sort them.
    """
    speed = min(find_limits(rates, kind, gpus).values())
    hosts = [rates.start_s] * gpus
    for frames in recordings:
        heapq.heapreplace(hosts, hosts[0] + frames / speed)
    return max(hosts) / 3600


def draw_recordings(seed: int = 1) -> list[float]:
    """Return the numbers of frames of all recordings. Each camera of a drive is one recording."""
    source = random.Random(seed)
    total = HOURS * 3600 * HZ
    lengths: list[float] = []
    while sum(lengths) < total:
        lengths.append(source.expovariate(1 / (MEAN_MINUTES * 60 * HZ)))
    scale = total / sum(lengths)
    return [length * scale for length in lengths for _ in range(CAMERAS)]


def measure(report: FigureReport, is_quick: bool) -> None:
    rates, recordings = Rates(), draw_recordings()
    frames = sum(recordings)
    report.add('frames', frames / 1e6, 'million')
    for kind, size in rates.frame_kb:
        report.add(f'{kind}: read', frames * size / 1e9, 'TB')
        report.add(f'{kind}: written', frames * rates.label_kb / 1e9, 'TB')
        for gpus in GPUS[:2] if is_quick else GPUS:
            limits = find_limits(rates, kind, gpus)
            slowest = min(limits, key=lambda name: limits[name])
            hours = simulate_hours(rates, kind, gpus, recordings)
            report.add(f'{kind}, {gpus} GPUs: limited by the {slowest}', hours, 'h')
            report.add(f'{kind}, {gpus} GPUs: GPU hours', hours * gpus, 'h')


if __name__ == '__main__':
    run(f'Simulation of {HOURS} hours of {CAMERAS} cameras', measure)
