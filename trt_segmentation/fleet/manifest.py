# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The manifest of a run: a Parquet table with one row for each frame.

A run processes recordings in parts, which are called shards. Each shard has a table of its frames.
The manifest joins these tables.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import FleetError
from ..segmented_image import SegmentedImage
from ..untrusted.output_files import KEY, MARKER
from .frames import ShardFrame
from .shards import Shard
from .store import read_files, SHARDS, Store

MANIFEST = 'manifest.parquet'
FRAMES = 'frames.parquet'
"""Name of the file in each shard that holds the rows of the shard."""
CONDITIONS = (('dark', 0.2), ('dim', 0.4), ('bright', 1.01))
"""Names and brightness limits of the light conditions.

A frame has the first condition whose limit is above the brightness of the frame."""
_STEP = 8
"""Brightness is measured at every eighth row and column."""


def make_schema(classes: Sequence[str]) -> pa.Schema:
    """Return the columns of a manifest. ``shares`` has one field for each class."""
    number = pa.float32()
    return pa.schema([
        ('recording', pa.string()), ('url', pa.string()), ('topic', pa.string()),
        ('shard', pa.string()), ('number', pa.int32()), ('stamp_ns', pa.int64()),
        ('log_time_ns', pa.int64()), ('condition', pa.string()), ('brightness', number),
        ('contrast', number),
        ('mean_confidence', number), ('p5_confidence', number), ('entropy', number),
        ('shares', pa.struct([(name, number) for name in classes])),
        ('decode_error', pa.string())], metadata={KEY: MARKER})


class ShardTable:
    """Collects the manifest rows of one shard.

    :param name: name of the shard.
    """

    def __init__(self, shard: Shard, name: str) -> None:
        self._fixed = {'recording': shard.recording.name, 'url': shard.recording.url,
                       'topic': shard.topic, 'shard': name}
        self.rows: list[dict[str, Any]] = []

    def add(self, frame: ShardFrame, measured: Mapping[str, Any], error: str = '') -> None:
        """Add the row of a frame.

        :param measured: result of :func:`measure_frame`; empty for a bad frame.
        :param error: why the frame has no label map; empty if it has one.
        """
        self.rows.append({
            **self._fixed, 'number': frame.number, 'stamp_ns': frame.stamp_ns,
            'log_time_ns': frame.log_time_ns, 'decode_error': error or None, **measured})

    def write(self, path: Path, classes: Sequence[str]) -> None:
        """Write the rows as Parquet. Equal rows give equal bytes."""
        pq.write_table(pa.Table.from_pylist(self.rows, make_schema(classes)), path,
                       compression='zstd')


def measure_frame(answer: SegmentedImage) -> dict[str, Any]:
    """Return the columns of a manifest that describe the image and its segmentation.

    ``entropy`` is the mean of the pixels' binary entropy in bits. The binary entropy of a pixel
    is computed from the confidence p alone: -p·log2(p) - (1 - p)·log2(1 - p). The mean is 0 if all
    confidences are 1, and 1 if all confidences are 0.5. If the network gives no confidence, the
    result has no entropy and no confidence columns.
    """
    sample = answer.image[::_STEP, ::_STEP]
    brightness, condition = measure_light(answer.image)
    row: dict[str, Any] = {
        'brightness': brightness, 'condition': condition, 'contrast': float(sample.std()) / 255,
        'shares': dict(answer.share)}
    if answer.confidence is not None:
        row |= _measure_confidence(answer.confidence)
    return row


def measure_light(image: npt.NDArray[np.uint8]) -> tuple[float, str]:
    """Return the brightness of an image, 0 to 1, and its condition, see :data:`CONDITIONS`.

    :param image: (height, width, 3) uint8.
    """
    brightness = float(image[::_STEP, ::_STEP].mean()) / 255
    return brightness, next(name for name, limit in CONDITIONS if brightness < limit)


