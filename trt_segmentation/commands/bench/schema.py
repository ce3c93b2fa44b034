# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read and check bench.json, the file of one run of ``trt_seg bench``."""

from __future__ import annotations

import json
from pathlib import Path
import sys
from typing import Any

from ...errors import BenchError
from ...untrusted.regular_file import read_regular
from ...untrusted.terminal_text import short, unprintable

FORMAT = 'trt_segmentation bench 1'
NEEDED = {'format': str, 'when': str, 'machine': str, 'versions': dict, 'commit': str,
          'rows': list, 'setting': dict, 'cautions': list, 'latency_ms': list,
          'stages_ms': dict, 'cameras': list, 'memory_mib': dict}
"""The keys of bench.json, and the type of each value."""

NEEDED_ROWS = ('latency p50', 'latency p95', 'latency p99', 'throughput', 'opening the model')
CAMERA_KEYS = ('cameras', 'offered', 'answered', 'dropped', 'frames_per_s', 'p50_ms', 'p99_ms')

ENOUGH = 100
"""Smallest number of frames for the 99th percentile (p99) of the times. With fewer frames, only
the slowest frame decides p99."""

MAX_FILE = 16 << 20
"""Largest accepted size of bench.json in bytes. Usually the file has less than 1 MB."""


def read_run(path: Path) -> dict[str, Any]:
    """Read bench.json of another run.

    :raises BenchError: if the file cannot be read, or if it is not a valid bench.json.
    """
    try:
        run = json.loads(read_regular(path, MAX_FILE))
    # Deeply nested lists raise RecursionError.
    except (ValueError, RecursionError) as error:
        raise BenchError(f'{path} is not JSON: {short(error, 300)}') from error
    except OSError as error:
        raise BenchError(f'{path} cannot be read: {error}') from error
    if not isinstance(run, dict) or run.get('format') != FORMAT:
        found = run.get('format') if isinstance(run, dict) else None
        raise BenchError(f'{path} is not a bench.json of this version of `trt_seg bench`: its '
                         f'"format" is {short(found)}, but should be {FORMAT!r}; measure the '
                         'other run again')
    if wrong := _wrong(run) or _unprintable(run):
        raise BenchError(f'{path} is damaged: {wrong}')
    return run


def _wrong(run: dict[str, Any]) -> str:
    for key, kind in NEEDED.items():
        if not isinstance(run.get(key), kind):
            return f'"{key}" should be a {kind.__name__}, but is {_short(run.get(key))}'
    for row in run['rows']:
        if not (isinstance(row, dict) and isinstance(row.get('name'), str)
                and _is_number(row.get('value')) and isinstance(row.get('unit'), str)):
            return f'a row should have name, value and unit, but one row is {_short(row)}'
    names = [row['name'] for row in run['rows']]
    if missing := [name for name in NEEDED_ROWS if name not in names]:
        return f'the file has {len(names)} rows, but no row {missing[0]!r}'
    if not all(isinstance(text, str) for text in run['cautions']):
        return '"cautions" should hold texts'
    if not run['latency_ms'] or not all(map(_is_number, run['latency_ms'])):
        return '"latency_ms" should hold at least one number, and numbers only'
    if not all(map(_is_number, run['stages_ms'].values())):
        return '"stages_ms" should hold a number for each stage'
    for found in run['cameras']:
        if not (isinstance(found, dict) and all(_is_number(found.get(k)) for k in CAMERA_KEYS)):
            return (f'each item of "cameras" should hold {", ".join(CAMERA_KEYS)}, but one '
                    f'item is {_short(found)}')
    for phase, found in run['memory_mib'].items():
        if not (isinstance(found, dict) and all(map(_is_number, found.values()))):
            return f'"memory_mib" should hold numbers for {phase!r}, but has {_short(found)}'
    return ''


def _unprintable(value: Any) -> str:
    if isinstance(value, str):
        bad = unprintable(value)
        return f'the text {short(value)} has the character {bad}' if bad else ''
    inner = [*value, *value.values()] if isinstance(value, dict) else \
        value if isinstance(value, list) else []
    return next(filter(None, map(_unprintable, inner)), '')


def _is_number(value: Any) -> bool:
    """Return whether a value is a finite number of 0 or more that fits into a float."""
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and 0 <= value <= sys.float_info.max)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else text[:60] + '…'


def values(run: dict[str, Any]) -> dict[str, float]:
    """Return the measured numbers by name."""
    return {row['name']: row['value'] for row in run['rows']}


def title(run: dict[str, Any]) -> str:
    """Return a line that tells what was measured."""
    setting = run['setting']
    return (f'{setting.get("model")}, {setting.get("engine")} {setting.get("precision")}, '
            f'{setting.get("size")} {setting.get("encoding")}')


def number(value: float) -> str:
    """Return a number as text: an integer if it is 100 or more, else three significant digits."""
    return f'{value:.0f}' if abs(value) >= 100 else f'{value:#.3g}'
