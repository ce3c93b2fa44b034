# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The installed version and the git commit of trt_segmentation."""

from __future__ import annotations

from importlib import metadata
import os
from pathlib import Path
import subprocess


def version() -> str:
    """Return the version that pip or colcon installed, or ``unknown (not installed)``."""
    try:
        return metadata.version('trt_segmentation')
    except metadata.PackageNotFoundError:
        return 'unknown (not installed)'


def commit() -> str:
    """Return the git commit, with ``+`` if files of the package changed after this commit.

    Without a git history, return the environment variable BENCH_COMMIT, or the commit that
    setup.py recorded when the package was built. If neither exists, return a text that says that
    the commit is unknown, and gives the installed version.
    """
    package = Path(__file__).parents[1]
    # An installed package may lie inside the repository of another project. That repository does
    # not track the __init__.py of this package.
    ours = _git(package, 'ls-files', '--error-unmatch', '__init__.py')
    head = _git(package, 'rev-parse', '--short=12', 'HEAD')
    if ours.returncode or head.returncode:
        return (os.environ.get('BENCH_COMMIT') or _recorded_commit()
                or f'unknown; installed version {version()}')
    dirty = _git(package, 'diff', '--quiet', 'HEAD', '--', '.').returncode
    return head.stdout.strip() + ('+' if dirty else '')


def _recorded_commit(path: Path = Path(__file__).with_name('commit.txt')) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except OSError:
        return ''


def _git(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(['git', '-C', str(folder), *command], capture_output=True,
                              text=True, check=False)
    except OSError as error:  # git is not installed
        return subprocess.CompletedProcess(command, 1, '', str(error))
