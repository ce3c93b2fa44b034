# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses frames of many recordings for an INT8 calibration. Workers read the recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
import signal
from typing import Any
import weakref

import cv2
import numpy as np
import numpy.typing as npt

from ...accuracy.held_out import spread_evenly
from ...accuracy.recordings import Folder
from ...builder.feeds import Feeds
from ...builder.frame_choice import (
    extract_features,
    FrameChoice,
    FrameFeatures,
    group_by_light,
    THUMBNAIL,
    write_choice,
)
from ...errors import GraphError, Interrupted
from ...fleet.jobs.label import LabelJob
from ...fleet.manifest import keep_shards, read_table
from ...fleet.recordings import find_recordings, RecordingCopies
from ...fleet.run_folder import claim_run, open_store, place_job, read_shards
from ...fleet.scratch import ScratchFolder
from ...fleet.shards import Shard
from ...model.card import ModelCard
from ...picking.choose import Pick, read_picked, read_picks
from ...picking.cover import choose_by_cover, describe_frames
from ...untrusted.output_files import raise_output_errors, write_json
from ...view.progress import ProgressBars
from .options import CalibrationOptions
from .topics import check_topics
from .workers import (
    open_work_folder,
    open_workers,
    print_left_out,
    print_quarantine,
    run_workers,
)

CHOICE_FILE = 'calibration_frames.json'
"""File name of the report about the chosen frames."""
ENGINE = 'onnxruntime-cpu'
"""The workers use this engine, because it runs on every machine. So the choice never depends on a
GPU."""
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Candidates:
    """The frames of all recordings, and the frames that were chosen for a calibration.

    :param picks: every frame that could be decoded.
    :param light: (frames, 3) the light of each frame, see :class:`.FrameFeatures`. The third
        number would be the saturation, which is unknown here. So the third number is always 0.
    :param chosen: indices of the frames for the calibration, ascending.
    :param held_out: indices of the frames on which the accuracy is measured, ascending.
    :param shards: the shards (parts of recordings) by name.
    :param quarantined: the recordings and shards that could not be read, with the reasons.
    """

    picks: Sequence[Pick]
    light: npt.NDArray[np.float64]
    chosen: Indices
    held_out: Indices
    shards: Mapping[str, Shard]
    quarantined: Mapping[str, str]

    def tree(self) -> dict[str, Any]:
        """Return the report as a tree for JSON."""
        used = [self.picks[index] for index in self.chosen]
        return {
            'candidates': len(self.picks), 'chosen': len(used),
            'conditions': _count(self.picks, used, lambda pick: pick.condition),
            'recordings': _count(self.picks, used, lambda pick: pick.camera[0]),
            'quarantine': self.quarantined,
            'frames': [{'recording': pick.camera[0], 'topic': pick.camera[1],
                        'log_time_ns': pick.log_time_ns, 'condition': pick.condition}
                       for pick in used]}

    def describe(self) -> str:
        """Return the numbers of frames in one line."""
        lights = ', '.join(f'{numbers["chosen"]} of {numbers["candidates"]} {name}'
                           for name, numbers in self.tree()['conditions'].items())
        recordings = {self.picks[index].camera[0] for index in self.chosen}
        return (f'calibrating on {len(self.chosen)} of {len(self.picks)} frames ({lights}), from '
                f'{len(recordings)} recordings')


def _count(candidates: Sequence[Pick], chosen: Sequence[Pick], key: Callable[[Pick], str]
           ) -> dict[str, dict[str, int]]:
    taken = Counter(map(key, chosen))
    return {name: {'candidates': count, 'chosen': taken[name]}
            for name, count in sorted(Counter(map(key, candidates)).items())}


