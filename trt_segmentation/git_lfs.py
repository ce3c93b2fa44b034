# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Git LFS pointers: the short text files that stand for files not yet downloaded."""

from __future__ import annotations

from pathlib import Path

from .regular_file import open_regular

_START = b'version https://git-lfs.github.com/spec/v1'
LFS_ADVICE = 'is a Git LFS pointer, not the file itself; run `git lfs pull` in its repository'


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file holds only a Git LFS pointer.

    :raises OSError: if the file cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return file.read(len(_START)) == _START
