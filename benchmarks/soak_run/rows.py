# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The numbers of a soak test and their limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from report import FigureReport

from .receiver import Counts, EVERY
from .trend import drift, slope, Window
from .watch import ProcessSample

MEMORY = 5.0
"""Limit of a slope in MB per hour. This is 120 MB per day, which does no harm if a robot restarts
every week."""
COUNTED = 150.0
"""If fewer seconds follow the warm-up, growth and drift have no limit."""
LONG = 1200.0
"""If fewer seconds follow the warm-up, a slope has no limit. The heap grows by one image if more
images are in use than ever before. In a short run, such a step would look like a leak."""
DRIFT = 10.0
"""Limit of the drift of latency, in percent. A queue or a leak that does harm within days changes
latency by more than this in half an hour."""
LOST = 0.5
"""Limit of lost images, in percent. Best effort may lose images, but only few at this rate."""
SUPERSEDED = 1.0
"""Limit of superseded images in percent. The search for the rate saw none."""
RATE = 0.99
"""The cameras must reach this fraction of the rate. Otherwise they are too slow for the test."""
AGREEMENT = {'onnxruntime-cpu': 1.0}
"""Required fraction of equal pixels. On the CPU, node and reference compute in the same way."""
ELSEWHERE = 0.99
"""Required fraction of equal pixels with any other engine, as in the tests."""


@dataclass(frozen=True)
class Soaked:
    """All data of one soak test.

    :param hz: images per second of each camera.
    :param seconds: duration of the test. Memory does not count in the first ``warm`` seconds.
    :param counts: counts of the node during the test.
    :param total: counts of the node since its start.
    :param published: (n, 3) camera, picture, stamp in ns of every image since the start.
    :param arrived: (n, 4) camera, picture, stamp, arrival in ns of every label map.
    :param begin: time in ns when the test began.
    :param agreement: fraction of equal pixels of each label map that was compared.
    :param frame_mb: MB of an image, its overlay and its label map together.
    :param confusable: fraction of pixels that are equal in the two most similar label maps.
    :param foreign: number of label maps on the topic of another camera.
    """

    hz: float
    seconds: float
    warm: float
    cameras: int
    engine: str
    counts: Counts
    total: Counts
    published: npt.NDArray[np.int64]
    arrived: npt.NDArray[np.int64]
    begin: int
    samples: Sequence[ProcessSample]
    windows: Sequence[Window]
    frame_mb: float
    agreement: Sequence[float]
    confusable: float
    foreign: int
    exit_code: int

    @property
    def counted(self) -> float:
        return self.seconds - self.warm

    @property
    def warmed(self) -> list[ProcessSample]:
        return [s for s in self.samples if s.at >= self.warm]


def add_rows(report: FigureReport, soak: Soaked) -> None:
    _rate(report, soak)
    _process(report, soak)
    for name in ('p50', 'p99'):
        values = [getattr(window, name) for window in soak.windows]
        report.add(f'latency {name}, median of the windows', float(np.median(values)), 'ms')
        moved = drift(values)
        report.add(f'latency {name}: last fifth against the first', moved, '%', *(
            (f'< {DRIFT:g}', moved < DRIFT) if soak.counted >= COUNTED else ('', None)))
    _losses(report, soak)
    _label_maps(report, soak)
    report.add('exit code of the node', soak.exit_code, '', '0', soak.exit_code == 0)


def _rate(report: FigureReport, soak: Soaked) -> None:
    during = soak.published[soak.published[:, 2] >= soak.begin]
    slowest = min(_hz(during[during[:, 0] == camera, 2]) for camera in range(soak.cameras))
    report.add('images a second and camera, asked for', soak.hz, '/s')
    report.add('images a second, slowest camera', slowest, '/s', f'>= {RATE:g} of asked',
               slowest >= RATE * soak.hz)
    report.add('seconds soaked', soak.seconds, 's')


def _hz(stamps: npt.NDArray[np.int64]) -> float:
    if len(stamps) < 2:
        return 0.0
    return float((len(stamps) - 1) / (stamps.max() - stamps.min()) * 1e9)


