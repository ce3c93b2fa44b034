# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings are found in folders, patterns and URLs, and copies of one are found once."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
import shutil

import fsspec
import numpy as np
import pytest
from recordings import image_messages, pictures, write_bag

from trt_segmentation.errors import SourceError
from trt_segmentation.fleet.recordings import (
    BLOCK,
    copy_recording,
    EDGE,
    find_recordings,
    RecordingCopies,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make two bags, a bare MCAP file, two videos, and files that are no recordings."""
    write_bag(tmp_path / 'a', image_messages(pictures(2, seed=1)))
    write_bag(tmp_path / 'deep/er/b', image_messages(pictures(2, seed=2)), 'sqlite3')
    write_bag(tmp_path / 'c', image_messages(pictures(2, seed=3)))
    (file,) = (tmp_path / 'c').glob('*.mcap')
    shutil.move(file, tmp_path / 'deep/bare.mcap')
    shutil.rmtree(tmp_path / 'c')
    (tmp_path / 'one.mp4').write_bytes(b'1')
    (tmp_path / 'deep/TWO.MKV').write_bytes(b'22')
    (tmp_path / 'notes.txt').write_text('mine')
    return tmp_path


def test_a_folder_is_searched_with_its_subfolders(folder: Path) -> None:
    found = find_recordings([str(folder)])
    assert [(r.name, r.url) for r in found] == [
        (name, f'file://{folder}/{path}') for name, path in (
            ('a', 'a'), ('TWO', 'deep/TWO.MKV'), ('bare', 'deep/bare.mcap'), ('b', 'deep/er/b'),
            ('one', 'one.mp4'))]
    assert [r.size for r in found if r.name in ('one', 'TWO')] == [2, 1]
    assert all(r.local and r.local.exists() for r in found)


def test_patterns_files_and_relative_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert [r.name for r in find_recordings(['one.mp4', 'deep/*.*', 'a'])] == [
        'one', 'TWO', 'bare', 'a']


def test_copies_and_repeated_names_are_found_once(folder: Path) -> None:
    (before,) = find_recordings([str(folder / 'a')])
    shutil.copytree(folder / 'a', folder / 'copy')
    (file,) = (folder / 'copy').glob('*.mcap')
    said: list[str] = []
    assert [r.url for r in find_recordings([str(folder / 'a'), str(folder / '*/'), str(
        folder / 'a')], say=said.append) if r.identity == before.identity] == [before.url]
    assert said == [f'left out: file://{folder}/copy has the same content as {before.url}']
    file.write_bytes(file.read_bytes()[:-1] + b'x')
    (changed,) = find_recordings([str(folder / 'copy')])
    assert changed.identity != before.identity


@pytest.mark.parametrize('size', [10_000, 5_000_000])
@pytest.mark.parametrize('where', [0.2, 0.5, 0.9])
def test_a_copy_with_damage_in_its_middle_is_another_recording(tmp_path: Path, where: float,
                                                               size: int) -> None:
    data = bytearray(np.random.default_rng(1).bytes(size))
    (tmp_path / 'good.mp4').write_bytes(data)
    begin = int(size * where)
    data[begin:begin + size // 20] = bytes(size // 20)
    (tmp_path / 'bad.mp4').write_bytes(data)
    said: list[str] = []
    found = find_recordings([str(tmp_path)], say=said.append)
    assert [recording.name for recording in found] == ['bad', 'good'] and not said


@pytest.mark.parametrize('kind', ['file', 'bag'])
def test_two_contents_with_one_identity_are_refused(tmp_path: Path, kind: str) -> None:
    data = bytearray(5_000_000)
    paths = [tmp_path / name / 'one.mcap' for name in ('a', 'b')]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(data)
        if kind == 'bag':
            (path.parent / 'metadata.yaml').write_text('same')
        data[EDGE + 2 * BLOCK] = 1      # no block has this byte
    with pytest.raises(SourceError) as caught:
        find_recordings([str(tmp_path)])
    first, second = paths if kind == 'file' else [path.parent for path in paths]
    assert str(caught.value).startswith(f'{first} and {second} seem to be copies')
    assert 'One of them may be damaged' in str(caught.value)


def test_a_remote_recording_is_copied_whole(folder: Path, tmp_path_factory: pytest.TempPathFactory,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('trt_segmentation.fleet.recordings.PIECE', 1000)
    store = fsspec.filesystem('memory')
    store.store.clear()
    store.put(str(folder / 'a'), '/bucket/a', recursive=True)
    (recording,) = find_recordings(['memory://bucket/a'])
    assert recording.local is None and recording.name == 'a'
    target = tmp_path_factory.mktemp('copy')
    *parts, path = copy_recording(recording, target)
    assert set(parts) == {None} and len(parts) >= recording.size / 1000
    assert path == target / 'a'
    assert {f.name: f.read_bytes() for f in path.iterdir()} == {
        f.name: f.read_bytes() for f in (folder / 'a').iterdir()}


@pytest.mark.parametrize(('name', 'reason'), [
    ('nothing', 'nothing cannot be read'), ('*.bag', 'there is no recording at'),
    ('notes.txt', 'there is no recording at'), ('memory://nowhere', 'memory://nowhere'),
    ('what://is', 'what://is cannot be read')])
def test_a_wrong_source_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str,
                                 reason: str) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(SourceError) as caught:
        find_recordings([name])
    assert reason in str(caught.value)


def test_recordings_with_label_maps(folder: Path) -> None:
    """Bags and folders of labelled images are found, but no videos."""
    for name in ('photos/images', 'photos/labels', 'more/images', 'images', 'labels'):
        (folder / 'deep' / name).mkdir(parents=True, exist_ok=True)
        (folder / 'deep' / name / 'one.png').write_bytes(name.encode())
    write_bag(folder / 'bags/images', image_messages(pictures(2, seed=7)))
    found = find_recordings([str(folder)], labelled=True)
    assert [r.url.removeprefix(f'file://{folder}/') for r in found] == [
        'a', 'bags/images', 'deep', 'deep/bare.mcap', 'deep/er/b', 'deep/photos']
    photos = found[-1]
    assert (photos.name, photos.size) == ('photos', 2 * len('photos/images'))
    (folder / 'deep/photos/labels/one.png').write_bytes(b'changed/label')
    (changed,) = find_recordings([str(folder / 'deep/photos')], labelled=True)
    assert changed.identity != photos.identity
    with pytest.raises(SourceError, match=r'images and labels\. A video has no label maps'):
        find_recordings([str(folder / 'one.mp4')], labelled=True)


def test_objects_without_a_digest_are_compared_by_url_and_time() -> None:
    memory = fsspec.filesystem('memory')
    for name in ('a', 'b'):
        memory.pipe_file(f'/times/{name}.mp4', name.encode())
        memory.store[f'/times/{name}.mp4'].created = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert [recording.name for recording in find_recordings(['memory://times'])] == ['a', 'b']
    before = [recording.identity for recording in find_recordings(['memory://times'])]
    memory.store['/times/a.mp4'].created = datetime(2026, 1, 2, tzinfo=timezone.utc)
    after = [recording.identity for recording in find_recordings(['memory://times'])]
    assert after[0] != before[0] and after[1] == before[1]
    memory.rm('/times', recursive=True)


def test_recordings_inside_the_results_are_not_read(folder: Path) -> None:
    memory = fsspec.filesystem('memory')
    for name in ('a', 'out/b', 'outer/c'):
        memory.pipe_file(f'/drives/{name}.mp4', name.encode())
    found = find_recordings(['memory://drives'], out='memory://drives/out')
    assert [recording.name for recording in found] == ['a', 'c']
    with pytest.raises(SourceError, match=r'memory://drives/out is inside the folder of the res'):
        find_recordings(['memory://drives/out'], out='memory://drives/out/')
    memory.rm('/drives', recursive=True)
    (folder / 'link').symlink_to(folder / 'deep')
    everything = [recording.name for recording in find_recordings([str(folder)])]
    found = find_recordings([str(folder)], out=str(folder / 'link/er'))
    assert [recording.name for recording in found] == [n for n in everything if n != 'b']


def test_only_the_latest_copy_is_kept(folder: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem('memory')
    for name in ('a', 'b'):
        memory.pipe_file(f'/copies/{name}.mp4', name.encode())
    recordings = find_recordings(['memory://copies'])
    copies = RecordingCopies(tmp_path / 'copy')
    first = copies.find(recordings[0])
    assert first.read_bytes() == b'a' and copies.find(recordings[0]) == first
    second = copies.find(recordings[1])
    assert second.read_bytes() == b'b' and not first.exists()
    (local,) = find_recordings([str(folder / 'one.mp4')])
    assert copies.find(local) == folder / 'one.mp4' and second.exists()
    memory.rm('/copies', recursive=True)
