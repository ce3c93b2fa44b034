# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0

from pathlib import Path
import re

from trt_segmentation.installed import version as module
from trt_segmentation.installed.version import commit, version


def test_the_commit_comes_from_git_or_the_environment_or_the_build(monkeypatch, tmp_path):
    monkeypatch.setenv('BENCH_COMMIT', 'abc')
    assert re.fullmatch(r'[0-9a-f]{12}\+?|abc', commit())
    monkeypatch.setenv('PATH', str(tmp_path))  # this folder has no git
    monkeypatch.setattr(module, '_recorded_commit', lambda: '0123456789ab')
    assert commit() == 'abc'
    monkeypatch.delenv('BENCH_COMMIT')
    assert commit() == '0123456789ab'


def test_an_unknown_commit_names_the_version(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('BENCH_COMMIT', raising=False)
    assert not Path(module.__file__).with_name('commit.txt').exists()
    assert commit() == f'unknown; installed version {version()}'