def _process(report: FigureReport, soak: Soaked) -> None:
    """Add memory, threads, handles and segments of the node, and the memory of the GPU.

    Proportional memory has no limit. Other processes that use the same libraries change it.
    """
    samples = soak.warmed
    at = [s.at for s in samples]
    for field, name in (('rss_mb', 'resident memory'), ('pss_mb', 'proportional memory'),
                        ('private_mb', 'anonymous memory'), ('gpu_mb', 'GPU memory')):
        values = [getattr(s, field) for s in samples]
        if None in values:
            continue
        report.add(f'{name} at the end', values[-1], 'MB')
        found = slope(at, values)
        grown, held = found.per_hour * soak.counted / 3600, field != 'pss_mb'
        report.add(f'{name}: rise of the line while counted', grown, 'MB', *(
            (f'< {soak.frame_mb:.3g}, a frame and its answers', grown < soak.frame_mb)
            if held and soak.counted >= COUNTED else ('', None)))
        report.add(f'{name}: slope', found.per_hour, 'MB/h', *(
            (f'< {MEMORY:g} or 2 errors', found.is_bounded(MEMORY))
            if held and soak.counted >= LONG else ('', None)))
        report.add(f'{name}: standard error of the slope', found.error, 'MB/h')
    for field, name in (('threads', 'threads'), ('handles', 'file handles'),
                        ('segments', 'shared memory segments')):
        values = [getattr(s, field) for s in samples]
        grown = float(np.median(values[-3:]) - np.median(values[:3]))
        report.add(f'{name} at the end', values[-1], '')
        report.add(f'{name}: end against start', grown, '', '0', grown == 0)


def _losses(report: FigureReport, soak: Soaked) -> None:
    counts = soak.counts
    sent = int((soak.published[:, 2] >= soak.begin).sum())
    arrived = int((soak.arrived[:, 2] >= soak.begin).sum())
    report.add('images published', sent, 'frames')
    report.add('frames the node took', counts.frames_in, 'frames')
    report.add('frames answered', counts.frames_out, 'frames')
    for reason, count in sorted({'superseded': 0, **counts.dropped}.items()):
        most = SUPERSEDED if reason == 'superseded' else 0.0
        share = 100 * count / max(counts.frames_in, 1)
        report.add(f'dropped: {reason}', count, 'frames',
                   f'<= {most:g} % of those taken', share <= most)
    for what, lost, of in (('images', sent - counts.frames_in, sent),
                           ('label maps', counts.frames_out - arrived, counts.frames_out)):
        report.add(f'{what} lost in the middleware', lost, 'frames', f'<= {LOST:g} %',
                   0 <= lost <= LOST / 100 * of)
    rest = soak.total.in_flight
    report.add('taken, neither answered nor dropped, since the start', rest, 'frames', '0',
               rest == 0)


def _label_maps(report: FigureReport, soak: Soaked) -> None:
    """Add rows that check whether each label map belongs to an image and is right."""
    known = set(map(tuple, soak.published.tolist()))
    answered = [tuple(row[:3]) for row in soak.arrived.tolist()]
    strange = sum(key not in known for key in answered)
    report.add('label maps of no image published, since the start', strange, '', '0', strange == 0)
    twice = len(answered) - len(set(answered))
    report.add('label maps that came twice', twice, '', '0', twice == 0)
    report.add('label maps on the topic of another camera', soak.foreign, '', '0',
               soak.foreign == 0)
    least = AGREEMENT.get(soak.engine, ELSEWHERE)
    report.add(f'label maps compared with the host pipeline (1 in {EVERY})',
               len(soak.agreement), '', '> 0', len(soak.agreement) > 0)
    worst = min(soak.agreement, default=0.0)
    report.add('agreement of the worst of them', worst, '', f'>= {least:g}', worst >= least)
    report.add('agreement of the two most alike pictures', soak.confusable, '',
               'below the bar above', soak.confusable < least)
