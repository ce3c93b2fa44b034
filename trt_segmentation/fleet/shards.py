# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The base class of all jobs for workers, and the division of recordings into shards.

A shard is a part of a recording. A worker processes one shard, stores the results, and then takes
the next shard.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
import hashlib
import json
from pathlib import Path
import re
from typing import Any

from ..bags.cameras import choose_topics
from ..bags.files import MAGIC
from ..bags.reader import BagReader
from ..bags.video_topic import is_keyframe
from ..installed.version import version
from ..model.card import ModelCard
from ..segmenter import Segmenter
from ..untrusted.onnx_file import hash_model
from ..video.keyframes import find_keyframes
from .recordings import Recording
from .store import Store

SCHEMA = 4
"""Version of the file formats of a run. The result of :func:`run_key` depends on this version."""
WINDOW = 60.0
"""Default of :attr:`FleetJob.window_s`."""
_SECOND = 1_000_000_000


@dataclass(frozen=True)
class FrameCounts:
    """The numbers of frames in the results of a run.

    :param good: number of frames with a result, in the recordings of the present command.
    :param bad: number of frames that cannot be decoded, in the same recordings.
    :param total: number of all frames in the joined results. For ``trt_seg label``, this number
        includes the frames of earlier commands.
    """

    good: int = 0
    bad: int = 0
    total: int = 0


@dataclass(frozen=True)
class FleetJob(ABC):
    """The job of a run: what its workers do, and all settings. Every worker gets a copy.

    :param out: folder or URL of the run, see :func:`.place_job`.
    :param key: result of :meth:`make_key`.
    :param engine: see :func:`.open_pipeline` for this setting and for ``precision``.
    :param topic: image topic of the bags; None for all cameras of each bag.
    :param window_s: longest duration of a shard in seconds, see :func:`plan_shards`.
    """

    out: str
    key: str
    model: str
    engine: str = 'auto'
    precision: str = 'auto'
    topic: str | None = None
    window_s: float = WINDOW

    @abstractmethod
    def make_key(self, card: ModelCard) -> str:
        """Return a digest of all settings that change the results, see :func:`run_key`."""

    def plan(self, recording: Recording, path: Path) -> ShardPlan:
        """Call :func:`plan_shards`."""
        return plan_shards(recording, path, self)

    @abstractmethod
    def process(self, shard: Shard, path: Path, folder: Path, segmenter: Segmenter,
                pool: ThreadPoolExecutor) -> Generator[None, None, dict[str, Any]]:
        """Process a shard. The generator yields once for each frame.

        If a shard is processed again, its result files must have the same bytes as before.

        :param path: the recording on this machine.
        :param folder: empty folder for the results.
        :param pool: threads of the worker, for decoding and encoding.
        :returns: entries to add to the file ``DONE``, which is written when the shard is complete.
        :raises SegmentationError: if the shard cannot be processed.
        """

    @abstractmethod
    def join(self, store: Store, shards: Sequence[str], folder_shards: Sequence[str],
             new: Container[str], classes: Sequence[str]) -> FrameCounts:
        """Join the results of complete shards into one file of the run.

        :param shards: names of the complete shards of the present command.
        :param folder_shards: names of all complete shards in the folder of the run, in an order
            that does not depend on the order of the commands. Earlier commands with other
            recordings may have made some of these shards.
        :param new: names of the shards that the present command completed.
        """


@dataclass(frozen=True)
class Shard:
    """The frames of one camera in a part of a recording.

    :param topic: image topic of a bag; empty for a video.
    :param number: index of the shard among the shards of its topic.
    :param begin_ns: start of the shard in nanoseconds: log time in a bag, or time since the start
        of a video.
    :param end_ns: end of the shard, as log time or time since the start of the video. A frame at
        exactly this time is not in the shard.
    :param frames: expected number of frames.
    """

    recording: Recording
    topic: str
    number: int
    begin_ns: int
    end_ns: int
    frames: int

    def name(self, job: FleetJob) -> str:
        """Return the name of the folder with the results of this shard.

        The name ends with a digest of everything that changes the results.
        """
        causes = [job.key, self.recording.identity, self.topic, self.begin_ns, self.end_ns]
        digest = hashlib.sha256(json.dumps(causes).encode()).hexdigest()[:16]
        parts = [self.recording.name[:80], self.topic.strip('/')[:80], f'{self.number:04d}',
                 digest]
        return '-'.join(re.sub(r'[^A-Za-z0-9._]+', '_', part) for part in parts if part)


