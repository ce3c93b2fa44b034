# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Shared libraries that another user could have changed are refused, with what to do."""

import hashlib
import os

import pytest

from trt_segmentation.engines import shared_library
from trt_segmentation.engines.shared_library import check_library, hash_library


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / 'lib'
    folder.mkdir(mode=0o755)
    path = folder / 'libplugins.so'
    path.write_bytes(b'code')
    path.chmod(0o644)
    return path


def test_library_of_this_user_is_accepted(library):
    assert check_library(library) == library.resolve()
    assert hash_library(library) == hashlib.sha256(b'code').hexdigest()


def test_link_is_followed_and_its_target_is_checked(library, tmp_path):
    link = tmp_path / 'link.so'
    link.symlink_to(library)
    assert check_library(link) == library.resolve()
    library.chmod(0o666)
    with pytest.raises(PermissionError, match='other users can change'):
        check_library(link)


@pytest.mark.parametrize('mode', [0o664, 0o646])
def test_library_that_others_can_write_is_refused(library, mode):
    library.chmod(mode)
    with pytest.raises(PermissionError) as caught:
        check_library(library)
    assert str(caught.value) == (f'other users can change {library}. Run `chmod go-w {library}`')


def test_every_folder_that_others_can_write_is_named(library):
    library.parent.chmod(0o777)
    library.chmod(0o666)
    with pytest.raises(PermissionError) as caught:
        check_library(library)
    assert str(caught.value).endswith(f'Run `chmod go-w {library} {library.parent}`')
    library.parent.chmod(0o1777)
    library.chmod(0o644)
    assert check_library(library) == library


def test_library_of_another_user_is_refused(library, monkeypatch):
    user = os.getuid()
    monkeypatch.setattr(shared_library, '_ROOT', user + 1)
    monkeypatch.setattr(os, 'getuid', lambda: user + 2)
    with pytest.raises(PermissionError, match=f'libplugins.so belongs to user {user}. Copy the '
                                              f'library to a folder of user {user + 2}'):
        check_library(library)


def test_missing_file_and_folder_are_refused(library):
    with pytest.raises(FileNotFoundError):
        check_library(library.with_name('other.so'))
    with pytest.raises(OSError, match='not a regular file'):
        check_library(library.parent)