def choose_fleet_frames(card: ModelCard, model: str, options: CalibrationOptions, report: Path,
                        bars: ProgressBars) -> Feeds:
    """Choose frames from all recordings, decode the frames, and write a report of the choice.

    Workers segment one frame in each :attr:`.CalibrationOptions.every` seconds. Then only the
    chosen frames, and the frames on which the accuracy is measured, are decoded again.

    :param model: path or name of the card.
    :param report: folder for the report, which is created.
    :param bars: shows the progress and the result.
    :returns: the decoded frames. The frames are in files, which are deleted together with the
        returned object.
    :raises GraphError: if no frame of the recordings can be used.
    :raises SegmentationError: if a recording cannot be read, or if no worker starts.
    """
    found = _find_candidates(card, model, options, bars)
    scratch = ScratchFolder()
    source = Folder(scratch.path)
    weakref.finalize(source, scratch.close)
    decoded = _decode(found, source.path)
    blank = np.zeros((THUMBNAIL[1], THUMBNAIL[0], 3), np.uint8)
    shown = FrameChoice(
        [decoded[index] if index in decoded else FrameFeatures('', light, blank)
         for index, light in enumerate(found.light)], group_by_light(found.light), found.chosen)
    files = write_choice(shown, report)
    write_json(report / CHOICE_FILE, found.tree())
    bars.print_line(f'{found.describe()}. The report is {report / CHOICE_FILE}, {files}')
    order = sorted(decoded)
    chosen = np.flatnonzero(np.isin(order, found.chosen))
    return Feeds(card, source, FrameChoice(
        [decoded[index] for index in order], shown.group[order], chosen))


def _find_candidates(card: ModelCard, model: str, options: CalibrationOptions,
                     bars: ProgressBars) -> Candidates:
    recordings = find_recordings(options.calibrate, say=bars.print_line)
    check_topics(recordings, options.topic, say=bars.print_line)
    with open_work_folder(options.work) as folder:
        job = place_job(card, LabelJob(folder, '', model, ENGINE, topic=options.topic,
                                       label_format='none', every_s=options.every))
        with closing(open_store(job.out)) as store:
            claim_run(store, job, card)
            show = bars.add_bar('shards examined')
            result = run_workers(job, store, recordings, card.classes, open_workers(job, options),
                                 options, lambda status: show(status.done), bars.print_line)
            show(len(result.shards))
            if result.stopped_by:
                signal.raise_signal(result.stopped_by)      # as if the signal had not been caught
                raise Interrupted('the process was told to end')
            # The manifest also has the frames of earlier commands with the same --work.
            table = keep_shards(read_table(store), result.shards)
            shards = read_shards(store, job)
    print_left_out(result.left_out, '--topic')
    print_quarantine(result.quarantined, can_retry=options.work is not None)
    picks = read_picks(table, needs_entropy=False)
    if not picks:
        raise GraphError(f'no frame of {", ".join(options.calibrate)} can be decoded')
    chosen = choose_by_cover(describe_frames(table, picks, card.classes), picks, options.frames)
    left = np.setdiff1d(np.arange(len(picks)), chosen)
    count = 0 if options.hold_out else options.hold_out_frames
    light = [(row['brightness'], 2 * row['contrast'], 0.0) for row in table.select(
        ['brightness', 'contrast', 'decode_error']).to_pylist() if row['decode_error'] is None]
    return Candidates(picks, np.array(light), chosen, left[spread_evenly(len(left), count)],
                      shards, result.quarantined)


def _decode(found: Candidates, pictures: Path) -> dict[int, FrameFeatures]:
    """Write the chosen and held-out frames as PNG files. Return their features by index.

    Sorted by name, the files are in the order of the indices.
    """
    index_of = {found.picks[index]: int(index)
                for index in np.concatenate([found.chosen, found.held_out])}
    features: dict[int, FrameFeatures] = {}
    with closing(ScratchFolder()) as scratch:
        copies = RecordingCopies(scratch.path / 'copy')
        for pick, image in read_picked(list(index_of), found.shards,
                                       lambda shard: copies.find(shard.recording)):
            index = index_of[pick]
            path = pictures / f'{index:09d}.png'
            with raise_output_errors(path):
                path.write_bytes(cv2.imencode(
                    '.png', image.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
            name = PurePosixPath(pick.camera[0]).name
            features[index] = extract_features(f'{name} {pick.log_time_ns / 1e9:.3f}',
                                               image.image)
    return features
