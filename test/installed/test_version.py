# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0

import re

from trt_segmentation.installed.version import commit


def test_the_commit_comes_from_git_or_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv('BENCH_COMMIT', 'abc')
    assert re.fullmatch(r'[0-9a-f]{12}\+?|abc', commit())
    monkeypatch.setenv('PATH', str(tmp_path))  # this folder has no git
    assert commit() == 'abc'
