# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The engine cache: which plans it keeps, and which plans it refuses."""

from dataclasses import fields, replace
import os
from pathlib import Path

import pytest

from trt_segmentation.builder.cache import cache_folder, EngineCache
from trt_segmentation.builder.engine_key import EngineKey
from trt_segmentation.engines.plan import Plan
from trt_segmentation.errors import CacheError, EngineError, PlanRefused
from trt_segmentation.untrusted.signed_files import load_signed_plan, sidecar_path, store_signed

KEY = EngineKey(
    model='a' * 64, precision='fp16', scales='', keep_fp16=(),
    shapes=('512x1024', '1/1/4', '0x0'),
    options=(('workspace', '1073741824'),), backend='tensorrt_rtx', version='1.7.1',
    gpu='RTX', arch='sm_89', driver='580')


class Builder:
    """Builds plans. Each has another number at its end."""

    def __init__(self, data=b'plan'):
        self.data = data
        self.built = 0

    def __call__(self):
        self.built += 1
        return Plan(self.data + b'%d' % self.built, {'layers': 3})


@pytest.fixture
def lines():
    return []


@pytest.fixture
def cache(tmp_path, lines):
    return EngineCache(tmp_path, log=lines.append)


def plan_bytes(plan):
    return plan.data


def test_second_get_loads_what_the_first_built(cache, tmp_path, lines):
    build = Builder()
    assert cache.get(KEY, build, plan_bytes) == b'plan1'
    again = EngineCache(tmp_path, log=lines.append).get(KEY, build, lambda plan: plan)
    assert again == Plan(b'plan1', {'layers': 3})
    assert build.built == 1
    assert 'there is none yet' in lines[0]
    assert len(lines) == 2      # only the first get logs, and its lines say building and built


def test_everything_is_for_this_user_only(cache, tmp_path):
    cache.get(KEY, Builder(), plan_bytes)
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in cache.folder.iterdir()}
    assert modes == {'.plan': 0o600, '.json': 0o600, '.lock': 0o600, '.TAG': 0o600}


@pytest.mark.parametrize('name', [f.name for f in fields(EngineKey)])
def test_every_part_of_the_key_counts(name):
    value = getattr(KEY, name)
    other = {str: lambda v: v + 'x', int: lambda v: v + 1, tuple: lambda v: (*v, 'x')}
    assert replace(KEY, **{name: other[type(value)](value)}).digest != KEY.digest


def test_timing_cache_is_shared_by_models_and_not_by_gpus(cache):
    cache.keep_timing(KEY, b'tactics')
    assert cache.timing(replace(KEY, model='b' * 64)) == b'tactics'
    assert cache.timing(replace(KEY, gpu='other')) == b''
    (path,) = cache.folder.glob('*.timing')
    path.write_bytes(b'changed')
    assert cache.timing(KEY) == b''


def _only_plan(cache):
    (path,) = cache.folder.glob('*.plan')
    return path


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path):
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def _link(path):
    elsewhere = path.with_name('elsewhere')
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _edit(path, old, new):
    text = sidecar_path(path).read_text()
    assert old in text
    sidecar_path(path).write_text(text.replace(old, new))


SPOILS = {
    'has 4 bytes, but its sidecar says 5': _truncate,
    'hash differs from the hash': _flip,
    'Too many levels of symbolic links': _link,
    'can be written by others': lambda path: path.chmod(0o666),
    'plan.json is missing': lambda path: sidecar_path(path).unlink(),
    'JSONDecodeError': lambda path: sidecar_path(path).write_text('{'),
    'schema 0; expected schema 1': lambda path: _edit(path, '"schema": 1', '"schema": 0'),
    'json can be written by others': lambda path: sidecar_path(path).chmod(0o620),
}


@pytest.mark.parametrize('reason', SPOILS)
def test_spoilt_plan_is_built_again_and_never_loaded(cache, lines, reason):
    build, loaded = Builder(), []
    cache.get(KEY, build, plan_bytes)
    SPOILS[reason](_only_plan(cache))
    assert [reason in problem for _, problem in cache.verify()] == [True]
    lines.clear()
    cache.get(KEY, build, lambda plan: loaded.append(plan.data))
    assert loaded == [b'plan2']
    assert reason in lines[0]
    assert [problem for _, problem in cache.verify()] == ['']


