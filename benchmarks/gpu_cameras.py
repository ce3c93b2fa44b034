# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Several 1080p cameras at 30 Hz on one GPU: dropped frames, and latency.

The latency of a frame starts at the time at which the camera should send the frame.
"""

from __future__ import annotations

import json
from tempfile import TemporaryDirectory

from gpu_bench.measure import need_gpu
from gpu_pipeline import script
from report import FigureReport, run

NAME = 'lraspp-fp16'
QUICK = {1: (1, 8, 16)}
FULL = {1: (1, 2, 4, 8, 12, 16, 24), 2: (8, 16, 24, 32)}
"""Maps the number of networks that run at once to the numbers of cameras."""


def measure(report: FigureReport, quick: bool) -> None:
    """Measure each number of cameras. A new process runs for each number of networks at once."""
    need_gpu()
    with TemporaryDirectory() as folder:
        script('networks.py', folder, NAME)
        for at_once, counts in (QUICK if quick else FULL).items():
            found = json.loads(script('camera_curve.py', folder, NAME, str(at_once),
                                      '2.0' if quick else '4.0', *map(str, counts)))
            more = f', {at_once} networks at once' * (at_once > 1)
            report.add(f'throughput{more}', found['rate'], 'frames/s')
            for one in found['cameras']:
                asked = one['count'] == 8 and at_once == 1
                cameras = f'{one["count"]} camera{"s" * (one["count"] > 1)}{more}'
                report.add(f'{cameras}: p50', one['p50'], 'ms')
                report.add(f'{cameras}: p99', one['p99'], 'ms',
                           *(('≤ 33', one['p99'] <= 33) if asked else ()))
                report.add(f'{cameras}: dropped', one['dropped'], 'frames',
                           *(('0', one['dropped'] == 0) if asked else ()))
                report.add(f'{cameras}: answered', one['answered'], 'frames')
            report.add(f'device memory{more}', found['device_bytes'] / 2**20, 'MiB')


if __name__ == '__main__':
    run('1080p cameras at 30 Hz on one GPU, LR-ASPP FP16', measure)
