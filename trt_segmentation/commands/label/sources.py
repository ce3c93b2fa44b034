# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the recordings that ``trt_seg label`` reads, which are its arguments SOURCE.

The bags with label maps that an earlier ``trt_seg label`` wrote are not read. A run is a folder
with such results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from ...errors import SourceError
from ...fleet.formats import BAG
from ...fleet.recordings import (
    find_recordings,
    find_url,
    is_inside,
    open_filesystem,
    Recording,
)
from ...fleet.run_folder import FACTS
from ...fleet.store import SHARDS
from ...untrusted.output_files import MARKER

_RESULTS = 'holds results of trt_seg label, not recordings'


def find_sources(names: Sequence[str], out: str, say: Callable[[str], None]) -> list[Recording]:
    """Find the recordings of the SOURCEs, without the bags that an earlier run wrote.

    :param say: see :func:`.find_recordings`. It is also called with one line for each run outside
        ``out`` whose bags are not read.
    :raises SourceError: see :func:`.find_recordings`. This error is also raised if a SOURCE holds
        only results of runs.
    """
    try:
        found = find_recordings(names, out=out, say=say)
    except SourceError as error:
        for name in names:
            if not is_inside(name, out) and _is_result(name):
                raise SourceError(f'{name} {_RESULTS}') from error
        raise
    folders = {recording: _find_run_folder(recording) for recording in found}
    others = sorted(filter(is_run, set(filter(None, folders.values()))))
    kept = [recording for recording, folder in folders.items() if folder not in others]
    if others and not kept:
        raise SourceError(f'{others[0]} {_RESULTS}')
    for run in others:
        say(f'left out: {run} {_RESULTS}')
    return kept


def _find_run_folder(recording: Recording) -> str | None:
    """Return the run folder in which a recording lies, by its URL; None if there is none."""
    path = PurePosixPath(recording.url)
    if path.name != BAG or path.parent.parent.name != SHARDS:
        return None
    return recording.url.removesuffix('/'.join(['', *path.parts[-3:]]))


def _is_result(name: str) -> bool:
    """Return whether a SOURCE is a run, is inside a run, or holds runs."""
    fs, root = open_filesystem(find_url(name))
    try:
        inside = [path.rpartition('/')[0] for path in fs.glob(f'{root}/*/{FACTS}')]
        around = [root, *map(str, list(PurePosixPath(root).parents)[:3])]
        return any(is_run(str(fs.unstrip_protocol(path))) for path in [*inside, *around])
    except Exception:       # each object store has its own error classes
        return False


def is_run(name: str) -> bool:
    """Return whether a path or URL is the folder of a run."""
    fs, root = open_filesystem(find_url(name))
    path = f'{root}/{FACTS}'
    return bool(fs.isfile(path)) and MARKER.encode() in fs.cat_file(path)
