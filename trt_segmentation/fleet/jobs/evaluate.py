# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The job that measures the accuracy of a model on recordings.

The parts of the recordings are called shards. For each shard, the job counts how many pixels have
each pair of true class and predicted class. Then the job adds the counts of all shards.
A run has the results of one model with one set of options.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
import json
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ...accuracy.label_counts import LabelCounts, read_label_counts
from ...accuracy.label_values import LabelValues
from ...bags.cameras import choose_topics, find_camera_encoding
from ...bags.reader import BagReader, name_camera
from ...errors import BagError, EvaluationError, FleetError, LabelError
from ...model.card import ModelCard
from ...segmented_image import SegmentedImage
from ...segmenter import Segmenter
from ...sources.image import AnyImage, BadImage
from ..manifest import CONDITIONS, measure_light
from ..recordings import Recording
from ..shards import (
    divide,
    FleetJob,
    FrameCounts,
    plan_shards,
    run_key,
    Shard,
    ShardPlan,
)
from ..store import dump_json, read_files, SHARDS, Store
from .segment_ahead import segment_ahead
from .truth import find_pairs, is_labelled_folder, PAIR_NS, read_labelled

COUNTS = 'counts.json'
"""Name of the file with the counts, in the folder of each shard and in the folder of the run."""


@dataclass
class EvaluationSums:
    """The counts of all frames of a shard or of a run.

    :param conditions: maps the name of each light condition to its counts, see
        :data:`.manifest.CONDITIONS`. A condition without frames has no entry.
    :param unusable: numbers of frames that are not scored. ``bad``: the frame or its label map
        cannot be decoded. ``unlabelled``: the frame has no label map.
    :param recordings: maps the URL of each recording to its scores as a tree for JSON; empty for a
        shard.
    """

    conditions: dict[str, LabelCounts] = field(default_factory=dict)
    unusable: Counter[str] = field(default_factory=Counter)
    recordings: dict[str, Any] = field(default_factory=dict)

    def total(self, classes: int) -> LabelCounts:
        """Return the sums over all conditions."""
        total = LabelCounts(classes)
        for counts in self.conditions.values():
            total.add(counts)
        return total

    def add(self, other: EvaluationSums) -> None:
        """Add the sums of other frames. The same model must have segmented all frames."""
        for name, counts in other.conditions.items():
            self.conditions.setdefault(name, LabelCounts(len(counts.matrix))).add(counts)
        self.unusable += other.unusable

    def count_unusable(self) -> dict[str, int]:
        """Return the numbers ``bad`` and ``unlabelled`` of ``unusable``, even if they are 0."""
        return {key: self.unusable[key] for key in ('bad', 'unlabelled')}

    def dump(self, **facts: Any) -> bytes:
        """Return all sums as JSON, in an order that does not depend on the frames.

        :param facts: more entries of the JSON object.
        """
        return dump_json({
            **facts, **self.count_unusable(),
            'conditions': {name: self.conditions[name].tree() for name, _ in CONDITIONS
                           if name in self.conditions}, 'recordings': self.recordings}, None)


def read_sums(tree: Mapping[str, Any]) -> EvaluationSums:
    """Return the sums of a file that :meth:`EvaluationSums.dump` wrote."""
    return EvaluationSums(
        {name: read_label_counts(counts) for name, counts in tree['conditions'].items()},
        Counter({key: tree[key] for key in ('bad', 'unlabelled')}), tree['recordings'])


