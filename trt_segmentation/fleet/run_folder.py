# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds, opens and checks the folders of runs."""

from __future__ import annotations

from dataclasses import asdict, replace
import json
from pathlib import Path
from typing import Any, TypeVar

from ..errors import FleetError
from ..model.card import ModelCard
from .local_store import LocalStore
from .object_store import ObjectStore
from .recordings import open_filesystem
from .shards import FleetJob, read_plan, Shard
from .store import dump_json, Store

_Job = TypeVar('_Job', bound=FleetJob)
FACTS = 'run.json'
"""Name of the file with the options of a run."""
PLANS = 'plans'
"""Folder with one file for each recording. The file lists the shards of the recording."""


def open_store(url: str, scratch: Path | None = None) -> Store:
    """Open the results of a run.

    :param url: folder or URL of the run.
    :param scratch: folder for the temporary files of a worker; None in the process that leads the
        run.
    :raises FleetError: if another process leads this run already.
    """
    return ObjectStore(url, scratch) if '://' in url else LocalStore(Path(url), scratch is None)


def find_run(out: str, card: ModelCard, key: str) -> str:
    """Return the folder or URL of a run in ``out``. Each key has its own folder.

    :param key: result of :meth:`.FleetJob.make_key`.
    """
    return f'{out.rstrip("/")}/{card.name}-{key}'


def place_job(card: ModelCard, job: _Job) -> _Job:
    """Return a copy of a job with its key and the folder of its run.

    :param job: ``job.out`` is the folder or URL that holds all runs. A relative path becomes
        absolute, because a worker may have another current folder. ``job.key`` is not used.
    """
    key = job.make_key(card)
    out = job.out if '://' in job.out else str(Path(job.out).absolute())
    return replace(job, out=find_run(out, card, key), key=key)


def claim_run(store: Store, job: FleetJob, card: ModelCard) -> None:
    """Write :data:`FACTS` into a new folder, or check that the folder belongs to the run.

    :raises FleetError: if the folder holds another run or files of another program.
    """
    data = store.read(FACTS)
    if data is None and store.find('') - {'lock'}:
        raise FleetError(f'{job.out} holds files of another program. Give another folder with '
                         '--out')
    if data is None:
        store.write(FACTS, dump_json({'classes': card.classes, **asdict(job)}))
    elif json.loads(data).get('key') != job.key:
        raise FleetError(f'{job.out} belongs to another run. Give another folder with --out')


def list_runs(out: str) -> dict[str, dict[str, Any]]:
    """Return a mapping from the name of each run in ``out`` to the content of :data:`FACTS`."""
    fs, root = open_filesystem(out if '://' in out else str(Path(out).absolute()))
    found = sorted(fs.glob(f'{root}/*/{FACTS}'))
    return {path.split('/')[-2]: json.loads(fs.cat_file(path)) for path in found}


def read_shards(store: Store, job: FleetJob) -> dict[str, Shard]:
    """Return a mapping from the name of each planned shard of a run to the shard."""
    shards: dict[str, Shard] = {}
    for name in sorted(store.find(PLANS)):
        for shard in read_plan(json.loads(store.read(f'{PLANS}/{name}') or b'{}')):
            shards[shard.name(job)] = shard
    return shards
