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

"""What every benchmark shares: its arguments, its table and its JSON file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import metadata
import json
import os
from pathlib import Path
import platform
import shutil
import subprocess
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

PACKAGES = ('numpy', 'opencv-python-headless', 'onnxruntime', 'onnxruntime-gpu',
            'ros-jazzy-rclpy', 'rosbags', 'cuda-core', 'cuda-bindings', 'torch', 'torchvision',
            'tensorrt', 'tensorrt-rtx-cu13')


@dataclass(frozen=True)
class Row:
    """One figure: ``bar`` says what was promised ('' for none), ``holds`` whether it is kept."""

    name: str
    value: float
    unit: str
    bar: str = ''
    holds: bool | None = None


@dataclass
class Report:
    """The rows of one run and where they were measured."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, bar: str = '',
            holds: bool | None = None) -> None:
        """Add a figure; with a bar, ``holds`` has to say whether it is kept."""
        if bool(bar) != (holds is not None):
            raise ValueError(f'{name}: a bar and whether it holds go together')
        self.rows.append(Row(name, float(value), unit, bar,
                             holds if holds is None else bool(holds)))

    def table(self) -> Table:
        """The rows for a terminal."""
        table = Table(title=self.title)
        for column in ('row', 'value', 'unit', 'bar', 'holds'):
            table.add_column(column, justify='right' if column == 'value' else 'left')
        for row in self.rows:
            holds = {None: '', True: 'yes', False: 'NO'}[row.holds]
            table.add_row(row.name, f'{row.value:.4g}', row.unit, row.bar, holds)
        return table

    def tree(self) -> dict[str, Any]:
        """The rows with machine, versions and commit."""
        return {'machine': machine(), 'versions': versions(), 'commit': commit(),
                'rows': [asdict(row) for row in self.rows]}


def run(title: str, measure: Callable[[Report, bool], None]) -> None:
    """Parse ``--quick`` and ``--json FILE``, measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument('--quick', action='store_true', help='fewer repeats, under 40 s')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here')
    args = parser.parse_args()
    report = Report(title)
    measure(report, args.quick)
    Console(width=None if sys.stdout.isatty() else 120).print(report.table())
    if args.json:
        args.json.write_text(json.dumps(report.tree(), indent=1) + '\n', encoding='utf-8')


def machine() -> str:
    """CPU, cores and, where there is one, GPU."""
    cpu = platform.machine()
    try:
        info = Path('/proc/cpuinfo').read_text(encoding='utf-8')
        cpu = next((line.split(':', 1)[1].strip() for line in info.splitlines()
                    if line.startswith('model name')), cpu)
    except OSError:
        pass
    text = f'{cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release()}'
    if not shutil.which('nvidia-smi'):
        return text
    gpu = subprocess.run(
        ['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader'],
        capture_output=True, text=True, check=False)
    return text + (f', {gpu.stdout.strip()}' if gpu.returncode == 0 else '')


def versions() -> dict[str, str]:
    """Versions of Python and of every library that can move a figure."""
    found = {'python': platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit measured, with ``+`` where the tree had changes; '' where nobody knows.

    On a host that got the files without their history, BENCH_COMMIT says it.
    """
    here = Path(__file__).parent
    git = ['git', '-C', str(here)]
    head = subprocess.run([*git, 'rev-parse', '--short=12', 'HEAD'], capture_output=True,
                          text=True, check=False)
    if head.returncode:
        return os.environ.get('BENCH_COMMIT', '')
    dirty = subprocess.run([*git, 'diff', '--quiet', 'HEAD', '--', '../trt_segmentation'],
                           check=False).returncode
    return head.stdout.strip() + ('+' if dirty else '')

