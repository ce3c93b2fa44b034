# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs ``trt_seg label``: labels recordings, summarises the results, picks frames to annotate.

Recordings are labelled in parts, which are called shards. If a recording or a shard fails too
often, it is given up. The quarantine is the list of all recordings and shards that are given up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath

from rich.console import Console

from ...fleet.jobs.label import LabelJob
from ...fleet.manifest import count_bad, keep_shards, read_table
from ...fleet.recordings import Recording
from ...fleet.run_folder import claim_run, open_store, place_job, read_quarantine, read_shards
from ...fleet.schedule import FleetResult
from ...fleet.shards import FrameCounts
from ...fleet.store import Store
from ...model.card import load_card, ModelCard
from ...untrusted.terminal_text import count_noun
from ..fleet.progress import FleetProgress
from ..fleet.topics import check_topics
from ..fleet.workers import (
    describe_frames,
    open_workers,
    print_left_out,
    print_line,
    print_quarantine,
    run_workers,
)
from .damaged import print_damaged
from .dry_run import print_dry_run
from .existing import check_run, refuse_run_folder
from .options import LabelOptions
from .pick import write_picks
from .sources import find_sources
from .summary import draw_summary, make_table, summarise_manifest

SUMMARY = 'summary.png'


@dataclass(frozen=True)
class OpenRun:
    """The job of ``trt_seg label``, its model, and the store of its results."""

    job: LabelJob
    card: ModelCard
    store: Store


def run_label(options: LabelOptions) -> int:
    """Label recordings. With ``--pick``, also choose frames that a person should annotate.

    With ``--summary``, also summarise the results of this command and of earlier commands.

    :returns: the exit code, see :attr:`.FleetResult.exit_code`. With ``--summary``, the exit code
        is also 1 if an earlier command could not decode a frame or gave up a shard, or if no frame
        is labelled yet.
    :raises SegmentationError: if an option, the card or a source is wrong, or if a result cannot
        be written. Results that are already written stay.
    """
    options.check()
    card = load_compared_card(options.model)
    job = place_job(card, LabelJob(
        options.out, '', options.model, options.engine, options.precision, options.image_topic,
        options.shard_seconds, options.format))
    refuse_run_folder(options.out)
    recordings = find_sources(options.sources, options.out, print_line)
    if not recordings:
        check_run(options, job)
    check_topics(recordings, options.image_topic)
    if options.dry_run:
        print_dry_run(recordings, job, card)
        return 0
    code, quarantined = 0, dict[str, str]()
    with closing(open_store(job.out)) as store:
        run = OpenRun(job, card, store)
        if recordings:
            claim_run(store, job, card)
            result = _label(run, recordings, options)
            code, quarantined = result.exit_code, result.quarantined
        if options.summary and code < 128:
            code = max(code, _summarise(run, quarantined))
        if options.pick and code < 128:
            write_picks(job, card, store, options, print_line)
    return code


def load_compared_card(model: str) -> ModelCard:
    """Read a model card. Compare it with the network, if ONNX Runtime is installed.

    :raises ModelCardError: if the card cannot be read, or if the number of its class names differs
        from the number of classes of the network.
    """
    try:
        from ...accuracy.class_count import load_checked_card
    except ModuleNotFoundError:     # the workers may use TensorRT without ONNX Runtime
        return load_card(model)
    return load_checked_card(model)


def _label(run: OpenRun, recordings: Sequence[Recording], options: LabelOptions) -> FleetResult:
    workers = open_workers(run.job, options)
    with FleetProgress() as progress:
        result = run_workers(run.job, run.store, recordings, run.card.classes, workers, options,
                             progress.show, progress.print_line)
    _print_result(result, len(recordings), run.job.out)
    if result.frames.bad and not options.summary:
        print_damaged(keep_shards(read_table(run.store), result.shards))
    print_quarantine(result.quarantined)
    return result


def _print_result(result: FleetResult, recordings: int, out: str) -> None:
    are = 'is' if recordings == 1 else 'are'
    print_line(f'{result.recordings} of {count_noun(recordings, "recording")} {are} complete: '
               f'{count_noun(len(result.shards), "shard")} ({result.new} new), '
               f'{describe_frames(result.frames, "labelled")} → {out}')
    here = result.frames.good + result.frames.bad
    if result.frames.total > here:
        others = count_noun(result.frames.total - here, 'frame')
        print_line(f'the manifest also has {others} of other recordings, which earlier commands '
                   'labelled')
    if result.stopped_by:
        print_line('stopped. Run the same command again to label the rest')
    print_left_out(result.left_out, '--image-topic')


def _summarise(run: OpenRun, printed: Collection[str]) -> int:
    """Print the summary, and return the exit code.

    :param printed: names of recordings and shards in quarantine that were already printed.
    """
    table = read_table(run.store)
    bad = count_bad(table)
    found = summarise_manifest(table, run.card.classes)
    print_line(describe_frames(FrameCounts(table.num_rows - bad, bad), 'labelled'))
    if found:
        Console().print(make_table(found, run.card.classes))
        run.store.write(SUMMARY, draw_summary(found, run.card))
        print_line(f'plot → {run.job.out}/{SUMMARY}')
    print_damaged(table)
    in_quarantine = read_quarantine(run.store)
    given_up = {facts['what']: facts['reason'] for facts in in_quarantine.values()}
    print_quarantine({what: why for what, why in given_up.items() if what not in printed})
    _print_missing(run, {PurePosixPath(name).stem for name in in_quarantine})
    return 1 if bad or given_up or not table.num_rows else 0


def _print_missing(run: OpenRun, given_up: Collection[str]) -> None:
    """Print how many shards of the run are neither complete nor in quarantine.

    :param given_up: names of the recordings and shards in quarantine.
    """
    planned = read_shards(run.store, run.job).keys()
    done = run.store.find_done()
    if not done:
        print_line('no shard is complete yet')
    if missing := len(planned - done - set(given_up)):
        print_line(f'Planned shards that are not complete: {missing} of {len(planned)}. To label '
                   'them, run the same command with its SOURCEs again')
