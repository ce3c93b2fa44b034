# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Estimates the work of ``trt_seg label``, and writes no results.

A shard is a part of a recording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import closing
from pathlib import Path
import time

from ...errors import EngineError, FleetError, ModelCardError, SegmentationError
from ...fleet.frames import read_shard
from ...fleet.jobs.label import LabelJob
from ...fleet.recordings import Recording, RecordingCopies, shorten_error
from ...fleet.run_folder import check_folder_of, name_as_before, open_store, read_plans
from ...fleet.scratch import ScratchFolder
from ...fleet.shards import Shard, ShardPlan
from ...model.card import ModelCard
from ...segmenter import Segmenter
from ...sources.image import AnyImage
from ...untrusted.terminal_text import count_noun
from ..fleet.workers import print_left_out, print_line

SECONDS = 5.0
"""The frame rate of a worker is measured for this time in seconds."""


def print_dry_run(recordings: Sequence[Recording], job: LabelJob, card: ModelCard) -> None:
    """Print the numbers of shards and frames, and the time that one worker would need.

    Each remote recording is copied to this machine. The copy is deleted afterwards.

    :raises FleetError, EngineError: if no recording can be read, if the model cannot be opened, or
        if the real command would refuse the folder of the run, see :func:`.check_folder_of`.
    """
    shards: list[Shard] = []
    left_out: Counter[tuple[str, str]] = Counter()
    rate, bad = 0.0, 0
    with closing(ScratchFolder()) as scratch:
        store = open_store(job.out, scratch.path)
        check_folder_of(job, store)
        done = store.find_done()
        copies = RecordingCopies(scratch.path / 'copy')
        for recording in name_as_before(recordings, read_plans(store)):
            try:
                path = copies.find(recording)
                plan = job.plan(recording, path)
                print_line(f'{recording.url}: {_list_topics(plan)}')
                rate = rate or _measure_rate(plan.shards[0], path, job, card)
                shards += plan.shards
                left_out.update(plan.left_out.items())
            except (EngineError, ModelCardError):
                raise
            except (SegmentationError, OSError) as error:
                bad += 1
                print_line(f'{recording.url} cannot be read: {shorten_error(error)}')
    if not shards:
        raise FleetError('no recording can be read')
    print_left_out(left_out, '--image-topic')
    frames = sum(shard.frames for shard in shards)
    seconds = sum(shard.end_ns - shard.begin_ns for shard in shards) / 1e9
    size = sum(recording.size for recording in recordings) / 1e9
    unread = f' ({bad} of them cannot be read)' if bad else ''
    print_line(f'{count_noun(len(recordings), "recording")}{unread}, {size:.2f} GB: '
               f'{count_noun(len(shards), "shard")}, {count_noun(frames, "frame")}, '
               f'{describe_time(seconds)} of camera images')
    _print_what_is_left(shards, done, job, rate)


def _print_what_is_left(shards: Sequence[Shard], done: Container[str], job: LabelJob, rate: float
                        ) -> None:
    """Print how many shards are complete, if any, and the time that the other shards need.

    :param rate: frames per second of one worker.
    """
    left = [shard for shard in shards if shard.name(job) not in done]
    frames = sum(shard.frames for shard in left)
    if complete := len(shards) - len(left):
        are = 'is' if complete == 1 else 'are'
        print_line(f'{count_noun(complete, "shard")} {are} already complete in {job.out}. '
                   f'Left: {count_noun(len(left), "shard")}, {count_noun(frames, "frame")}')
    print_line(f'One worker on this machine labels {rate:.1f} frames/s, so it needs about '
               f'{describe_time(frames / rate)}')


def _list_topics(plan: ShardPlan) -> str:
    frames: Counter[str] = Counter()
    for shard in plan.shards:
        frames[shard.topic] += shard.frames
    return ', '.join(f'{topic} {count_noun(count, "frame")}'.strip()
                     for topic, count in frames.items())


def describe_time(seconds: float) -> str:
    """Return a time as text, in hours, in minutes, or in seconds."""
    for size, unit in ((3600.0, 'hours'), (60.0, 'minutes')):
        if seconds >= size:
            return f'{seconds / size:.1f} {unit}'
    return f'{seconds:.1f} seconds'


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
