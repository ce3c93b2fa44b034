# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Detects Git LFS pointers. A pointer is a short text file that Git stores for a large file."""

from __future__ import annotations

from pathlib import Path

from .regular_file import open_regular

_START = b'version https://git-lfs.github.com/spec/v1'
LFS_ADVICE = 'a Git LFS pointer, not the file itself; run `git lfs pull` in its repository'
"""End of an error message, after the path of the pointer and the word "is"."""


def is_lfs_pointer(path: Path) -> bool:
    """Return whether a file is only a Git LFS pointer.

    :raises OSError: if the file cannot be read, or if it is not a regular file.
    """
    with open_regular(path) as file:
        return file.read(len(_START)) == _START
