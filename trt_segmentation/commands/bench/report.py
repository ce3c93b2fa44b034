# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Collect measured numbers, and describe the machine, the versions and the git commit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib import metadata
import os
import platform
from typing import Any

from rich.table import Table
from rich.text import Text

from ...engines.nvidia_driver import ask_driver
from ...installed.version import commit

PACKAGES = ('numpy', 'opencv-python-headless', 'onnxruntime', 'onnxruntime-gpu',
            'ros-jazzy-rclpy', 'rosbags', 'simplejpeg', 'zlib-ng', 'cuda-core', 'cuda-bindings',
            'torch', 'torchvision', 'tensorrt', 'tensorrt-rtx-cu13')


@dataclass(frozen=True)
class Figure:
    """One measured number.

    :param bar: limit that the project promises, as text; empty if there is no limit.
    :param holds: whether the value is within the limit; None if there is no limit.
    """

    name: str
    value: float
    unit: str
    bar: str = ''
    holds: bool | None = None


@dataclass
class FigureReport:
    """All measured numbers of one run."""

    title: str
    rows: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, bar: str = '',
            holds: bool | None = None) -> None:
        """Add a number. Raise a ValueError if ``bar`` and ``holds`` are not given together."""
        if bool(bar) != (holds is not None):
            raise ValueError(f'{name}: give both bar and holds, or neither')
        self.rows.append(Figure(name, float(value), unit, bar,
                                holds if holds is None else bool(holds)))

    def table(self) -> Table:
        """Return the numbers as a table for a terminal."""
        # The library rich reads brackets in a str as markup, but not in a Text.
        table = Table(title=Text(self.title))
        barred = any(row.bar for row in self.rows)
        for column in ('row', 'value', 'unit', *(('bar', 'holds') if barred else ())):
            table.add_column(column, justify='right' if column == 'value' else 'left')
        for row in self.rows:
            bar = (row.bar, {None: '', True: 'yes', False: 'NO'}[row.holds])
            table.add_row(row.name, f'{row.value:.4g}', row.unit, *(bar if barred else ()))
        return table

    def tree(self) -> dict[str, Any]:
        """Return the numbers, the machine, the versions and the commit as JSON values."""
        return {'machine': machine(), 'versions': versions(), 'commit': commit(),
                'rows': [asdict(row) for row in self.rows]}


def machine() -> str:
    """Describe this machine: CPU, cores, operating system, GPUs and GPU driver."""
    from ...engines.onnxruntime_cpu import cpu_name
    driver = ask_driver()
    gpus = [gpu.name for gpu in driver.gpus] + [f'driver {driver.version}'] * bool(driver.gpus)
    return ', '.join([cpu_name(), f'{os.cpu_count()} cores',
                      f'{platform.system()} {platform.release()}', *gpus])


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that influence the numbers."""
    found = {'python': platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
