# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A cache folder that is read-only, full, owned by another user, or on a disk that is gone.

Expected: if the folder cannot be used at all, one CacheError names the folder and says what to
do. If only writing fails, the engine that was built is used, and the log says that it could not
be kept. No partly written file is left or loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
import errno
import os
from pathlib import Path
import subprocess

from faults.engine_starter import KEY
import pytest

from trt_segmentation.builder.cache import EngineCache
from trt_segmentation.commands import cli
from trt_segmentation.engines.plan import Plan
from trt_segmentation.errors import CacheError
from trt_segmentation.pipeline import EngineSettings, open_pipeline
from trt_segmentation.untrusted import signed_files as own_files
from trt_segmentation.untrusted.signed_files import load_signed

ADVICE = 'another cache folder'


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a separate disk of 1 MB. Only root can mount it; other users skip the test."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(folder)],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'no disk can be mounted here: {done.stderr.strip()}')
    yield folder
    subprocess.run(['umount', '-l', str(folder)], check=True)


def plan(size: int = 1000) -> Plan:
    return Plan(os.urandom(size))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_plan_that_does_not_fit_the_disk_is_used_and_not_kept(small_disk):
    """A plan of 2 MB leaves nothing on a real disk of 1 MB. Then a small plan still fits."""
    lines: list[str] = []
    cache = EngineCache(small_disk, log=lines.append)
    large = plan(2_000_000)
    assert cache.get(KEY, lambda: large, lambda plan: plan.data) == large.data
    assert 'could not be written, so the next start builds again' in lines[-1]
    assert 'No space left' in lines[-1]
    assert names(cache.folder) == ['CACHEDIR.TAG', 'build.lock']
    small = plan()
    assert cache.get(KEY, lambda: small, lambda plan: plan.data) == small.data
    assert cache.verify()[0][1] == ''


def test_message_says_what_a_file_that_was_not_written_costs(small_disk):
    lines: list[str] = []
    cache = EngineCache(small_disk, log=lines.append)
    cache.keep_timing(KEY, bytes(2_000_000))
    cache.keep_kernels(KEY, bytes(2_000_000))
    assert ['.timing could not be written, so the next build is slower: ' in lines[0],
            '.kernels could not be written, so the next start compiles the kernels again: '
            in lines[1], len(lines)] == [True, True, 2]
    assert cache.timing(KEY) == cache.kernels(KEY) == b''


def test_sidecar_that_does_not_fit_leaves_a_plan_that_is_not_loaded(small_disk):
    """The plan fits, and its sidecar does not. A plan without a hash is built again."""
    lines: list[str] = []
    cache = EngineCache(small_disk, log=lines.append)
    room = os.statvfs(cache.folder)
    first = Plan(os.urandom(room.f_bavail * room.f_bsize))
    cache.get(KEY, lambda: first, lambda plan: None)
    assert 'No space left' in lines[-1]
    assert [why for _, why in cache.verify()] == [f'{KEY.digest}.plan.json is missing']
    second = plan()
    assert cache.get(KEY, lambda: second, lambda plan: plan.data) == second.data


def test_disk_without_a_byte_left_still_gives_an_engine(small_disk):
    """The cache works without space, because it writes nothing into the lock file."""
    lines: list[str] = []
    cache = EngineCache(small_disk, log=lines.append)
    with pytest.raises(OSError, match='No space left'):
        (small_disk / 'filler').write_bytes(bytes(2_000_000))
    built = plan()
    assert cache.get(KEY, lambda: built, lambda plan: plan.data) == built.data
    assert 'could not be written' in lines[-1]


def test_read_only_disk_is_one_error(small_disk, capsys):
    """The API and the command say what to do. The disk may hold engines or not."""
    EngineCache(small_disk).get(KEY, plan, lambda plan: None)
    subprocess.run(['mount', '-o', 'remount,ro', str(small_disk)], check=True)
    for folder in (small_disk, small_disk / 'new'):
        with pytest.raises(CacheError, match=f'cannot hold engines: .*Read-only.*{ADVICE}'):
            EngineCache(folder)
    assert cli.main(['cache', 'verify', '--folder', str(small_disk)]) == 2
    err = capsys.readouterr().err
    assert err.startswith('trt_seg: error: ') and str(small_disk) in err and ADVICE in err


