# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Untrusted files are read within bounds, and files of this package are written safely."""

import os
from pathlib import Path
import re
import stat
import subprocess
import sys
import threading

import pytest

from trt_segmentation.builder.calibration import Calibration
from trt_segmentation.engines.plan import Plan
from trt_segmentation.errors import OutputError
from trt_segmentation.untrusted import signed_files as own_files
from trt_segmentation.untrusted.regular_file import (
    expand_home,
    open_regular,
    PART_NAME,
    read_pieces,
    read_regular,
    replace_file,
)
from trt_segmentation.untrusted.signed_files import (
    delete_unfinished,
    load_signed,
    load_signed_plan,
    store_signed,
)

RANGES = Calibration({'conv': (-1.0, 1.0)}, 'minmax', 'd' * 64, 3)


def stored(path: Path) -> None:
    store_signed(path, Plan(b'plan'), {})


WRITERS = {'plan': stored, 'ranges': RANGES.save, 'bytes': lambda path: replace_file(path, b'x')}


def opened_while(run, monkeypatch):
    """Run a function. Return (name, flags) of every file that it opens for writing."""
    real, seen = os.open, []

    def watched(path, flags, *args, **kwargs):
        if flags & os.O_CREAT:
            seen.append((Path(path).name, flags))
        return real(path, flags, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'open', watched)
        run()
    return seen


@pytest.mark.parametrize('what', WRITERS)
def test_parts_have_names_that_cannot_be_guessed(tmp_path, monkeypatch, what):
    """Nobody knows the name of a part file before, so nobody can plant a link there."""
    path = tmp_path / 'net'
    seen = [opened_while(lambda: WRITERS[what](path), monkeypatch) for _ in range(2)]
    names = [name for run in seen for name, _ in run]
    assert names and len(set(names)) == len(names)
    assert all(re.fullmatch(PART_NAME, name) for name in names)
    assert all(flags & os.O_EXCL and flags & os.O_NOFOLLOW for run in seen for _, flags in run)


@pytest.mark.parametrize('what', WRITERS)
def test_links_planted_in_the_folder_are_replaced_not_followed(tmp_path, what):
    """Links are at the names of the file, of its sidecar, and of former part files."""
    victim = tmp_path / 'victim'
    victim.write_text('precious')
    path = tmp_path / 'folder' / 'net'
    path.parent.mkdir()
    for name in ('net', 'net.json', f'net.{os.getpid()}.part', f'net.json.{os.getpid()}.part'):
        (path.parent / name).symlink_to(victim)
    if what == 'ranges':    # at a path of the user, the link stays too
        with pytest.raises(OutputError):
            WRITERS[what](path)
    else:
        WRITERS[what](path)
        assert path.is_file() and not path.is_symlink()
    assert victim.read_text() == 'precious'


@pytest.mark.parametrize('umask', [0o022, 0o002, 0o077, 0o027])
def test_the_mode_equals_the_mode_of_a_plain_open(tmp_path, umask):
    """The test uses another process, because a umask belongs to the whole process."""
    code = ('import os, sys\nfrom pathlib import Path\n'
            'from trt_segmentation.untrusted.regular_file import replace_file\n'
            f'os.umask({umask})\n'
            'replace_file(Path(sys.argv[1]) / "ours", b"x")\n'
            'open(Path(sys.argv[1]) / "plain", "wb").close()\n')
    subprocess.run([sys.executable, '-c', code, str(tmp_path)], check=True)
    ours, plain = ((tmp_path / name).stat().st_mode for name in ('ours', 'plain'))
    assert stat.S_IMODE(ours) == stat.S_IMODE(plain) == 0o666 & ~umask


def test_others_can_read_ranges_but_not_plans(tmp_path):
    RANGES.save(tmp_path / 'scales')
    stored(tmp_path / 'plan')
    (tmp_path / 'plain').touch()
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode)
             for name in ('scales', 'plain', 'plan', 'plan.json')}
    assert modes['scales'] == modes['plain']
    assert modes['plan'] == modes['plan.json'] == 0o600


@pytest.mark.parametrize('call', ['fsync', 'replace'])
def test_failed_write_leaves_the_old_file_and_no_part(tmp_path, monkeypatch, call):
    path = tmp_path / 'net'
    path.write_text('old')

    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match='No space'):
        replace_file(path, b'new')
    assert [p.name for p in tmp_path.iterdir()] == ['net'] and path.read_text() == 'old'


def test_only_part_files_of_this_package_are_deleted(tmp_path):
    ours, theirs = tmp_path / f'.{"a" * 32}.part', tmp_path / 'download.part'
    for path in (ours, theirs):
        path.touch()
        os.utime(path, (0, 0))
    delete_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['download.part']


# ---- reading

@pytest.mark.parametrize('make', ['pipe', 'folder', 'device'])
def test_other_kinds_of_files_are_refused_at_once(tmp_path, make):
    path = tmp_path / 'odd'
    {'pipe': lambda: os.mkfifo(path), 'folder': path.mkdir,
     'device': lambda: path.symlink_to('/dev/zero')}[make]()
    before = len(os.listdir('/proc/self/fd'))
    with pytest.raises(OSError, match='odd is not a regular file'):
        read_regular(path, 100)
    assert len(os.listdir('/proc/self/fd')) == before


def test_pipe_in_the_place_of_a_plan_is_not_waited_for(tmp_path):
    """A plain open of a pipe would wait for a writer."""
    os.mkfifo(tmp_path / 'net.plan')
    found, why = load_signed(tmp_path / 'net.plan')
    assert found is None and 'not a regular file' in why
    with pytest.raises(own_files.CacheError, match='not a regular file'):
        load_signed_plan(tmp_path / 'net.plan')


def test_a_file_with_another_size_than_expected_is_an_error(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(bytes(3_000_000))
    assert read_regular(path, 3_000_000) == bytes(3_000_000)
    with pytest.raises(ValueError, match='it has 3,000,000 bytes, but at most 2,999,999 are al'):
        read_regular(path, 2_999_999)
    with open_regular(path) as file:
        read = read_pieces(file)
        next(read)
        os.truncate(path, 1 << 20)
        with pytest.raises(OSError, match='had 3,000,000 bytes when it was opened'):
            list(read)
    # a file in /proc has size 0 but contains bytes
    with pytest.raises(OSError, match=r'had 0 bytes when .* not a file on a disk'):
        read_regular(Path('/proc/self/maps'), 100)


def test_the_home_of_an_unknown_user_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert expand_home('~/a') == tmp_path / 'a'
    with pytest.raises(FileNotFoundError, match="'~nosuchuser/a' names the home folder of a user"):
        expand_home('~nosuchuser/a')


def test_threads_that_write_one_file_leave_a_whole_file(tmp_path):
    """Each thread writes its own part file."""
    path, contents = tmp_path / 'net', [bytes([n]) * 100_000 for n in range(4)]
    threads = [threading.Thread(target=replace_file, args=(path, data)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert [p.name for p in tmp_path.iterdir()] == ['net']
