# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Picks frames of a labelling run for annotation, and writes them with the model's labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ...errors import FleetError
from ...fleet.jobs.label import LabelJob
from ...fleet.manifest import read_table
from ...fleet.recordings import RecordingCopies
from ...fleet.run_folder import list_runs, open_store, read_shards
from ...fleet.scratch import ScratchFolder
from ...fleet.shards import Shard
from ...fleet.store import Store
from ...model.card import load_card, ModelCard
from ...picking.annotation import write_annotation_folder
from ...picking.choose import choose_picks, Pick, read_picked, read_picks, score_by_disagreement
from ...segmented_image import SegmentedImage
from ...segmenter import Segmenter
from .options import LabelOptions


def write_picks(job: LabelJob, card: ModelCard, store: Store, options: LabelOptions,
                say: Callable[[str], None]) -> None:
    """Choose frames, segment them again, and write them into the folder of the run.

    ``--pick disagree`` compares the label maps of this run with the label maps of another run,
    which is also in ``--out``. ``--against`` names the other run.

    :raises FleetError: if the run has no manifest, which is the table of its frames, or if a
        recording was moved or deleted. With ``--pick disagree``, this error is also raised if
        ``--against`` does not name another run. If there is no ``--against``, ``--out`` must have
        exactly one other run. The other run must have the same shards (parts of recordings).
    :raises SegmentationError: if a recording cannot be read any more.
    """
    assert options.pick
    kind, count = options.pick
    picks = read_picks(read_table(store), needs_entropy=kind == 'uncertain')
    shards = read_shards(store, job)
    with closing(ScratchFolder()) as scratch:
        if kind == 'disagree':
            picks = _score_disagreement(picks, job, card, store, options, shards, scratch.path)
        chosen = choose_picks(picks, count, options.pick_seconds)
        folder = f'pick-{kind}-{count}'
        with Segmenter(card, engine=options.engine, precision=options.precision, overlay=False,
                       confidence=False) as segmenter:
            written = write_annotation_folder(
                store, folder, card, _segment(segmenter, chosen, shards, scratch.path))
    say(f'{written} of {len(picks)} frames for annotation → {job.out}/{folder}')
    if len(picks) < count:
        frames = 'is only 1 frame' if len(picks) == 1 else f'are only {len(picks)} frames'
        say(f'there {frames} with labels')
    if written < min(count, len(picks)):
        say(f'every other frame is less than {options.pick_seconds:g} s (--pick-seconds) from a '
            'picked frame of its camera')


def _score_disagreement(picks: Sequence[Pick], job: LabelJob, card: ModelCard, store: Store,
                        options: LabelOptions, shards: dict[str, Shard], scratch: Path
                        ) -> list[Pick]:
    every = list_runs(options.out)
    runs = {name: facts for name, facts in every.items() if facts['key'] != job.key}
    name = options.against or (next(iter(runs)) if len(runs) == 1 else '')
    if name not in runs:
        reason = (f'--against {name} is not another run in {options.out}' if name else
                  f'{options.out} has several other runs. Choose one with --against' if runs else
                  f'--pick disagree needs another run in {options.out}. Label the recordings '
                  'with another model first')
        raise FleetError(f'{reason}. Other runs: {", ".join(runs) or "none"}')
    facts = runs[name]
    other = LabelJob(**{key: facts[key] for key in LabelJob.__dataclass_fields__})
    other_store = open_store(other.out, scratch)
    ours = next(run for run in every if run not in runs)
    _check_shards({pick.shard for pick in picks}, {ours: every[ours], name: facts}, other_store,
                  {shard: shards[shard].name(other) for shard in shards})
    return score_by_disagreement(
        picks, store, card, job, (other_store, load_card(other.model), other), shards, scratch)


def _check_shards(names: Collection[str], runs: Mapping[str, Mapping[str, Any]], other: Store,
                  other_names: Mapping[str, str]) -> None:
    """Check that the second of two runs has the shards of the first run.

    :param names: names of the shards in the first run.
    :param runs: maps the name of each run to its options. The first run comes first.
    :param other: store of the second run.
    :param other_names: maps the name of each shard to its name in the second run.
    :raises FleetError: if a shard is missing in the second run.
    """
    first, second = runs
    ours, theirs = (facts['window_s'] for facts in runs.values())
    if ours != theirs:
        raise FleetError(
            'the two runs divide the recordings into shards of different length: '
            f'{first} has --shard-seconds {ours:g}, and {second} has --shard-seconds {theirs:g}. '
            'Label the recordings with both models, with one --shard-seconds and a new --out')
    done = other.find_done()
    if missing := sum(other_names[name] not in done for name in names):
        raise FleetError(
            f'shards of {first} that are not complete in {second}: {missing} of {len(names)}. '
            f'Label the same SOURCEs with --model {runs[second]["model"]}. Give the same '
            '--image-topic as for the first model')


def _segment(segmenter: Segmenter, chosen: Sequence[Pick], shards: dict[str, Shard],
             scratch: Path) -> Iterator[tuple[str, SegmentedImage]]:
    copies = RecordingCopies(scratch / 'copy')

    def find(shard: Shard) -> Path:
        try:
            path = copies.find(shard.recording)
            path.stat()
        except FileNotFoundError as error:
            raise FleetError(f'{shard.recording.url} was moved or deleted. If it was moved, label '
                             'it again from its new place') from error
        return path

    for pick, image in read_picked(chosen, shards, find):
        yield f'{pick.shard}-{pick.number:06d}', segmenter(image.image)
