# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Several 1080p cameras at 30 Hz on one GPU: latency from a frame's due time, and drops."""

from __future__ import annotations

from collections.abc import Sequence
import json
from tempfile import TemporaryDirectory
from typing import NamedTuple

from gpu_bench.measure import need_gpu
from gpu_pipeline import script
from report import Report, run


class Setting(NamedTuple):
    """One way to run a network, and how many cameras it is tried with.

    :param at_once: copies of the network.
    :param max_batch: frames of one run.
    """

    name: str
    at_once: int
    max_batch: int
    cameras: Sequence[int]

    def __str__(self) -> str:
        """For the rows; nothing where it is the default."""
        return (f', {self.at_once} networks at once' * (self.at_once > 1)
                + f', batches of up to {self.max_batch}' * (self.max_batch > 1))


QUICK = (Setting('lraspp-fp16', 1, 1, (1, 8, 16)),)
FULL = (Setting('lraspp-fp16', 1, 1, (1, 2, 4, 8, 12, 16, 24)),
        Setting('lraspp-fp16', 2, 1, (8, 16, 24, 32)),
        *(Setting('deeplabv3-fp16-open', 1, most, (4, 8)) for most in (1, 4)))


def measure(report: Report, quick: bool) -> None:
    """A curve over the number of cameras for each setting, in a process of its own."""
    need_gpu()
    settings = QUICK if quick else FULL
    with TemporaryDirectory() as folder:
        script('networks.py', folder, *{setting.name for setting in settings})
        for setting in settings:
            found = json.loads(script(
                'camera_curve.py', folder, setting.name, str(setting.at_once),
                str(setting.max_batch), '2.0' if quick else '4.0', *map(str, setting.cameras)))
            name = f'{"DeepLabV3, " * setting.name.startswith("deeplab")}{{}}{setting}'
            report.add(name.format('throughput'), found['rate'], 'frames/s')
            for one in found['cameras']:
                asked = one['count'] == 8 and setting in (QUICK[0], FULL[0])
                cameras = name.format(f'{one["count"]} camera{"s" * (one["count"] > 1)}')
                report.add(f'{cameras}: p50', one['p50'], 'ms')
                report.add(f'{cameras}: p99', one['p99'], 'ms',
                           *(('≤ 33', one['p99'] <= 33) if asked else ()))
                report.add(f'{cameras}: dropped', one['dropped'], 'frames',
                           *(('0', one['dropped'] == 0) if asked else ()))
                report.add(f'{cameras}: answered', one['answered'], 'frames')
            report.add(name.format('device memory'), found['device_bytes'] / 2**20, 'MiB')


if __name__ == '__main__':
    run('1080p cameras at 30 Hz on one GPU, LR-ASPP FP16', measure)