@pytest.mark.skipif(os.getuid() != 0, reason='only root can give a file away')
def test_plan_of_another_user_is_not_loaded(cache, lines):
    build = Builder()
    cache.get(KEY, build, plan_bytes)
    os.chown(_only_plan(cache), 12345, -1)
    assert cache.get(KEY, build, plan_bytes) == b'plan2'
    assert 'belongs to user 12345' in lines[2]


@pytest.mark.skipif(os.getuid() != 0, reason='only root can give a folder away')
def test_folder_of_another_user_is_refused(tmp_path):
    (tmp_path / 'engines').mkdir()
    os.chown(tmp_path / 'engines', 12345, -1)
    with pytest.raises(CacheError, match=r'does not belong to user 0.*another cache folder'):
        EngineCache(tmp_path)


def test_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / 'engines').write_text('')
    with pytest.raises(CacheError, match=r'engines cannot hold engines.*XDG_CACHE_HOME'):
        EngineCache(tmp_path)


def test_folder_open_to_others_is_closed(tmp_path):
    (tmp_path / 'engines').mkdir(mode=0o777)
    assert EngineCache(tmp_path).folder.stat().st_mode & 0o777 == 0o700


def _refuse(*bad):
    def load(plan):
        if plan.data in bad:
            raise PlanRefused('made by another driver')
        return plan.data
    return load


def test_cached_plan_the_runtime_refuses_is_built_once_more(cache, lines):
    build = Builder()
    cache.get(KEY, build, plan_bytes)
    lines.clear()
    assert cache.get(KEY, build, _refuse(b'plan1')) == b'plan2'
    assert build.built == 2
    assert 'made by another driver' in lines[0]
    assert cache.get(KEY, build, plan_bytes) == b'plan2'


def test_fresh_plan_the_runtime_refuses_is_an_error(cache):
    build = Builder()
    with pytest.raises(EngineError, match='another driver'):
        cache.get(KEY, build, _refuse(b'plan1'))
    assert build.built == 1
    with pytest.raises(EngineError, match='another driver'):
        cache.get(KEY, build, _refuse(b'plan1', b'plan2'))
    assert build.built == 2


def test_failed_build_leaves_nothing(cache):
    def build():
        raise EngineError('no memory')
    with pytest.raises(EngineError, match='no memory'):
        cache.get(KEY, build, plan_bytes)
    assert {path.name for path in cache.folder.iterdir()} == {'CACHEDIR.TAG', 'build.lock'}
    assert cache.get(KEY, Builder(), plan_bytes) == b'plan1'


def test_full_disk_is_logged_and_the_plan_used(cache, lines, monkeypatch):
    monkeypatch.setattr(os, 'fsync', lambda fd: (_ for _ in ()).throw(OSError(28, 'No space')))
    assert cache.get(KEY, Builder(), plan_bytes) == b'plan1'
    assert 'could not be written' in lines[-1] and 'No space' in lines[-1]
    assert {path.name for path in cache.folder.iterdir()} == {'CACHEDIR.TAG', 'build.lock'}


def test_the_least_recently_used_plan_is_deleted_first(tmp_path, lines):
    cache = EngineCache(tmp_path, limit=25, log=lines.append)
    keys = [replace(KEY, model=str(n)) for n in range(3)]
    for age, key in zip((30, 20), keys):
        cache.get(key, Builder(b'x' * 9), plan_bytes)
        os.utime(cache.folder / f'{key.digest}.plan', (age, age))
    cache.get(keys[0], Builder(), plan_bytes)       # keys[1] is the oldest after this
    cache.get(keys[2], Builder(b'y' * 9), plan_bytes)
    left = {entry.key['model'] for entry in cache.entries()}
    assert left == {'0', '2'}
    assert f'deleting {keys[1].digest}' in lines[-1]
    assert not sidecar_path(cache.folder / f'{keys[1].digest}.plan').exists()


