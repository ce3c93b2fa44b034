# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The job that labels frames. Its results are label maps and the manifest, a table of frames."""

from __future__ import annotations

from collections.abc import Container, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ...model.card import ModelCard
from ...segmented_image import SegmentedImage
from ...segmenter import Segmenter
from ...sources.image import BadImage
from ..formats import LabelWriter, open_writer
from ..frames import read_shard, ShardFrame
from ..manifest import FRAMES, join_manifest, measure_frame, ShardTable
from ..shards import FleetJob, FrameCounts, run_key, Shard
from ..store import Store
from .segment_ahead import segment_ahead


@dataclass(frozen=True)
class LabelJob(FleetJob):
    """Labels frames. :class:`.FleetJob` explains the other settings.

    :param label_format: see :func:`.open_writer`.
    :param every_s: label one frame in each period of this many seconds; 0 labels every frame.
    """

    label_format: str = 'bag'
    every_s: float = 0.0

    def make_key(self, card: ModelCard) -> str:
        every = f' every {self.every_s:g} s' if self.every_s else ''
        return run_key(card, self.engine, self.precision, self.label_format + every)

    def process(self, shard: Shard, path: Path, folder: Path, segmenter: Segmenter,
                pool: ThreadPoolExecutor) -> Generator[None, None, dict[str, Any]]:
        table = ShardTable(shard, shard.name(self))
        with closing(open_writer(self.label_format, folder, segmenter.card)) as writer, \
                closing(self._segment(shard, path, writer, segmenter, pool)) as results:
            for result in results:
                if not result.error:
                    writer.write(result.frame, result.labels)
                table.add(result.frame, result.measured, result.error)
                yield
        table.write(folder / FRAMES, segmenter.classes)
        bad = sum(row['decode_error'] is not None for row in table.rows)
        return {'frames': len(table.rows), 'bad': bad}

    def join(self, store: Store, shards: Sequence[str], folder_shards: Sequence[str],
             new: Container[str], classes: Sequence[str]) -> FrameCounts:
        """Write the manifest of ``folder_shards``, and count the frames of ``shards``."""
        rows = join_manifest(store, folder_shards, new, classes)
        good, bad = (sum(rows[name][index] for name in shards) for index in (0, 1))
        return FrameCounts(good, bad, sum(map(sum, rows.values())))

    def _segment(self, shard: Shard, path: Path, writer: LabelWriter, segmenter: Segmenter,
                 pool: ThreadPoolExecutor) -> Generator[_Encoded, None, None]:
        def encode(frame: ShardFrame, answer: SegmentedImage | BadImage) -> _Encoded:
            if isinstance(answer, SegmentedImage):
                return _Encoded(frame, writer.encode(frame, answer), measure_frame(answer))
            return _Encoded(frame, None, {}, str(answer.error))

        return segment_ahead(segmenter, read_shard(
            shard, path, segmenter.allocate, pool, self.every_s), encode, pool)


class _Encoded(NamedTuple):
    """The encoded results of one frame."""

    frame: ShardFrame
    labels: Any
    measured: Mapping[str, Any]
    error: str = ''