def _measure_confidence(confidence: npt.NDArray[np.uint8]) -> dict[str, float]:
    found: Any = cv2.calcHist([confidence], [0], None, [256], [0, 256])
    counts = found.reshape(-1).astype(np.float64)
    total = counts.sum()
    levels = np.arange(256) / 255
    fifth = int(np.searchsorted(np.cumsum(counts), 0.05 * total))
    return {'mean_confidence': float(counts @ levels / total), 'p5_confidence': fifth / 255,
            'entropy': float(counts @ _entropy(levels) / total)}


def _entropy(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    inside = np.clip(levels, 1e-12, 1 - 1e-12)
    return np.asarray(-inside * np.log2(inside) - (1 - inside) * np.log2(1 - inside))


def join_manifest(store: Store, shards: Sequence[str], new: Container[str],
                  classes: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Write the manifest of a run, in the order of ``shards``.

    If the manifest of an earlier command has the rows of a shard, they are copied from there.
    Otherwise the table of the shard is read.

    :param new: names of the shards whose rows in the earlier manifest are not used.
    :returns: a mapping from each shard to its numbers of good and bad frames.
    :raises FleetError: if the table of a shard is missing.
    """
    rows = {}
    sink, schema = pa.BufferOutputStream(), make_schema(classes)
    old = _OldManifest(store, schema)
    copied = {shard for shard in shards if shard in old.groups and shard not in new}
    names = [f'{SHARDS}/{shard}/{FRAMES}' for shard in shards if shard not in copied]
    with pq.ParquetWriter(sink, schema, compression='zstd') as writer, closing(
            read_files(store, names)) as files:
        for shard in shards:
            table = old.read(shard) if shard in copied else _read_rows(next(files), shard)
            writer.write_table(table)
            bad = count_bad(table)
            rows[shard] = table.num_rows - bad, bad
    store.write(MANIFEST, sink.getvalue().to_pybytes())
    return rows


def keep_shards(table: pa.Table, shards: Sequence[str]) -> pa.Table:
    """Return the rows of a manifest that belong to the shards with these names."""
    return table.filter(pc.is_in(table['shard'], pa.array(shards, pa.string())))


def count_bad(table: pa.Table) -> int:
    """Return the number of frames that could not be decoded."""
    return int(table.num_rows) - int(table['decode_error'].null_count)


class _OldManifest:
    """The manifest of earlier commands.

    A Parquet file consists of row groups. All rows of a row group belong to one shard.

    :ivar groups: maps each shard to the indices of its row groups; empty if there is no manifest,
        or if another program has changed the manifest.
    """

    def __init__(self, store: Store, schema: pa.Schema) -> None:
        self.groups: dict[str, list[int]] = {}
        if (data := store.read(MANIFEST)) is None:
            return
        try:
            self._file = pq.ParquetFile(pa.BufferReader(data))
        except pa.ArrowInvalid:
            return
        if self._file.schema_arrow.equals(schema, check_metadata=True):
            for index in range(self._file.num_row_groups):
                for name in self._file.read_row_group(index, ['shard'])['shard'].unique():
                    self.groups.setdefault(name.as_py(), []).append(index)

    def read(self, shard: str) -> pa.Table:
        """Return the rows of a shard."""
        return self._file.read_row_groups(self.groups[shard])


def _read_rows(data: bytes | None, shard: str) -> pa.Table:
    if data is None:
        raise FleetError(f'the file {FRAMES} of the shard {shard} is missing. Delete the folder '
                         'of this shard, and run the same command again')
    return pq.read_table(pa.BufferReader(data))


def read_table(store: Store) -> pa.Table:
    """Read the manifest.

    :raises FleetError: if the run has no manifest yet.
    """
    data = store.read(MANIFEST)
    if data is None:
        raise FleetError('the run of these options has no manifest yet. First label recordings '
                         'with these options')
    return pq.read_table(pa.BufferReader(data))
