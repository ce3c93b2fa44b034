# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Estimates the work of ``trt_seg label``, and writes no results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
import time

from ...errors import FleetError, SegmentationError
from ...fleet.frames import read_shard
from ...fleet.jobs.label import LabelJob
from ...fleet.recordings import Recording, RecordingCopies
from ...fleet.scratch import ScratchFolder
from ...fleet.shards import Shard
from ...model.card import ModelCard
from ...segmenter import Segmenter
from ...sources.image import AnyImage
from ..fleet.workers import print_line

SECONDS = 5.0
"""The frame rate of a worker is measured for this time in seconds."""


def print_dry_run(recordings: Sequence[Recording], job: LabelJob, card: ModelCard) -> None:
    """Print the numbers of shards and frames, and the hours that one worker would need.

    Each remote recording is copied to this machine. The copy is deleted afterwards.

    :raises FleetError: if no recording can be read.
    """
    shards: list[Shard] = []
    rate, bad = 0.0, 0
    for recording in recordings:
        with closing(ScratchFolder()) as scratch:
            try:
                path = RecordingCopies(scratch.path / 'copy').find(recording)
                planned = job.plan(recording, path)
                rate = rate or _measure_rate(planned[0], path, job, card)
                shards += planned
            except (SegmentationError, OSError) as error:
                bad += 1
                print_line(f'{recording.url} cannot be read: {error}')
    if not shards:
        raise FleetError('no recording can be read')
    frames = sum(shard.frames for shard in shards)
    hours = sum(shard.end_ns - shard.begin_ns for shard in shards) / 3.6e12
    size = sum(recording.size for recording in recordings) / 1e9
    print_line(f'{len(recordings)} recordings ({bad} of them cannot be read), {size:.2f} GB: '
                f'{len(shards)} shards, {frames} frames, {hours:.2f} hours of camera images')
    print_line(f'One worker on this machine labels {rate:.1f} frames/s, so it needs '
                f'{frames / rate / 3600:.2f} hours')


def _measure_rate(shard: Shard, path: Path, job: LabelJob, card: ModelCard) -> float:
    """Return the frames per second of one worker, measured after the first frame."""
    def images() -> Iterator[AnyImage]:
        with closing(read_shard(shard, path)) as frames:
            for _, image in frames:
                yield image

    with Segmenter(card, engine=job.engine, precision=job.precision, overlay=False) as segmenter, \
            closing(segmenter.segment_images(images())) as answers:
        next(answers, None)
        start, done = time.monotonic(), 0
        for _ in answers:
            done += 1
            if time.monotonic() - start > SECONDS:
                break
        return max(done, 1) / (time.monotonic() - start)
