# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Adds the rows of one network to the report of gpu_pipeline.py, with their limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from report import FigureReport

AHEAD = {'lraspp-fp16': 1.35, 'deeplabv3-fp16': 1.05}
"""The time of compiled PyTorch must be at least this many times the time of this package.

For other networks, the factor is 1.
"""
LEAST_RATES = {'lraspp-fp16': 1150.0, 'deeplabv3-fp16': 430.0}
"""Smallest allowed number of frames per second while frames stream."""
OURS = ('ours', 'ours, cut')
LABELS_LATER_MS = 0.25
"""The pipeline may need this much longer for a label map than the network alone needs."""


class NetworkRows:
    """Adds the rows of one network. Every row begins with its name.

    :param found: result of each way.
    :param main: whether the network has a limit of its 99th percentile.
    """

    def __init__(self, report: FigureReport, name: str, found: Mapping[str, Mapping[str, Any]],
                 main: bool = False) -> None:
        self._report, self._name, self._found, self._main = report, name, found, main

    def add(self) -> None:
        for way, result in self._found.items():
            self._add_way(way, result)
        ours = [way for way in OURS if way in self._found]
        if not ours:
            return
        own = self._found[min(ours, key=lambda way: float(self._found[way]['p50']))]
        self._add_limits(own)
        compiled = [way for way in self._found if way.startswith('compiled')]
        self._compare('compiled PyTorch', compiled, own, AHEAD.get(self._name, 1.0))
        for way in ('careful', 'article', 'pytorch', 'untuned'):
            self._compare(way, [way], own)

    def _add_way(self, way: str, result: Mapping[str, Any]) -> None:
        self._row(f'{way} p50', result['p50'], 'ms')
        self._row(f'{way} p99', result['p99'], 'ms')
        for stage, ms in result['stages'].items():
            self._row(f'{way} {stage} p50', ms, 'ms')
        if 'rate' in result:
            self._row(f'{way} streaming', result['rate'],
                      'runs/s' if way.startswith(('alone', 'filled')) else 'frames/s')
        if 'graphed' in result:
            self._row(f'{way}: the network is one CUDA graph', result['graphed'], '')
            self._row(f'{way}: allocated here on the GPU', result['allocated'] / 2**20, 'MiB')
            self._row(f'{way}: opened in'
                      + (f' ({result["tuning"]})' if result['tuning'] else ''),
                      result['opened'], 's')
        if 'copy' in result:
            self._row(f'{way}: ordinary memory to pinned p50', result['from ordinary memory'],
                      'ms')
            self._row(f'{way}: of it the copy into pinned memory', result['copy'], 'ms')
        self._row(f'{way}: device memory', result['device_bytes'] / 2**20, 'MiB')

    def _add_limits(self, own: Mapping[str, Any]) -> None:
        p50, rate = own['p50'], own['rate']
        least = LEAST_RATES.get(self._name)
        self._row('best of ours p50', p50, 'ms')
        self._row('best of ours streaming', rate, 'frames/s',
                  *(('', None) if least is None else (f'≥ {least:g}', rate >= least)))
        alone = [self._found[way] for way in ('alone', 'alone, cut') if way in self._found]
        if not alone:
            return
        network = min(float(result['p50']) for result in alone)
        gap = own['stages']['label map'] - network
        self._row('label map after the network alone', gap, 'ms', f'≤ {LABELS_LATER_MS:g}',
                  gap <= LABELS_LATER_MS)
        fastest = 0.95 * max(float(result['rate']) for result in alone)
        self._row('best of ours streaming, of the network alone', rate / fastest * 0.95, '×',
                  '≥ 0.95', rate >= fastest)
        if self._main:
            self._row('best of ours p99 by p50', own['p99'] / p50, '×', '≤ 1.3',
                      own['p99'] <= 1.3 * p50)

    def _compare(self, what: str, ways: list[str], own: Mapping[str, Any],
                 least: float | None = None) -> None:
        results = [self._found[way] for way in ways if way in self._found]
        if not results:
            return
        factor = min(float(result['p50']) for result in results) / own['p50']
        self._row(f'{what} p50 by ours', factor, '×',
                  *(('', None) if least is None else (f'≥ {least:g}', factor >= least)))
        rates = [float(result['rate']) for result in results if 'rate' in result]
        if rates:
            self._row(f'streaming by that of {what}', own['rate'] / max(rates), '×')

    def _row(self, row: str, value: float, unit: str, bar: str = '',
             holds: bool | None = None) -> None:
        self._report.add(f'{self._name}: {row}', value, unit, bar, holds)
