# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the frames of a labelling run that are most useful to annotate.

A labelling run is the work of ``trt_seg label``: a model labels the frames of many recordings. A
shard is a part of a recording.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import FleetError
from ..fleet.formats import read_labels
from ..fleet.frames import read_shard
from ..fleet.jobs.label import LabelJob
from ..fleet.shards import Shard
from ..fleet.store import Store
from ..frame import UNLABELLED
from ..model.card import ModelCard
from ..sources.image import SourceImage


@dataclass(frozen=True)
class Pick:
    """A frame that can be chosen for annotation.

    :param shard: name of the shard that has the frame.
    :param number: position among the frames that the run took from the shard, counted from 1.
    :param camera: URL of the recording, and the image topic.
    :param condition: light of the frame: ``dark``, ``dim`` or ``bright``.
    :param score: how unsure one model is of the frame, or how much two models disagree.
        Frames with high scores are chosen first.
    """

    shard: str
    number: int
    camera: tuple[str, str]
    log_time_ns: int
    condition: str
    score: float


def read_picks(table: pa.Table, needs_entropy: bool) -> list[Pick]:
    """Return the frames of a run that could be decoded. The score of a frame is its entropy.

    The entropy is high if the model is unsure of the classes. If ``needs_entropy`` is False, a
    frame without entropy has score 0.

    :param table: the manifest of the run, which is a table with one row for each frame.
    :raises FleetError: if ``needs_entropy`` is True and a frame has no entropy.
    """
    columns = ('shard', 'number', 'url', 'topic', 'log_time_ns', 'condition', 'entropy',
               'decode_error')
    rows: list[dict[str, Any]] = table.select(columns).to_pylist()
    good = [row for row in rows if row['decode_error'] is None]
    if needs_entropy and any(row['entropy'] is None for row in good):
        raise FleetError('the model gives class ids without confidence, so the frames have no '
                         'entropy. Use --pick disagree with a second model')
    return [Pick(row['shard'], row['number'], (row['url'], row['topic']), row['log_time_ns'],
                 row['condition'], row['entropy'] or 0.0) for row in good]


def choose_picks(picks: Sequence[Pick], count: int, gap_s: float) -> list[Pick]:
    """Choose frames with high scores, the same number for each condition of light.

    If a condition has too few frames, the other conditions get more.

    :param count: number of frames to choose.
    :param gap_s: shortest accepted time in seconds between two chosen frames of one camera
        in a recording.
    """
    waiting: dict[str, list[Pick]] = defaultdict(list)
    for pick in sorted(picks, key=lambda p: (p.score, p.shard, -p.number)):
        waiting[pick.condition].append(pick)
    taken: dict[tuple[str, str], list[int]] = defaultdict(list)
    chosen: list[Pick] = []
    while len(chosen) < count and any(waiting.values()):
        for condition in sorted(waiting):
            while waiting[condition] and len(chosen) < count:
                pick = waiting[condition].pop()
                near = taken[pick.camera]
                if all(abs(pick.log_time_ns - other) >= gap_s * 1e9 for other in near):
                    near.append(pick.log_time_ns)
                    chosen.append(pick)
                    break
    return chosen


def score_by_disagreement(picks: Sequence[Pick], store: Store, card: ModelCard, job: LabelJob,
                          other: tuple[Store, ModelCard, LabelJob], shards: Mapping[str, Shard],
                          scratch: Path) -> list[Pick]:
    """Score each frame by the share of pixels whose classes differ between two runs.

    Classes are compared by name. Several threads read the label maps of all frames.

    :param other: store, card and job of the second run. A job has the options of a run.
    :param shards: shards of the first run by name.
    :param scratch: empty folder for copies of label maps from an object store.
    :raises FleetError: if a shard is missing in a run.
    """
    by_shard: dict[str, list[Pick]] = defaultdict(list)
    for pick in picks:
        by_shard[pick.shard].append(pick)
    to_ours = _translate(other[1], card)

    def score(name: str) -> list[Pick]:
        ours = store.fetch(name, scratch)
        theirs = other[0].fetch(shards[name].name(other[2]), scratch)
        pairs = zip(by_shard[name],
                    read_labels(ours, job.label_format, UNLABELLED[card.label_dtype]),
                    read_labels(theirs, other[2].label_format, UNLABELLED[other[1].label_dtype]),
                    strict=True)
        return [replace(pick, score=float((a != to_ours[b]).mean())) for pick, a, b in pairs]

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return [pick for part in threads.map(score, by_shard) for pick in part]


def _translate(source: ModelCard, target: ModelCard) -> npt.NDArray[np.int64]:
    """Return an array that maps each label of ``source`` to the label in ``target``.

    If ``target`` has no class of the same name, the array gives -1.
    """
    table = np.full(1 << 16, -1, np.int64)
    table[UNLABELLED[source.label_dtype]] = UNLABELLED[target.label_dtype]
    for index, name in enumerate(source.classes):
        if name in target.classes:
            table[index] = target.classes.index(name)
    return table


def read_picked(picks: Sequence[Pick], shards: Mapping[str, Shard],
                find_path: Callable[[Shard], Path]) -> Iterator[tuple[Pick, SourceImage]]:
    """Yield the chosen frames with their images, one shard after the other.

    :param find_path: returns the path of a shard's recording on this machine.
    :raises BagError, VideoError, FleetError: if a frame cannot be read any more.
    """
    for pick in sorted(picks, key=lambda p: (p.shard, p.log_time_ns)):
        shard = shards[pick.shard]
        path = find_path(shard)
        # Most frames of a bag can be decoded without the frames before them. For all other frames,
        # the whole shard is decoded, because a shard begins with a keyframe.
        alone = replace(shard, begin_ns=pick.log_time_ns, end_ns=pick.log_time_ns + 1)
        for part in ((alone, shard) if shard.topic else (shard,)):
            with closing(read_shard(part, path)) as frames:
                image = next((image for frame, image in frames
                              if frame.log_time_ns == pick.log_time_ns
                              and isinstance(image, SourceImage)), None)
            if image is not None:
                yield pick, image
                break
        else:
            raise FleetError(f'frame {pick.number} of {pick.shard} cannot be read any more')
