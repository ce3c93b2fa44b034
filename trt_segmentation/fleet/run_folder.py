# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: where it is, and which model and options it belongs to."""

from __future__ import annotations

from dataclasses import asdict
import json
from pathlib import Path
from typing import Any

from ..errors import FleetError
from ..model.card import ModelCard
from .local_store import LocalStore
from .object_store import ObjectStore
from .recordings import open_filesystem
from .shards import LabelJob, read_plan, Shard
from .store import dump_json, Store

FACTS = 'run.json'
"""Name of the file that describes a run."""
PLANS = 'plans'
"""Folder with the shards of each recording."""


def open_store(url: str, scratch: Path | None = None) -> Store:
    """Open the folder or URL of a run.

    :param scratch: folder for temporary files of a worker; None for the process that leads the
        run.
    :raises FleetError: if another process leads the same run.
    """
    return ObjectStore(url, scratch) if '://' in url else LocalStore(Path(url), scratch is None)


def find_run(out: str, card: ModelCard, key: str) -> str:
    """Return the folder or URL of a run in ``out``. Another model has another folder."""
    return f'{out.rstrip("/")}/{card.name}-{key}'


def claim_run(store: Store, job: LabelJob, card: ModelCard) -> None:
    """Write the facts of a new run, or check that the folder belongs to the run.

    :raises FleetError: if the folder holds other files.
    """
    data = store.read(FACTS)
    if data is None and store.find('') - {'lock'}:
        raise FleetError(f'{job.out} holds files of another program; give another folder with '
                         '--out')
    if data is None:
        store.write(FACTS, dump_json({'classes': card.classes, **asdict(job)}))
    elif json.loads(data).get('key') != job.key:
        raise FleetError(f'{job.out} belongs to another run; give another folder with --out')


def list_runs(out: str) -> dict[str, dict[str, Any]]:
    """Return a mapping from the name of each run in ``out`` to its facts."""
    fs, root = open_filesystem(out if '://' in out else str(Path(out).absolute()))
    found = sorted(fs.glob(f'{root}/*/{FACTS}'))
    return {path.split('/')[-2]: json.loads(fs.cat_file(path)) for path in found}


def read_shards(store: Store, job: LabelJob) -> dict[str, Shard]:
    """Return a mapping from the name of each planned shard of a run to the shard."""
    shards: dict[str, Shard] = {}
    for name in sorted(store.find(PLANS)):
        for shard in read_plan(json.loads(store.read(f'{PLANS}/{name}') or b'{}')):
            shards[shard.name(job)] = shard
    return shards
