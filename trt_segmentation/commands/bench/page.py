# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write bench.html, a page about a run of ``trt_seg bench``. A browser can open it offline."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
import json
from pathlib import Path
from string import Template
from typing import Any

from plotly.offline import get_plotlyjs

from ...untrusted.output_files import MARKER, write_file
from .compare import cautions, differences
from .plots import delay_plot, latency_plot, memory_plot, rate_plot, shares_of, stages_plot
from .schema import ENOUGH, NEEDED_ROWS, number, title, values

TEMPLATE = Path(__file__).with_name('page.html')


def write_page(run: dict[str, Any], path: Path, other: dict[str, Any] | None = None) -> None:
    """Write one HTML file that contains all scripts and plots.

    :param run: content of this run's bench.json.
    :param other: content of another run's bench.json, for a comparison; None for no comparison.
    """
    plots = {'latency': latency_plot(run, other), 'stages': stages_plot(run, other),
             'memory': memory_plot(run, other), 'rate': rate_plot(run, other),
             'delay': delay_plot(run, other)}
    doubts = [*run['cautions'], *(cautions(run, other) if other else [])]
    page = Template(TEMPLATE.read_text(encoding='utf-8')).substitute(
        marker=MARKER, title=escape(title(run)), frames=len(run['latency_ms']),
        device=escape(str(run['setting'].get('device', ''))),
        against=_against(other), tiles=_tiles(run), words=_items(_sentences(run)),
        cautions=f'<ul class="cautions">{_items(doubts)}</ul>' if doubts else '',
        rows=_rows(run, other), facts=_facts(run), plotly=get_plotlyjs(),
        plots=_script_json({name: json.loads(plot.to_json()) for name, plot in plots.items()}))
    write_file(path, page.encode())


def _script_json(tree: Any) -> str:
    # A </script> in a name must not end the script element.
    return json.dumps(tree).replace('<', '\\u003c')


def _against(other: dict[str, Any] | None) -> str:
    if other is None:
        return ''
    return (f'<p class="against"><span class="key here"></span> this run '
            f'<span class="key other"></span> {escape(title(other))}, '
            f'{escape(other["machine"])}, {escape(other["when"])}</p>')


def _tiles(run: dict[str, Any]) -> str:
    found = values(run)
    tiles = [(number(found['latency p50']), 'ms', 'for one frame, median'),
             (number(found['latency p99']), 'ms', '99 of 100 frames are faster')
             if len(run['latency_ms']) >= ENOUGH else
             ('–', 'ms', f'too few frames for p99: {len(run["latency_ms"])}'),
             (number(found['throughput']), 'frames/s', 'with a full pipeline')]
    kept = [c['cameras'] for c in run['cameras'] if not c['dropped']]
    if run['cameras']:
        tiles.append((f'{max(kept, default=0):.0f}', f'of {run["cameras"][-1]["cameras"]:.0f}',
                      f'cameras at {run["setting"].get("fps"):g} frames/s, no frame dropped'))
    return ''.join(f'<div class="tile"><b>{escape(value)}</b> <i>{escape(unit)}</i>'
                   f'<span>{escape(text)}</span></div>' for value, unit, text in tiles)


def _sentences(run: dict[str, Any]) -> Iterable[str]:
    found, stages = values(run), run['stages_ms']
    p50, p95, p99, rate, opened = (number(found[name]) for name in NEEDED_ROWS)
    result = 'label map and overlay' if run['setting'].get('overlay') else 'label map'
    yield (f'A single frame takes {p50} ms (median), from camera bytes in host memory to {result} '
           f'in host memory. One frame in 20 takes longer than {p95} ms'
           + (f', and one in 100 takes longer than {p99} ms.' if len(run['latency_ms']) >= ENOUGH
              else f'. {len(run["latency_ms"])} frames are too few frames for p99.'))
    longest = max(stages, key=lambda stage: stages[stage])
    yield (f'The longest part is {longest}: {number(stages[longest])} ms, '
           f'{shares_of(stages)[longest]} % of the time.')
    in_flight = run['setting'].get('in_flight')
    yield (f'With {in_flight} batch{"es" * (in_flight != 1)} in flight, the pipeline segments '
           f'{rate} frames per second.')
    for camera in run['cameras']:
        count, share = int(camera['cameras']), camera['dropped'] / max(camera['offered'], 1)
        dropped = f'{number(100 * share)} % of the' if share else 'no'
        yield (f'With {count} camera{"s" * (count > 1)}, the pipeline segments '
               f'{number(camera["frames_per_s"])} frames per second. It drops {dropped} '
               'frames. ' + (
                   'For 99 of 100 frames, the result is ready at most '
                   f'{number(camera["p99_ms"])} ms after the camera sent the frame.'
                   if camera['answered'] >= ENOUGH else
                   f'{camera["answered"]:.0f} frames are too few frames for p99.'))
    yield f'Opening the model took {opened} s.'


def _items(texts: Iterable[str]) -> str:
    return ''.join(f'<li>{escape(text)}</li>' for text in texts)


def _rows(run: dict[str, Any], other: dict[str, Any] | None) -> str:
    if other is None:
        head: tuple[str, ...] = ('', 'value', 'unit')
        lines = [(row['name'], number(row['value']), row['unit']) for row in run['rows']]
        return _table(head, lines)
    return _table(('', 'here', 'unit', 'other', 'here / other', ''), [
        (d.name, number(d.here), d.unit, number(d.other), d.text, d.word)
        for d in differences(run, other)])


def _table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    def cells(tag: str, texts: tuple[str, ...]) -> str:
        return ''.join(f'<{tag} class="{_kind(head[i], text)}">{escape(text)}</{tag}>'
                       for i, text in enumerate(texts))
    body = ''.join(f'<tr>{cells("td", line)}</tr>' for line in lines)
    return f'<table><thead><tr>{cells("th", head)}</tr></thead><tbody>{body}</tbody></table>'


def _kind(column: str, text: str) -> str:
    if text in ('better', 'worse', 'same'):
        return text
    return 'number' if column in ('value', 'here', 'other', 'here / other') else ''


def _facts(run: dict[str, Any]) -> str:
    facts = {'measured': run['when'], 'machine': run['machine'], 'commit': run['commit'],
             **run['setting'], **run['versions']}
    return ''.join(f'<dt>{escape(key.replace("_", " "))}</dt><dd>{escape(str(value))}</dd>'
                   for key, value in facts.items() if value != '')
