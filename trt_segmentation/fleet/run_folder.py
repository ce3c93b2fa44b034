# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds, opens and checks the folders of runs.

The folder of a run has the results of one model with one set of options. The name of the folder
ends with the key of the run, which is a digest of all settings that change the results.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
import json
from pathlib import Path
from typing import Any, TypeVar

from ..errors import FleetError
from ..model.card import ModelCard
from .local_store import LocalStore
from .object_store import ObjectStore
from .recordings import open_filesystem, Recording
from .shards import FleetJob, read_plan, Shard
from .store import dump_json, read_files, Store

_Job = TypeVar('_Job', bound=FleetJob)
FACTS = 'run.json'
"""Name of the file with the options of a run."""
QUARANTINE = 'quarantine'
"""Folder with a file for each task that was given up. A task is to divide a recording into parts
(shards), or to process a shard."""
PLANS = 'plans'
"""Folder with the plans. The plan of a recording is a file that lists its shards."""


def open_store(url: str, scratch: Path | None = None) -> Store:
    """Open the folder or URL of a run.

    :param scratch: folder for the temporary files of a worker; None in the process that leads the
        run.
    :raises FleetError: if another process leads this run already.
    """
    return ObjectStore(url, scratch) if '://' in url else LocalStore(Path(url), scratch is None)


def place_job(card: ModelCard, job: _Job) -> _Job:
    """Return a copy of a job with its key and the folder of its run. Each key has its own folder.

    :param job: ``job.out`` is the folder or URL that holds all runs. ``job.key`` is not used.
    """
    key = job.make_key(card)
    # The path is made absolute, because a worker process may have another current folder.
    out = job.out if '://' in job.out else str(Path(job.out).absolute())
    return replace(job, out=f'{out.rstrip("/")}/{card.name}-{key}', key=key)


def claim_run(store: Store, job: FleetJob, card: ModelCard) -> None:
    """Call :func:`check_folder_of`. If the folder is new, write :data:`FACTS` into it."""
    if not check_folder_of(job, store):
        store.write(FACTS, dump_json({'classes': card.classes, **asdict(job)}))


def check_folder_of(job: FleetJob, store: Store) -> bool:
    """Check that the folder of a job is new, or that it belongs to the run of the job.

    :returns: whether the folder has the file :data:`FACTS` already.
    :raises FleetError: if the folder holds another run, shards of another length or files of
        another program.
    """
    data = store.read(FACTS)
    if data is None and store.find('') - {'lock'}:
        raise FleetError(f'{job.out} holds files of another program. Give another folder for the '
                         'results')
    if data is None:
        return False
    facts = json.loads(data)
    if facts.get('key') != job.key:
        raise FleetError(f'{job.out} belongs to another run. Give another folder for the results')
    if (earlier := facts['window_s']) != job.window_s:
        raise FleetError(
            f'the shards in {job.out} last {earlier:g} s. With shards of {job.window_s:g} s, all '
            f'frames would be labelled again. Give --shard-seconds {earlier:g}, or another folder '
            'with --out')
    return True


def list_runs(out: str) -> dict[str, dict[str, Any]]:
    """Return a mapping from the name of each run in ``out`` to the content of :data:`FACTS`."""
    fs, root = open_filesystem(out if '://' in out else str(Path(out).absolute()))
    found = sorted(fs.glob(f'{root}/*/{FACTS}'))
    return {path.split('/')[-2]: json.loads(fs.cat_file(path)) for path in found}


def read_plans(store: Store) -> dict[str, dict[str, Any]]:
    """Return a mapping from the file name of each plan to the plan; see :func:`.dump_plan`."""
    return _read_folder(store, PLANS)


def name_as_before(recordings: Iterable[Recording], plans: Mapping[str, dict[str, Any]]
                   ) -> list[Recording]:
    """Return the recordings. A recording with a plan gets the name that is in the plan.

    A recording may have been moved or renamed. The names of its shards still begin with the name
    in the plan.
    """
    names = {tree['recording']['identity']: tree['recording']['name'] for tree in plans.values()}
    return [replace(each, name=names.get(each.identity, each.name)) for each in recordings]


def read_quarantine(store: Store) -> dict[str, dict[str, Any]]:
    """Return a mapping from the file name of each task in quarantine to its facts.

    ``what`` names the task, and ``reason`` says why it was given up.
    """
    return _read_folder(store, QUARANTINE)


def _read_folder(store: Store, folder: str) -> dict[str, dict[str, Any]]:
    names = [f'{folder}/{name}' for name in sorted(store.find(folder))]
    return {name: json.loads(data) for name, data in zip(names, read_files(store, names))
            if data is not None}


def forget_quarantine(store: Store) -> None:
    """Empty the quarantine, so that the present command tries the tasks in quarantine again."""
    for name in store.find(QUARANTINE):
        store.remove(f'{QUARANTINE}/{name}')


def remove_old_quarantine(store: Store, complete: Sequence[Recording], done: Container[str]
                          ) -> None:
    """Remove from quarantine the tasks that need no further try.

    These tasks are the shards that are complete now, the recordings that are complete now, and
    the tasks of an earlier content of a complete recording.

    :param complete: the recordings whose shards are all complete.
    :param done: names of the complete shards.
    """
    identities = {recording.url: recording.identity for recording in complete}
    for name, facts in read_quarantine(store).items():
        task = name.removeprefix(f'{QUARANTINE}/').removesuffix('.json')
        identity, now = facts.get('identity'), identities.get(facts.get('url', ''))
        is_whole = task.startswith('recording-') and identity in identities.values()
        if task in done or is_whole or now not in (None, identity):
            store.remove(name)


def find_old_plans(plans: Mapping[str, dict[str, Any]], recordings: Sequence[Recording]
                   ) -> set[str]:
    """Return the names of the plans that were made before a recording changed.

    The identity of a recording is a digest of its content. A recording has changed if it has the
    URL of a planned recording, but another identity. If one of ``recordings`` has the planned
    content at another URL, the plan is not old.
    """
    urls = {recording.url for recording in recordings}
    identities = {recording.identity for recording in recordings}
    return {name for name, plan in plans.items() if plan['recording']['url'] in urls
            and plan['recording']['identity'] not in identities}


def sort_shards(plans: Iterable[dict[str, Any]], job: FleetJob) -> dict[str, Shard]:
    """Return a mapping from the name of each planned shard to the shard.

    The shards are sorted by the URL of the recording, the topic and the time. A shard in several
    plans is listed once.
    """
    shards = {shard.name(job): shard for plan in plans for shard in read_plan(plan).shards}
    return dict(sorted(shards.items(), key=lambda item: (
        item[1].recording.url, item[1].topic, item[1].begin_ns, item[0])))


def read_shards(store: Store, job: FleetJob) -> dict[str, Shard]:
    """Return the shards of all plans of a run, as :func:`sort_shards` does."""
    return sort_shards(read_plans(store).values(), job)
