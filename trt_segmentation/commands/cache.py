# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg cache``: list the cached engines, verify them, or delete them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CacheError
from ..untrusted.terminal_text import one_line
from .arguments.options import Commands, set_options

if TYPE_CHECKING:
    from ..builder.cache import EngineCache, Entry


@dataclass(frozen=True)
class CacheOptions:
    """Options of ``trt_seg cache``. The help text of each argument explains its option."""

    action: str
    folder: Path | None = None


def add_command(commands: Commands) -> None:
    """Add ``trt_seg cache`` with its arguments."""
    parser = commands.add_parser('cache', help='list, verify or delete the cached engines')
    parser.add_argument('action', choices=('list', 'verify', 'clear'),
                        help="what to do. If 'verify' finds an engine that the node would not "
                        'load, the exit code is 1')
    parser.add_argument('--folder', type=Path, metavar='DIR',
                        help='folder of the cache (default: $XDG_CACHE_HOME/trt_segmentation)')
    set_options(parser, CacheOptions)


def run_cache(options: CacheOptions) -> int:
    """List, verify or clear the cache.

    :returns: 1 if ``verify`` found an engine that the node would not load, else 0.
    :raises CacheError: if the folder belongs to another user or contains no cache.
    :raises NotADirectoryError: if ``folder`` is a file.
    """
    from ..builder.cache import cache_folder, EngineCache
    folder = options.folder
    if folder and folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f'--folder {folder} is a file; give a folder of cached engines')
    engines = cache_folder(folder or '') / 'engines'
    if folder is not None and not engines.is_dir():
        raise CacheError(f'--folder {folder} contains no cache, because there is no folder '
                         f'{engines}; give another folder')
    if not engines.is_dir():
        print(f'{engines} does not exist, because no engine was built yet')
        return 0
    cache = EngineCache(folder or '')
    if options.action == 'clear':
        print(f'{cache.clear() / 1e6:.1f} MB freed in {cache.folder}')
        return 0
    if options.action == 'verify':
        return _verify(cache)
    entries = cache.entries()
    for line in _table(entries):
        print(one_line(line))
    print(f'{len(entries)} engines, {sum(e.size for e in entries) / 1e6:.1f} MB in '
          f'{cache.folder}')
    return 0


def _verify(cache: EngineCache) -> int:
    checked = cache.verify()
    for entry, wrong in checked:
        print(f'{entry.path.name}: {wrong or "ok"}')
    bad = sum(bool(wrong) for _, wrong in checked)
    print(f'{len(checked)} engines in {cache.folder}; the node would build {bad} of them again')
    return 1 if bad else 0


def _table(entries: Sequence[Entry]) -> list[str]:
    rows = [('engine', 'MB', 'last used', 'precision', 'library', 'GPU', 'driver')]
    for entry in entries:
        key = entry.key
        rows.append((
            entry.path.stem[:12], f'{entry.size / 1e6:.1f}',
            datetime.fromtimestamp(entry.used).strftime('%Y-%m-%d %H:%M'),
            str(key.get('precision', '?')),
            f'{key.get("backend", "?")} {key.get("version", "")}'.strip(),
            f'{key.get("gpu", "?")} {key.get("arch", "")}'.strip(), str(key.get('driver', '?'))))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ['  '.join(text.ljust(width) for text, width in zip(row, widths)).rstrip()
            for row in rows]
