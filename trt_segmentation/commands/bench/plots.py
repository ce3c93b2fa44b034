# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the plots of a run of ``trt_seg bench``.

page.html sets the colours of text and grid, for a light and a dark background. Plotly reads labels
as HTML, so names from bench.json are escaped here. A plot can compare a run with another run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from math import ceil
from typing import Any

import numpy as np
import plotly.graph_objects as go

from .measure import OUTSIDE
from .schema import ENOUGH, number, values

HERE, OTHER, REST = '#3b82f6', '#f59e0b', '#94a3b8'
"""Colours of this run, of the other run, and of everything else."""

HEIGHT = 340
LINE = 24
"""Height of a legend line in pixels. On a narrow page, the legend has one line for each name."""
KINDS = ('#3b82f6', '#10b981', '#a855f7', '#ef4444')
BARS = 60
"""Largest number of bars of a histogram. The limit is smaller if there are few frames."""

TAIL = 1.5
"""The histogram ends at this multiple of p99. Its last bar also counts all longer latencies. So a
few long latencies do not make the other bars narrow."""

Run = dict[str, Any]


def _figure(height: int, **layout: Any) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template='none', height=height, margin={'l': 56, 'r': 20, 't': 16, 'b': 44},
        paper_bgcolor='rgba(0,0,0,0)', plot_bgcolor='rgba(0,0,0,0)', showlegend=False,
        hoverlabel={'font': {'family': 'inherit'}}, **layout)
    return figure


def latency_plot(run: Run, other: Run | None) -> go.Figure:
    """Draw a histogram of the latencies, in percent of the frames, with p50, p95 and p99."""
    figure = _figure(HEIGHT, bargap=0.06)
    runs = [found for found in (run, other) if found]
    low = min(min(found['latency_ms']) for found in runs)
    high = min(max(max(found['latency_ms']) for found in runs),
               TAIL * max(values(found)['latency p99'] for found in runs))
    bars = min(BARS, 2 * ceil(len(run['latency_ms']) ** 0.5))
    edges = np.linspace(low, max(high, low * 1.01), bars + 1)
    shares = [100 * np.histogram(np.minimum(found['latency_ms'], edges[-1]), edges)[0]
              / len(found['latency_ms']) for found in runs]
    middle = (edges[1:] + edges[:-1]) / 2
    hover = '%{x:.3g} ms: %{y:.1f} % of the frames<extra></extra>'
    figure.add_bar(x=middle.tolist(), y=shares[0].tolist(), marker_color=HERE, opacity=0.85,
                   hovertemplate=hover)
    if other:
        figure.add_scatter(x=middle.tolist(), y=shares[1].tolist(), mode='lines',
                           line={'color': OTHER, 'width': 2, 'shape': 'hvh'},
                           hovertemplate=hover)
    top = float(max(share.max() for share in shares))
    for found, color in zip(runs, (HERE, OTHER)):
        for name, height in (('p50', 1.06), ('p95', 1.16), ('p99', 1.26)):
            if name == 'p99' and len(found['latency_ms']) < ENOUGH:
                continue
            ms, high = values(found)[f'latency {name}'], height + 0.05 * (color == OTHER)
            figure.add_scatter(x=[ms, ms], y=[0, top * high], mode='lines', hoverinfo='skip',
                               line={'color': color, 'width': 1.5, 'dash': 'dot'})
            figure.add_annotation(
                x=ms, y=top * high, text=f'{name} {number(ms)}', showarrow=False,
                xanchor='right' if ms > 0.9 * edges[-1] + 0.1 * low else 'left',
                font={'color': color, 'size': 13}, xshift=0)
    _axis(figure.update_yaxes, '% of the frames', range=[0, top * 1.38])
    _axis(figure.update_xaxes, 'ms')
    return figure


def _axis(update: Callable[..., Any], title: str, **options: Any) -> None:
    update(title={'text': title, 'font': {'size': 13}}, automargin=True, **options)


def shares_of(stages: dict[str, float]) -> dict[str, int]:
    """Return the share of each stage in percent, rounded so that the shares add up to 100."""
    exact = {name: 100 * ms / (sum(stages.values()) or 1.0) for name, ms in stages.items()}
    shares = {name: int(share) for name, share in exact.items()}
    # Only the shares with the largest fractional parts are rounded up.
    largest = sorted(exact, key=lambda name: shares[name] - exact[name])
    for name in largest[:round(sum(exact.values())) - sum(shares.values())]:
        shares[name] += 1
    return shares


