# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the accuracy of a model on many recordings. Workers share the recordings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
import json

from ...accuracy.metrics import Scores
from ...errors import EvaluationError
from ...fleet.jobs.evaluate import COUNTS, EvaluateJob, EvaluationSums, read_sums
from ...fleet.recordings import find_recordings, is_bag
from ...fleet.run_folder import claim_run, open_store, place_job
from ...fleet.schedule import FleetResult
from ...model.card import ModelCard
from ...untrusted.terminal_text import count_noun
from .options import WorkerOptions
from .progress import FleetProgress
from .topics import check_topics
from .workers import (
    describe_frames,
    open_work_folder,
    open_workers,
    print_line,
    print_quarantine,
    run_workers,
)


@dataclass(frozen=True)
class FleetScores:
    """The scores of many recordings.

    :param scores: scores of each light condition (dark, dim or bright) by name, and scores of all
        frames under ``all``. Empty if the run was stopped, or if no frame was scored.
    :param has_work: whether the results of the shards (parts of recordings) are kept for the next
        command.
    """

    scores: dict[str, Scores]
    sums: EvaluationSums
    result: FleetResult
    has_work: bool

    def print_summary(self) -> None:
        """Print the numbers of frames and shards, and the shards that were given up."""
        if self.result.stopped_by:
            print_line('the run was stopped. ' + (
                'Run the same command again to score the missing shards' if self.has_work else
                'The results of the finished shards are lost, because they were in a temporary '
                'folder. To keep the results of the next run, give --work FOLDER'))
        unlabelled = self.sums.count_unusable()['unlabelled']
        print_line(f'{describe_frames(self.result.frames, "scored")}, '
                   f'{unlabelled} without a label map. '
                   f'{count_noun(len(self.result.shards), "shard")} ({self.result.new} new). '
                   f'Complete recordings: {self.result.recordings}')
        print_quarantine(self.result.quarantined, can_retry=self.has_work)


def evaluate_recordings(card: ModelCard, job: EvaluateJob, sources: Sequence[str],
                        work: str | None, options: WorkerOptions) -> FleetScores:
    """In all recordings, score each frame that has a label map.

    :param job: the job, whose ``out`` and ``key`` are not used.
    :param work: folder or URL for the results of the workers; None for a temporary folder.
    :raises SourceError: if a source cannot be read.
    :raises EvaluationError: if no frame has a label map, if a recording is a bag and the job has
        no label topic, or if the label topic has camera images.
    :raises BagError: if no bag has the image topic, or if no bag has the label topic.
    :raises FleetError: see :meth:`.FleetRun.run`.
    """
    recordings = find_recordings(sources, labelled=True, say=print_line)
    if job.label_topic is None and (bag := next(filter(is_bag, recordings), None)):
        raise EvaluationError(f'{bag.url} is a bag. Give the topic of its label maps with '
                              '--label-topic')
    check_topics(recordings, job.topic, job.label_topic)
    with open_work_folder(work) as folder:
        job = place_job(card, replace(job, out=folder))
        with closing(open_store(job.out)) as store:
            claim_run(store, job, card)
            workers = open_workers(job, options)
            with FleetProgress() as progress:
                result = run_workers(job, store, recordings, card.classes, workers, options,
                                     progress.show, progress.print_line)
            sums = read_sums(json.loads(store.read(COUNTS) or b''))
    total = sums.total(len(card.classes))
    if not total.images and not result.exit_code:
        raise EvaluationError(f'no frame of {", ".join(sources)} has a label map with the same '
                              'stamp')
    scores: dict[str, Scores] = {}
    if total.images and not result.stopped_by:
        scores = {'all': total.scores(card.classes), **{
            name: counts.scores(card.classes) for name, counts in sums.conditions.items()}}
    return FleetScores(scores, sums, result, work is not None)
