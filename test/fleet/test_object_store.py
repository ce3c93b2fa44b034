# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs with an S3 server on the loopback device: sources, results, and cut uploads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
import hashlib
from pathlib import Path

from fleets import (
    InlineWorkers,
    make_evaluation,
    make_job,
    read_tree,
    run_fleet,
    write_fleet,
    write_labelled_bag,
)
import pytest
from recordings import TOPIC

pytest.importorskip('s3fs', reason='the package s3fs is missing')

from object_server import BUCKET, ObjectServer, serve_objects

from trt_segmentation.bags.mcap_summary import count_images
from trt_segmentation.errors import FleetError, SourceError
from trt_segmentation.fleet.local_workers import LocalWorkers
from trt_segmentation.fleet.manifest import read_table
from trt_segmentation.fleet.recordings import find_recordings, open_filesystem
from trt_segmentation.fleet.run_folder import claim_run, list_runs, open_store
from trt_segmentation.model.card import load_card

OUT = f's3://{BUCKET}/out'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    for name, value in (('AWS_ACCESS_KEY_ID', 'a'), ('AWS_SECRET_ACCESS_KEY', 'b'),
                        ('AWS_DEFAULT_REGION', 'us-east-1'), ('AWS_MAX_ATTEMPTS', '1')):
        monkeypatch.setenv(name, value)
    with serve_objects() as found:
        monkeypatch.setenv('AWS_ENDPOINT_URL', found.url)
        yield found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_fleet(tmp_path / 'in', 2, frames=6)


def upload(server: ObjectServer, folder: Path) -> None:
    for path in folder.rglob('*'):
        if path.is_file():
            server.objects[f'in/{path.relative_to(folder).as_posix()}'] = path.read_bytes()


def files_of(server: ObjectServer, run: str = 'out') -> dict[str, str]:
    return {name.removeprefix(f'{run}/'): hashlib.sha256(data).hexdigest()
            for name, data in sorted(server.objects.items()) if name.startswith(f'{run}/')}


def test_an_object_store_gets_the_same_bytes_as_a_folder(
        tmp_path: Path, source: Path, server: ObjectServer) -> None:
    run_fleet(make_job(tmp_path / 'out', window_s=0.5), source)
    job = make_job(OUT, window_s=0.5)
    result = run_fleet(job, source, LocalWorkers(job, 2, 1.0))
    assert result.exit_code == 0 and result.new == 4 and result.frames.good == 12
    assert files_of(server) == read_tree(tmp_path / 'out')
    for number, (_, name) in enumerate(server.log):
        if name.endswith('/DONE'):      # the files of a shard are complete before its marker
            later = [other for _, other in server.log[number + 1:]]
            assert not [o for o in later if o.startswith(name.removesuffix('DONE'))]
    assert run_fleet(make_job(OUT, window_s=0.5), source).new == 0


def test_a_remote_recording_is_labelled_like_a_local_one(
        tmp_path: Path, source: Path, server: ObjectServer) -> None:
    upload(server, source)
    result = run_fleet(make_job(tmp_path / 'out'), f's3://{BUCKET}/in')
    local = run_fleet(make_job(tmp_path / 'local'), source)
    with closing(open_store(str(tmp_path / 'out'))) as store, \
            closing(open_store(str(tmp_path / 'local'))) as other:
        ours, theirs = read_table(store), read_table(other)
    assert result.frames.good == local.frames.good == 12
    moved = ['shard', 'url']
    assert ours.drop_columns(moved) == theirs.drop_columns(moved)
    assert ours['url'].to_pylist()[0] == f's3://{BUCKET}/in/drive000'


def test_a_new_version_of_an_object_is_another_recording(
        source: Path, server: ObjectServer) -> None:
    upload(server, source)
    before = find_recordings([f's3://{BUCKET}/in/drive00*'])
    name = next(name for name in server.objects if name.endswith('.mcap'))
    server.objects[name] = server.objects[name][:-1] + b'x'
    after = find_recordings([f's3://{BUCKET}/in/drive00*'])
    assert [r.name for r in before] == [r.name for r in after] == ['drive000', 'drive001']
    assert sum(a.identity != b.identity for a, b in zip(before, after)) == 1


def test_complete_shards_cost_no_request_each(source: Path, server: ObjectServer) -> None:
    """The plan of each recording is read, but no file of a complete shard is read."""
    requests = []
    for window_s in (0.5, 0.1):
        job = make_job(f'{OUT}/{window_s}', window_s=window_s)
        new = run_fleet(job, source).new
        server.requests.clear()
        assert run_fleet(job, source).new == 0
        requests.append((new, len(server.requests)))
        assert not [line for line in server.requests if '.parquet' in line
                    and 'manifest' not in line]
    (few, first), (many, second) = requests
    assert (few, many) == (4, 12) and first == second


def test_the_scores_of_a_run_in_a_store(tmp_path: Path, server: ObjectServer) -> None:
    for seed in range(2):
        write_labelled_bag(tmp_path / f'in/drive{seed}', seed)
    local, remote = make_evaluation(tmp_path / 'out'), make_evaluation(OUT)
    for job in (local, remote):
        assert run_fleet(job, tmp_path / 'in').new == 4
    assert files_of(server, remote.out.removeprefix(f's3://{BUCKET}/')) == read_tree(
        Path(local.out))


def test_an_upload_without_its_marker_does_not_count(
        tmp_path: Path, source: Path, server: ObjectServer) -> None:
    run_fleet(make_job(tmp_path / 'out'), source)
    server.refused = 'drive001.*DONE'
    job = make_job(OUT)
    with pytest.raises(FleetError, match=r'DONE cannot be written.*to do the rest'):
        run_fleet(job, source)
    assert any('drive001' in name for name in server.objects)
    server.refused = ''
    workers = InlineWorkers(job)
    assert run_fleet(job, source, workers).new == 1
    assert files_of(server) == read_tree(tmp_path / 'out')


def test_runs_of_a_store_are_listed(source: Path, server: ObjectServer) -> None:
    job = make_job(f'{OUT}/one')
    claim_run(open_store(job.out), job, load_card(job.model))
    assert {name: facts['key'] for name, facts in list_runs(OUT).items()} == {'one': job.key}
    server.objects['out/two/notes.txt'] = b'mine'
    with pytest.raises(FleetError, match='holds files of another program'):
        claim_run(open_store(f'{OUT}/two'), make_job(f'{OUT}/two'), load_card(job.model))


def test_the_topics_of_a_remote_bag_cost_a_few_requests(
        source: Path, server: ObjectServer) -> None:
    upload(server, source)
    (name, _) = sorted(name for name in server.objects if name.endswith('.mcap'))
    fs, _ = open_filesystem(f's3://{BUCKET}')
    assert count_images(fs, f'{BUCKET}/{name}') == {TOPIC: 6}
    assert len(server.requests) < 6 and not server.log


def test_a_missing_bucket_is_named(server: ObjectServer) -> None:
    with pytest.raises(SourceError, match=f's3://{BUCKET}/nothing'):
        find_recordings([f's3://{BUCKET}/nothing'])