@dataclass(frozen=True)
class ShardPlan:
    """The shards of a recording.

    :param left_out: maps each image topic without shards to the reason why it has no shards.
    """

    shards: list[Shard]
    left_out: dict[str, str] = field(default_factory=dict)


def run_key(card: ModelCard, engine: str, precision: str, results: str) -> str:
    """Return a digest of all settings that change the results.

    :param results: text that names the kind of results, and all settings that the other parameters
        do not contain.
    :raises EngineError: if the ONNX file cannot be read.
    """
    facts = {'network': hash_model(card.model), 'card': [
        card.name, card.classes, card.palette.tolist(), asdict(card.input), asdict(card.output)],
        'engine': engine, 'precision': precision, 'format': results, 'version': version(),
        'schema': SCHEMA}
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plan_shards(recording: Recording, path: Path, job: FleetJob) -> ShardPlan:
    """Divide a recording into shards.

    A shard of a video begins at a keyframe, because a keyframe can be decoded without other
    frames. A shard lasts at most ``job.window_s`` seconds. If two keyframes are further apart, the
    shard between them is longer. A bag topic without video needs no keyframes: each of its shards
    lasts ``job.window_s`` seconds, and only the last shard may be shorter.

    :param path: the recording on this machine.
    :raises BagError, VideoError: if the recording cannot be read.
    """
    if not (path.is_dir() or path.suffix.lower() in MAGIC):
        index = find_keyframes(path)
        return ShardPlan(list(divide(
            recording, '', index.keyframes, index.end_ns, index.count, job)))
    shards: list[Shard] = []
    with BagReader(path) as bag:
        counts = bag.image_topics()
        begin, end = bag.start_ns, bag.start_ns + bag.duration_ns + 1
        topics = choose_topics(bag, job.topic)
        for topic in topics.chosen:
            cuts = list(range(begin, end, round(job.window_s * _SECOND)))
            if topic in bag.video_topics():
                cuts = [message.log_time_ns for message in bag.undecoded_messages([topic])
                        if is_keyframe(message)]
            # Frames before the first keyframe cannot be decoded. The first shard counts these
            # frames as bad.
            cuts = [begin, *(cut for cut in cuts if cut > begin)]
            shards += divide(recording, topic, cuts, end, counts[topic], job)
    return ShardPlan(shards, topics.left_out)


def dump_plan(recording: Recording, plan: ShardPlan) -> dict[str, Any]:
    """Return a recording and its plan as a dict for JSON."""
    return {'recording': asdict(recording), 'left_out': plan.left_out, 'shards': [
        {key: value for key, value in asdict(shard).items() if key != 'recording'}
        for shard in plan.shards]}


def read_plan(tree: dict[str, Any], recording: Recording | None = None) -> ShardPlan:
    """Return the plan from a dict that :func:`dump_plan` made.

    :param recording: the recording with its present URL; None to use the URL in ``tree``.
    """
    recording = recording or Recording(**tree['recording'])
    return ShardPlan([Shard(recording, **entry) for entry in tree['shards']], tree['left_out'])


def divide(recording: Recording, topic: str, cuts: Sequence[int], end: int, count: int,
           job: FleetJob) -> Iterator[Shard]:
    """Yield the shards of a topic.

    :param cuts: times at which a shard may begin, in nanoseconds and ascending. The first shard
        begins at the first of these times.
    :param end: end of the last shard, in nanoseconds.
    :param count: number of frames of all shards together.
    """
    window = round(job.window_s * _SECOND)
    begins = [cuts[0]]
    for cut, following in zip(cuts[1:], [*cuts[2:], end]):
        if following - begins[-1] > window:
            begins.append(cut)
    duration = max(1, end - begins[0])
    # The numbers of frames are estimates, but their sum is exactly ``count``.
    counts = [round(count * (last - begins[0]) / duration) for last in [*begins[1:], end]]
    for number, (first, last) in enumerate(zip(begins, [*begins[1:], end])):
        before = counts[number - 1] if number else 0
        yield Shard(recording, topic, number, first, last, counts[number] - before)