def test_newest_plan_stays_even_if_it_is_larger_than_the_limit(tmp_path):
    cache = EngineCache(tmp_path, limit=3)
    cache.get(KEY, Builder(), plan_bytes)
    assert len(cache.entries()) == 1


def test_plan_is_read_from_any_path(tmp_path):
    path = tmp_path / 'street.plan'
    plan = Plan(b'plan', {'layers': 3})
    store_signed(path, plan, {})
    found = load_signed_plan(path)
    assert (found.data, found.about) == (plan.data, plan.about)
    _flip(path)
    with pytest.raises(CacheError, match=r'street.plan cannot be used as a plan: its hash differs '
                                         r'.* `trt_seg build` writes .* street.plan.json'):
        load_signed_plan(path)


def test_missing_plan_is_reported(tmp_path):
    with pytest.raises(CacheError, match=r'there is no plan .*street\.plan\. `trt_seg build'):
        load_signed_plan(tmp_path / 'street.plan')


def test_clear_frees_everything(cache):
    cache.get(KEY, Builder(), plan_bytes)
    cache.keep_timing(KEY, b'tactics')
    size = sum(p.stat().st_size for p in cache.folder.iterdir()
               if p.suffix not in ('.lock', '.TAG'))
    assert cache.clear() == size
    assert cache.entries() == [] and cache.timing(KEY) == b''


def test_files_of_the_user_stay(tmp_path, lines):
    """The folder of the cache may also contain files of the user."""
    folder = tmp_path / 'engines'
    EngineCache(tmp_path, limit=1, log=lines.append)
    theirs = {'notes.json', 'mine.plan', 'download.part', 'a.scales'}
    for name in theirs:
        (folder / name).write_text('theirs')
        os.utime(folder / name, (0, 0))
    cache = EngineCache(tmp_path, limit=1, log=lines.append)
    cache.get(KEY, Builder(), plan_bytes)
    assert len(cache.entries()) == 1
    cache.clear()
    assert {path.name for path in folder.iterdir()} == theirs | {'build.lock', 'CACHEDIR.TAG'}


@pytest.mark.parametrize('text', ['[' * 100_000, '{"key": 7}', b'\xff', 'pipe'])
def test_odd_sidecar_is_listed_without_a_key(cache, text):
    cache.get(KEY, Builder(), plan_bytes)
    path = sidecar_path(_only_plan(cache))
    path.unlink()
    if text == 'pipe':
        os.mkfifo(path)
    else:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (entry,) = cache.entries()
    assert entry.key == {}


def test_folder_swapped_for_a_link_while_it_is_checked(tmp_path, monkeypatch):
    """The cache must not change the mode of the folder behind the link."""
    theirs, folder = tmp_path / 'theirs', tmp_path / 'engines'
    theirs.mkdir(mode=0o755)

    def swapping(call):
        def swap(path, *args, **kwargs):
            found = call(path, *args, **kwargs)
            if Path(path) == folder and not os.path.islink(folder):
                folder.rmdir()
                folder.symlink_to(theirs)
            return found
        return swap

    monkeypatch.setattr(Path, 'lstat', swapping(Path.lstat))
    monkeypatch.setattr(os, 'open', swapping(os.open))
    EngineCache(tmp_path)
    assert os.path.islink(folder) and theirs.stat().st_mode & 0o777 == 0o755


def test_home_of_an_unknown_user_is_one_error():
    with pytest.raises(CacheError, match="cannot be used: '~nosuchuser/c' names the home"):
        EngineCache('~nosuchuser/c')


def test_folder_follows_the_parameter_then_xdg_then_home(monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', '/xdg')
    assert cache_folder('/here') == Path('/here')
    assert cache_folder() == Path('/xdg/trt_segmentation')
    for relative in ('not/absolute', '.', ''):
        monkeypatch.setenv('XDG_CACHE_HOME', relative)
        monkeypatch.setenv('HOME', '/home/me')
        assert cache_folder() == Path('/home/me/.cache/trt_segmentation')