def test_disk_that_becomes_read_only_later_does_not_lose_the_build(small_disk):
    """The disk becomes read-only after the cache was opened and before the build ends."""
    lines: list[str] = []
    cache = EngineCache(small_disk, log=lines.append)
    built = plan()

    def build() -> Plan:
        # a disk with an open file cannot become read-only, so a read-only disk replaces it
        subprocess.run(['umount', '-l', str(small_disk)], check=True)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m,ro', 'tmpfs', str(small_disk)],
                       check=True)
        return built

    assert cache.get(KEY, build, lambda plan: plan.data) == built.data
    assert any('could not be written' in line for line in lines), lines


@pytest.mark.skipif(os.getuid() != 0, reason='only root can give a folder away')
def test_folder_of_another_user_is_refused(tmp_path, capsys):
    """The owner of the folder could replace the plans in it."""
    (tmp_path / 'engines').mkdir()
    os.chown(tmp_path / 'engines', 12345, 12345)
    with pytest.raises(CacheError, match=f'does not belong to user 0.*{ADVICE}'):
        EngineCache(tmp_path)
    assert cli.main(['cache', 'list', '--folder', str(tmp_path)]) == 2
    assert ADVICE in capsys.readouterr().err


def test_link_to_a_folder_is_refused(tmp_path):
    """The target of the link may change at any time."""
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'engines').symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(CacheError, match=ADVICE):
        EngineCache(tmp_path)


DEAD = [errno.ESTALE, errno.EIO, errno.ENOTCONN]
"""Errors of a network file system after its server is gone.

The tests cannot mount such a file system. So the tests let system calls raise these errors.
"""


def fail_with(number: int):
    def call(*args: object, **kwargs: object) -> object:
        raise OSError(number, os.strerror(number))
    return call


@pytest.mark.parametrize('number', DEAD)
@pytest.mark.parametrize('call', ['open', 'fchmod'])
def test_dead_mount_is_an_error_when_the_cache_is_opened(tmp_path, monkeypatch, number, call):
    """The first call on the folder fails."""
    (tmp_path / 'engines').mkdir()
    monkeypatch.setattr(own_files.os, call, fail_with(number))
    with pytest.raises(CacheError, match=f'engines cannot hold engines: .*{ADVICE}'):
        EngineCache(tmp_path)


@pytest.mark.parametrize('number', DEAD)
def test_dead_mount_is_an_error_when_the_cache_is_locked(tmp_path, monkeypatch, number):
    """The lock file cannot be opened."""
    cache = EngineCache(tmp_path)
    monkeypatch.setattr(os, 'open', fail_with(number))
    with pytest.raises(CacheError, match=f'engines cannot be locked: .*{ADVICE}'):
        cache.get(KEY, plan, lambda plan: None)


@pytest.mark.parametrize('number', DEAD)
def test_mount_that_dies_during_the_build_does_not_lose_it(tmp_path, monkeypatch, number):
    """After the build, no file can be listed, opened or renamed."""
    lines: list[str] = []
    cache = EngineCache(tmp_path, log=lines.append)
    built = plan()

    def build() -> Plan:
        for call in ('open', 'replace', 'utime', 'unlink'):
            monkeypatch.setattr(own_files.os, call, fail_with(number))
        for call in ('glob', 'lstat', 'stat', 'unlink', 'exists'):
            monkeypatch.setattr(own_files.Path, call, fail_with(number))
        return built

    assert cache.get(KEY, build, lambda plan: plan.data) == built.data
    monkeypatch.undo()
    assert any('could not be written' in line for line in lines), lines


@pytest.mark.parametrize('number', DEAD)
def test_plan_on_a_dead_mount_is_not_trusted(tmp_path, monkeypatch, number):
    """load_signed returns the reason and raises no exception."""
    cache = EngineCache(tmp_path)
    cache.get(KEY, plan, lambda plan: None)
    (path,) = cache.folder.glob('*.plan')
    monkeypatch.setattr(os, 'open', fail_with(number))
    found, why = load_signed(path)
    assert found is None and os.strerror(number) in why


def test_auto_goes_on_without_a_cache(tmp_path, monkeypatch):
    """If the folder cannot hold engines, engine auto takes another engine."""
    pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    from trt_segmentation.model.card import load_card
    (tmp_path / 'engines').write_text('in the way')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    pipeline = open_pipeline(load_card('street'), settings=EngineSettings(cache=str(tmp_path)))
    assert pipeline.identity.engine == 'onnxruntime-cpu'
    pipeline.close()