def stages_plot(run: Run, other: Run | None) -> go.Figure:
    """Draw the median time of each stage. Each bar begins where the previous bar ends."""
    figure = _figure(HEIGHT, barmode='group')
    for found, color, _ in _runs(run, other):
        names = [escape(name) for name in found['stages_ms']]
        took = list(found['stages_ms'].values())
        begins = np.concatenate([[0.0], np.cumsum(took)[:-1]]).tolist()
        colors = [REST if name == OUTSIDE and color == HERE else color for name in names]
        figure.add_bar(y=names, x=took, base=begins, orientation='h', marker_color=colors,
                       text=[f' {number(ms)} ms' for ms in took], textposition='outside',
                       cliponaxis=False, offsetgroup=color, alignmentgroup='all',
                       hovertemplate='%{y}: %{x:.4g} ms<extra></extra>')
    labels = {escape(name): escape(name) for name in (other or run)['stages_ms']}
    labels |= {escape(name): f'{escape(name)}<br>{share} %'
               for name, share in shares_of(run['stages_ms']).items()}
    figure.update_yaxes(autorange='reversed', automargin=True, showgrid=False,
                        tickvals=list(labels), ticktext=list(labels.values()))
    most = max(sum(found['stages_ms'].values()) for found in (run, other) if found)
    _axis(figure.update_xaxes, 'ms since the frame was submitted', range=[0, most * 1.6])
    return figure


def rate_plot(run: Run, other: Run | None) -> go.Figure:
    """Draw the sent and the segmented frames per second over the number of cameras."""
    figure = _cameras_figure('frames a second', run, other)
    fps = run['setting'].get('fps', 0)
    _curve(figure, run, lambda found: found['cameras'] * fps, REST, 'dash', 'offered', 'top')
    for found, color, name in _runs(run, other):
        _curve(figure, found, lambda camera: camera['frames_per_s'], color, 'solid',
               f'segmented{name}')
    return figure


def delay_plot(run: Run, other: Run | None) -> go.Figure:
    """Draw p50 and p99 of the time from sending to result, over the number of cameras."""
    figure = _cameras_figure('ms from sending to result', run, other)
    for found, color, name in _runs(run, other):
        _curve(figure, found, lambda camera: camera['p99_ms'], color, 'solid', f'p99{name}', 'top')
        _curve(figure, found, lambda camera: camera['p50_ms'], color, 'dot', f'p50{name}')
    return figure


def _runs(run: Run, other: Run | None) -> list[tuple[Run, str, str]]:
    return [(run, HERE, ''), *([(other, OTHER, ', the other run')] if other else [])]


def _cameras_figure(title: str, run: Run, other: Run | None) -> go.Figure:
    figure = _figure(HEIGHT)
    ticks = sorted({camera['cameras'] for found, _, _ in _runs(run, other)
                    for camera in found['cameras']})
    _axis(figure.update_xaxes, 'cameras', tickvals=ticks, range=[0, max(ticks, default=1) * 1.5])
    _axis(figure.update_yaxes, title, rangemode='tozero')
    return figure


def _curve(figure: go.Figure, run: Run, value: Callable[[dict[str, float]], float], color: str,
           dash: str, name: str, side: str = 'bottom') -> None:
    """Add a curve.

    If the curve belongs to this run, the name of the curve is written at the last point.

    :param side: ``top`` writes the name above the last point, and ``bottom`` below the point.
    """
    cameras = run['cameras']
    end = '' if ',' in name else f' {name}'
    figure.add_scatter(
        x=[camera['cameras'] for camera in cameras], y=[value(camera) for camera in cameras],
        mode='lines+markers+text', line={'color': color, 'dash': dash, 'width': 2},
        marker={'size': 7}, text=[''] * (len(cameras) - 1) + [end], textposition=f'{side} right',
        textfont={'color': color}, cliponaxis=False,
        hovertemplate=f'{name}: %{{y:.4g}}<br>%{{x}} cameras<extra></extra>')


def memory_plot(run: Run, other: Run | None) -> go.Figure:
    """Draw the memory in MiB after each measurement. The lines of the other run are dotted."""
    legend = LINE * max(len(next(iter(run['memory_mib'].values()), ())), 1)
    figure = _figure(HEIGHT + legend)
    phases_of: dict[str, int] = {}
    for (found, _, _), dash in zip(_runs(run, other), ('solid', 'dot')):
        phases_of |= {escape(phase): _cameras_in(phase) for phase in found['memory_mib']}
        kinds: Iterable[str] = next(iter(found['memory_mib'].values()), ())
        for kind, color in zip(kinds, KINDS):
            phases = [p for p, by_kind in found['memory_mib'].items() if kind in by_kind]
            name = escape(kind)
            figure.add_scatter(
                x=[escape(phase) for phase in phases],
                y=[found['memory_mib'][p][kind] for p in phases], mode='lines+markers',
                name=name, showlegend=dash == 'solid', line={'color': color, 'dash': dash},
                marker={'size': 7}, hovertemplate=f'{name}, %{{x}}: %{{y:.0f}} MiB<extra></extra>')
    _axis(figure.update_yaxes, 'MiB', rangemode='tozero')
    # The two runs may have different numbers of cameras, so the points of both runs are sorted by
    # number of cameras here.
    figure.update_xaxes(showgrid=False, automargin=True, categoryorder='array',
                        categoryarray=sorted(phases_of, key=phases_of.__getitem__))
    figure.update_layout(
        showlegend=True, margin_t=legend,
        legend={'orientation': 'h', 'x': 0, 'y': 1.02, 'yanchor': 'bottom'})
    return figure


def _cameras_in(phase: str) -> int:
    first, _, what = phase.partition(' ')
    return int(first) if what.startswith('camera') else 0
