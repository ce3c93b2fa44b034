# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the accuracy of a model on many recordings, with workers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
import json

from ...accuracy.metrics import Scores
from ...errors import EvaluationError
from ...fleet.jobs.evaluate import COUNTS, EvaluateJob, EvaluationSums, read_sums
from ...fleet.recordings import find_recordings
from ...fleet.run_folder import claim_run, open_store, place_job
from ...fleet.schedule import FleetResult
from ...model.card import ModelCard
from .options import WorkerOptions
from .progress import FleetProgress
from .workers import (
    open_work_folder,
    open_workers,
    print_line,
    print_quarantine,
    run_workers,
)


@dataclass(frozen=True)
class FleetScores:
    """The scores of many recordings.

    :param scores: scores of each condition by name, and scores of all frames under ``all``. Empty
        if the run was stopped, or if no frame was scored.
    """

    scores: dict[str, Scores]
    sums: EvaluationSums
    result: FleetResult

    def print_summary(self) -> None:
        """Print the numbers of frames and shards, and the shards in quarantine."""
        if self.result.stopped_by:
            print_line('the run was stopped. With --work, the same command scores only the '
                       'missing shards')
        unusable = self.sums.count_unusable()
        print_line(f'scored {self.result.rows} frames in {len(self.result.shards)} shards. '
                   f'{self.result.new} of these shards are new. {self.result.recordings} '
                   f'recordings are complete. {unusable["unlabelled"]} other frames have no label '
                   f'map, and {unusable["bad"]} cannot be decoded')
        print_quarantine(self.result)


def evaluate_recordings(card: ModelCard, job: EvaluateJob, sources: Sequence[str],
                        work: str | None, options: WorkerOptions) -> FleetScores:
    """In all recordings, score each frame that has a label map.

    :param job: the job, whose ``out`` and ``key`` are not used.
    :param work: folder or URL for the results of the workers; None for a temporary folder.
    :raises SourceError: if a source cannot be read.
    :raises EvaluationError: if no frame has a label map.
    :raises FleetError: see :meth:`.FleetRun.run`.
    """
    recordings = find_recordings(sources, labelled=True)
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
    return FleetScores(scores, sums, result)