@dataclass(frozen=True)
class EvaluateJob(FleetJob):
    """Compares the labels of a model with the label maps in recordings.

    :class:`.FleetJob` explains the other settings.

    :param topic: image topic of the bags; None if each bag has one camera.
    :param label_topic: topic of the label maps in the bags; None if no recording is a bag.
    :param values: tells how the values of the label maps become class ids.
    """

    label_topic: str | None = None
    values: LabelValues = field(default_factory=LabelValues)

    def make_key(self, card: ModelCard) -> str:
        values = [str(self.values.left_out), sorted(self.values.mapped.items())]
        return run_key(card, self.engine, self.precision,
                       'evaluate ' + json.dumps([self.label_topic, values]))

    def plan(self, recording: Recording, path: Path) -> ShardPlan:
        """Divide a recording into shards.

        :raises EvaluationError: if a bag is given without ``label_topic``, or if this topic has
            camera images. This error is also raised if an image of a folder has no label map, or
            if a label map has no image.
        :raises BagError: if a topic is not in the bag, or if ``topic`` is None and the bag does
            not have exactly one camera.
        """
        if is_labelled_folder(path):
            count = len(find_pairs(path))
            cuts = [index * PAIR_NS for index in range(count)]
            return ShardPlan(list(divide(recording, '', cuts, count * PAIR_NS, count, self)))
        if self.label_topic is None:
            raise EvaluationError('a bag needs the topic of its label maps; give it with '
                                  '--label-topic')
        return plan_shards(recording, path, replace(self, topic=self._choose_topic(path)))

    def _choose_topic(self, path: Path) -> str:
        with BagReader(path) as bag:
            assert self.label_topic
            bag.image_topic(self.label_topic)       # raises an error if the bag has no such topic
            truth = name_camera(self.label_topic)
            cameras = [topic for topic in choose_topics(bag, self.topic).chosen
                       if self.topic or name_camera(topic) != truth]
            if len(cameras) != 1:
                raise BagError(f'{path} has {len(cameras)} cameras besides {self.label_topic}. '
                               'Choose one with --image-topic: '
                               f'{", ".join(bag.image_topics())}')
            check_label_topic(bag, self.label_topic)
            return cameras[0]

    def process(self, shard: Shard, path: Path, folder: Path, segmenter: Segmenter,
                pool: ThreadPoolExecutor) -> Generator[None, None, dict[str, Any]]:
        """See :class:`.FleetJob`.

        :raises EvaluationError: if a label map does not fit its image or the model.
        """
        sums = EvaluationSums()
        with closing(self._count_frames(shard, path, segmenter, pool)) as frames:
            for frame in frames:
                sums.add(frame)
                yield
        (folder / COUNTS).write_bytes(sums.dump(recording=shard.recording.url))
        total = sums.total(len(segmenter.classes))
        return {'frames': total.images, **sums.count_unusable()}

    def _count_frames(self, shard: Shard, path: Path, segmenter: Segmenter,
                      pool: ThreadPoolExecutor) -> Generator[EvaluationSums, None, None]:
        classes = len(segmenter.classes)

        def items() -> Generator[tuple[npt.NDArray[Any] | None, AnyImage], None, None]:
            with closing(read_labelled(shard, path, self.label_topic, self.values, classes)
                         ) as labelled:
                for image, truth in labelled:
                    yield truth, image

        return segment_ahead(segmenter, items(), partial(_count_frame, classes), pool)

    def join(self, store: Store, shards: Sequence[str], folder_shards: Sequence[str],
             new: Container[str], classes: Sequence[str]) -> FrameCounts:
        """Add the sums of ``shards``. The other shards of ``folder_shards`` are not added."""
        sums = EvaluationSums()
        recordings: dict[str, EvaluationSums] = {}
        files = read_files(store, (f'{SHARDS}/{shard}/{COUNTS}' for shard in shards))
        for shard, data in zip(shards, files, strict=True):
            if data is None:
                raise FleetError(f'the file {COUNTS} of the shard {shard} is missing')
            tree = json.loads(data)
            found = read_sums(tree)
            sums.add(found)
            recordings.setdefault(tree['recording'], EvaluationSums()).add(found)
        for url, part in recordings.items():
            scores = part.total(len(classes)).scores(classes)
            sums.recordings[url] = {**scores.tree(), **part.count_unusable()}
        store.write(COUNTS, sums.dump())
        images = sums.total(len(classes)).images
        return FrameCounts(images, sums.unusable['bad'], images + sums.unusable.total())


def check_label_topic(bag: BagReader, topic: str) -> None:
    """Check the first image of the topic that should have label maps.

    :raises EvaluationError: if this image is a camera image.
    """
    if encoding := find_camera_encoding(bag, topic):
        raise EvaluationError(
            f'the topic {topic} of {bag.path} has camera images ({encoding}), not label maps. '
            f'Give another --label-topic. Image topics: {", ".join(bag.image_topics())}')


def _count_frame(classes: int, truth: npt.NDArray[Any] | None, answer: SegmentedImage | BadImage
                 ) -> EvaluationSums:
    if truth is None or isinstance(answer, BadImage):
        is_unlabelled = isinstance(answer, BadImage) and isinstance(answer.error, EvaluationError)
        return EvaluationSums(unusable=Counter(['unlabelled' if is_unlabelled else 'bad']))
    counts = LabelCounts(classes)
    try:
        counts.add_image(truth, answer.labels, answer.confidence)
    except LabelError as error:
        raise EvaluationError(f'{answer.origin}: {error}') from error
    return EvaluationSums({measure_light(answer.image)[1]: counts})
