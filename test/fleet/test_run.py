# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A run does each shard exactly once, whatever ends its workers or itself."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
import errno
from itertools import count
import json
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

from fleets import colors_model, InlineWorkers, make_job, read_tree, run_fleet, write_fleet
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recordings import image_messages, Message, pictures, write_bag

from trt_segmentation.errors import FleetError, OutputError
from trt_segmentation.fleet import local_store
from trt_segmentation.fleet import run as run_module
from trt_segmentation.fleet.local_workers import LocalWorkers
from trt_segmentation.fleet.manifest import read_table
from trt_segmentation.fleet.run_folder import (
    claim_run,
    forget_quarantine,
    open_store,
    read_shards,
)
from trt_segmentation.fleet.schedule import FleetStatus
from trt_segmentation.fleet.shards import FrameCounts
from trt_segmentation.fleet.worker import Committed, Event, Lost, Planned, Progress
from trt_segmentation.model.card import load_card

WINDOW = 0.5
"""Seconds of a shard: five frames."""


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two recordings of three shards each: two of five frames, and one of two."""
    return write_fleet(tmp_path_factory.mktemp('fleet') / 'in', 2, frames=12)


@pytest.fixture(scope='module')
def calm_run(source: Path) -> Path:
    """Run without a disturbance, and return the folder of the run."""
    out = source.parent / 'calm'
    result = run_fleet(make_job(out, window_s=WINDOW), source)
    assert result.exit_code == 0 and result.new == 6 and result.frames.good == 24
    return out


@pytest.fixture
def calm(calm_run: Path) -> dict[str, str]:
    """Return all files of the undisturbed run with their digests."""
    return read_tree(calm_run)


@pytest.fixture(scope='module')
def calm_street(source: Path) -> dict[str, str]:
    """Run a slower network without a disturbance, so that processes can be killed in time."""
    out = source.parent / 'calm-street'
    assert run_fleet(make_job(out, 'street', window_s=WINDOW), source).exit_code == 0
    return read_tree(out)


@pytest.fixture
def copied_run(tmp_path: Path, calm_run: Path) -> Path:
    """Copy the undisturbed run."""
    return Path(shutil.copytree(calm_run, tmp_path / 'copied'))


def test_every_frame_has_one_row_and_one_label_map(calm_run: Path,
                                                   calm: dict[str, str]) -> None:
    rows = read_rows(calm_run)
    stamps = [(row['recording'], row['stamp_ns']) for row in rows]
    assert len(set(stamps)) == 24 and stamps == sorted(stamps)
    assert [row['number'] for row in rows] == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2] * 2
    assert sum(name.endswith('.mcap') for name in calm) == 6 == sum(
        name.endswith('DONE') for name in calm)
    assert not any(name.startswith('parts') for name in calm)


def test_the_same_run_does_nothing_again(copied_run: Path, source: Path,
                                         calm: dict[str, str]) -> None:
    job = make_job(copied_run, window_s=WINDOW)
    workers = InlineWorkers(job)
    result = run_fleet(job, source, workers)
    assert result.new == 0 and result.frames.good == 24 and workers.events == []
    assert read_tree(copied_run) == calm


def read_rows(run: Path) -> list[dict[str, Any]]:
    with closing(open_store(str(run))) as store:
        rows: list[dict[str, Any]] = read_table(store).to_pylist()
    return rows


def test_the_manifest_has_the_frames_of_all_commands_in_any_order(
        tmp_path: Path, source: Path, calm: dict[str, str]) -> None:
    names = ['drive000', 'drive001']
    for out, order in (('up', names), ('down', names[::-1])):
        job = make_job(tmp_path / out, window_s=WINDOW)
        for number, name in enumerate(order, 1):
            result = run_fleet(job, source / name)
            assert result.frames == FrameCounts(12, 0, 12 * number) and result.new == 3
    assert read_tree(tmp_path / 'up') == read_tree(tmp_path / 'down') == calm


def test_a_changed_recording_replaces_its_frames_in_the_manifest(tmp_path: Path) -> None:
    source = write_fleet(tmp_path / 'in', 2, frames=12)
    job = make_job(tmp_path / 'out', window_s=WINDOW)
    run_fleet(job, source)
    before = read_tree(tmp_path / 'out')
    shutil.move(source / 'drive000', tmp_path / 'old')
    write_bag(source / 'drive000', image_messages(pictures(7, seed=50)))
    result = run_fleet(job, source / 'drive000')
    assert result.frames == FrameCounts(7, 0, 19) and result.new == 2
    rows = read_rows(tmp_path / 'out')
    assert [row['recording'] for row in rows] == ['drive000'] * 7 + ['drive001'] * 12
    frames = [(row['url'], row['topic'], row['stamp_ns']) for row in rows]
    assert len(set(frames)) == 19 and frames == sorted(frames)
    shutil.rmtree(source / 'drive000')
    shutil.move(tmp_path / 'old', source / 'drive000')
    assert run_fleet(job, source / 'drive000').new == 0     # the old shards are used again
    after = read_tree(tmp_path / 'out')
    assert {name: after[name] for name in before} == before


def test_the_plan_of_a_moved_recording_has_the_new_url(tmp_path: Path) -> None:
    source = write_fleet(tmp_path / 'in', 1)
    job = make_job(tmp_path / 'out')
    run_fleet(job, source)
    shutil.move(source / 'drive000', source / 'moved')
    assert run_fleet(job, source).new == 0 and len(read_rows(tmp_path / 'out')) == 4
    with closing(open_store(job.out)) as store:
        (shard,) = read_shards(store, job).values()
    assert shard.recording.url == f'file://{source}/moved'


def test_a_shard_without_its_table_is_named(copied_run: Path, source: Path) -> None:
    table = sorted((copied_run / 'shards').rglob('frames.parquet'))[0]
    table.unlink()
    manifest = copied_run / 'manifest.parquet'
    before = manifest.read_bytes()
    job = make_job(copied_run, window_s=WINDOW)
    run_fleet(job, source / 'drive001')     # the manifest has the rows
    assert manifest.read_bytes() == before
    manifest.unlink()
    with pytest.raises(FleetError, match=f'shard {table.parent.name} is missing. Delete'):
        run_fleet(job, source / 'drive001')


@pytest.mark.parametrize('change', ['cut', 'other rows'])
def test_a_changed_manifest_is_written_again(copied_run: Path, source: Path, change: str,
                                             calm: dict[str, str]) -> None:
    manifest = copied_run / 'manifest.parquet'
    if change == 'cut':
        manifest.write_bytes(manifest.read_bytes()[:-9])
    else:
        pq.write_table(pq.read_table(manifest).replace_schema_metadata({}), manifest)
    assert run_fleet(make_job(copied_run, window_s=WINDOW), source).new == 0
    assert read_tree(copied_run) == calm


def test_a_shard_that_is_labelled_again_gets_new_rows(copied_run: Path, source: Path,
                                                      calm: dict[str, str]) -> None:
    manifest = copied_run / 'manifest.parquet'
    table = pq.read_table(manifest)
    at = table.column_names.index('brightness')
    wrong = pa.chunked_array([pa.array([0.0] * len(table), pa.float32())])
    with pq.ParquetWriter(manifest, table.schema, compression='zstd') as writer:
        for begin, count in ((0, 5), (5, 5), (10, 2), (12, 5), (17, 5), (22, 2)):
            writer.write_table(table.set_column(at, table.schema.field(at), wrong).slice(
                begin, count))
    for shard in (copied_run / 'shards').iterdir():
        shutil.rmtree(shard)
    assert run_fleet(make_job(copied_run, window_s=WINDOW), source).new == 6
    assert read_tree(copied_run) == calm


def test_shards_of_another_length_are_refused(copied_run: Path, source: Path) -> None:
    card = load_card(colors_model())
    with closing(open_store(str(tmp := copied_run / 'new'))) as store:
        claim_run(store, make_job(tmp, window_s=WINDOW), card)
        claim_run(store, make_job(tmp, window_s=WINDOW), card)
        with pytest.raises(FleetError, match=r'last 0\.5 s.*Give --shard-seconds 0\.5, or'):
            claim_run(store, make_job(tmp, window_s=7.0), card)


def test_a_missing_shard_alone_is_done_again(copied_run: Path, source: Path,
                                             calm: dict[str, str]) -> None:
    shutil.rmtree(sorted((copied_run / 'shards').iterdir())[1])
    assert run_fleet(make_job(copied_run, window_s=WINDOW), source).new == 1
    assert read_tree(copied_run) == calm


def test_a_lost_worker_changes_no_byte(tmp_path: Path, source: Path,
                                       calm: dict[str, str]) -> None:
    seen: Counter[str] = Counter()

    def lose(event: Event) -> Event | None:
        """Lose the worker at one event of three kinds each, before the run hears of it."""
        kind = type(event).__name__
        seen[kind] += 1
        is_lost = isinstance(event, Planned | Committed | Progress) and seen[kind] == 2
        return Lost('the cable was cut') if is_lost else None

    job = make_job(tmp_path / 'wild', window_s=WINDOW)
    said: list[str] = []
    result = run_fleet(job, source, InlineWorkers(job, lose), say=said.append)
    assert result.exit_code == 0 and result.frames.good == 24
    assert said.count('a worker was lost: the cable was cut') == len(said) == 3
    assert read_tree(tmp_path / 'wild') == calm


def test_killed_processes_change_no_byte(tmp_path: Path, source: Path,
                                         calm_street: dict[str, str],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, 'TELL_SECONDS', 0.0)   # a short run must report while it works
    job = make_job(tmp_path / 'wild', 'street', window_s=WINDOW)
    workers = LocalWorkers(job, 2, 1.0)
    killed: list[int] = []

    def kill(status: FleetStatus) -> None:
        if status.busy and len(killed) < 2:
            (victim, *_) = workers._alive.values()
            os.kill(victim.process.pid or 0, signal.SIGKILL)
            killed.append(status.done)

    said: list[str] = []
    result = run_fleet(job, source, workers, report=kill, say=said.append)
    assert len(killed) == 2 and said == ['a worker was lost: SIGKILL ended the worker'] * len(said)
    assert result.exit_code == 0 and result.frames.good == 24
    assert read_tree(tmp_path / 'wild') == calm_street


def test_a_killed_driver_loses_nothing(tmp_path: Path, source: Path,
                                       calm_street: dict[str, str]) -> None:
    code = ('import sys; sys.path[:0] = sys.argv[3:]\n'
            'from fleets import *\n'
            f'job = make_job(sys.argv[2], "street", window_s={WINDOW})\n'
            'run_fleet(job, sys.argv[1])')
    driver = subprocess.Popen([sys.executable, '-c', code, str(source), str(tmp_path / 'wild'),
                               *filter(None, sys.path)])
    shards = tmp_path / 'wild/shards'
    while not (shards.exists() and list(shards.iterdir())) and driver.poll() is None:
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    before = len(list(shards.iterdir()))
    result = run_fleet(make_job(tmp_path / 'wild', 'street', window_s=WINDOW), source)
    assert result.new == 6 - before and result.frames.good == 24
    assert read_tree(tmp_path / 'wild') == calm_street


def test_a_worker_that_says_nothing_is_replaced(tmp_path: Path, source: Path,
                                                calm: dict[str, str]) -> None:
    class SilentOnce(InlineWorkers):
        silent = 0

        def wait(self, seconds: float) -> list[tuple[int, Event]]:
            if not self.silent and self.events and isinstance(self.events[-1], Committed):
                self.silent = self._next
            if self.silent in self._workers:
                time.sleep(0.02)
                return []
            return super().wait(seconds)

    job = make_job(tmp_path / 'wild', window_s=WINDOW)
    workers, said = SilentOnce(job), []
    result = run_fleet(job, source, workers, lease=0.5, say=said.append)
    assert said == ['a worker was lost: no report for 0.5 s'] and workers.silent == 1
    assert result.exit_code == 0 and read_tree(tmp_path / 'wild') == calm


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(
        tmp_path: Path, source: Path, calm: dict[str, str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []

    def fail(path: Path) -> None:
        flushed.append(path)
        if len(flushed) == 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(local_store, '_flush', fail)
    job = make_job(tmp_path / 'wild', window_s=WINDOW)
    with pytest.raises(FleetError, match=r'No space left on device.*Run the same command'):
        run_fleet(job, source)
    done = len(list((tmp_path / 'wild/shards').iterdir()))
    assert 0 < done < 6 and not (tmp_path / 'wild/parts').exists()
    assert run_fleet(job, source).new == 6 - done
    assert read_tree(tmp_path / 'wild') == calm


def test_a_vanished_source_is_quarantined_and_retried(tmp_path: Path, source: Path,
                                                      calm: dict[str, str]) -> None:
    job = make_job(tmp_path / 'wild', window_s=WINDOW)

    def vanish(event: Event) -> None:
        if isinstance(event, Committed):
            shutil.move(source / 'drive000', tmp_path / 'away')
            workers.fault = lambda event: None

    workers = InlineWorkers(job, vanish)
    result = run_fleet(job, source, workers)
    assert result.exit_code == 1 and result.new == 4 and result.frames.good == 17
    assert result.recordings == 1 and len(result.quarantined) == 2
    assert all(str(source / 'drive000') in what and 'no bag at' in reason
               for what, reason in result.quarantined.items())
    shutil.move(tmp_path / 'away', source / 'drive000')
    again = run_fleet(job, source)      # quarantine lasts until the user ends it
    assert again.quarantined == result.quarantined and again.new == 0
    with closing(open_store(job.out)) as store:
        forget_quarantine(store)
    assert run_fleet(job, source).new == 2
    assert read_tree(tmp_path / 'wild') == calm


def test_a_shard_that_always_ends_its_worker_is_quarantined(tmp_path: Path) -> None:
    source = write_fleet(tmp_path / 'in', 2)
    job = make_job(tmp_path / 'out')
    bad = write_bag(source / 'bad', image_messages(pictures(3, seed=9)))

    class Deadly(InlineWorkers):
        def wait(self, seconds: float) -> list[tuple[int, Event]]:
            found = super().wait(seconds)
            number, event = found[0] if found else (0, None)
            if isinstance(event, Committed) and (shard := next(
                    (p for p in (tmp_path / 'out/shards').iterdir() if 'bad' in p.name), None)):
                shutil.rmtree(shard)
                self.stop(number)
                return [(number, Lost('out of memory'))]
            return found

    result = run_fleet(job, source, Deadly(job))
    assert list(result.quarantined.values()) == ['out of memory'] and result.recordings == 2
    assert str(bad) in next(iter(result.quarantined))


def test_workers_that_never_start_end_the_run(tmp_path: Path, source: Path) -> None:
    job = make_job(tmp_path / 'out')
    wrong = make_job(tmp_path / 'out', label_format='png')
    broken = type(job)(job.out, wrong.key, job.model, job.engine)
    with pytest.raises(FleetError, match=r'no worker starts: .* has another version of the model'):
        run_fleet(broken, source)


def test_two_drivers_of_one_run_are_refused(tmp_path: Path, source: Path) -> None:
    with closing(open_store(str(tmp_path / 'out'))), pytest.raises(
            FleetError, match='another process writes to'):
        run_fleet(make_job(tmp_path / 'out'), source)


def test_a_disk_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr('trt_segmentation.fleet.local_store.fcntl.flock', refuse)
    with pytest.raises(OutputError, match=f'{tmp_path}/out cannot be locked: No locks available'):
        open_store(str(tmp_path / 'out'))


def test_temporary_files_of_a_killed_run_are_swept(tmp_path: Path, source: Path) -> None:
    left = tmp_path / 'out/parts/shard-x'
    left.mkdir(parents=True)
    (left / 'half.png').write_bytes(b'x')
    run_fleet(make_job(tmp_path / 'out'), source)
    assert not left.parent.exists()


def test_bad_frames_are_rows_and_the_others_are_labelled(tmp_path: Path) -> None:
    messages = image_messages(pictures(4))
    messages[1] = Message(messages[1].topic, messages[1].msgtype, messages[1].log_time_ns,
                          b'\0\1\0\0' + bytes(8))
    write_bag(tmp_path / 'in/drive', messages)
    result = run_fleet(make_job(tmp_path / 'out'), tmp_path / 'in')
    rows = read_rows(tmp_path / 'out')
    assert result.exit_code == 1 and result.frames == FrameCounts(3, 1, 4)
    assert [row['decode_error'] is None for row in rows] == [
        True, False, True, True]
    assert 'is not a sensor_msgs/msg/Image message' in rows[1]['decode_error']
    assert rows[1]['brightness'] is rows[1]['entropy'] is None
    done = json.loads(next((tmp_path / 'out/shards').rglob('DONE')).read_bytes())
    assert done['frames'] == 4 and done['bad'] == 1


def test_two_hundred_recordings_with_ten_broken_ones(tmp_path: Path) -> None:
    source = write_fleet(tmp_path / 'in', 200, frames=1)
    for number in range(0, 200, 20):
        for file in (source / f'drive{number:03d}').glob('*.mcap'):
            file.write_bytes(file.read_bytes()[:100 + number])
    result = run_fleet(make_job(tmp_path / 'out'), source)
    assert result.exit_code == 1 and result.recordings == 190 and result.frames.good == 190
    assert sorted(result.quarantined) == [
        f'file://{source}/drive{number:03d}' for number in range(0, 200, 20)]
    assert all('cannot be read as a bag' in reason for reason in result.quarantined.values())


def test_the_status_counts_shards_and_frames(tmp_path: Path, source: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, 'TELL_SECONDS', 0)
    told: list[FleetStatus] = []
    run_fleet(make_job(tmp_path / 'out', window_s=WINDOW), source, report=told.append)
    assert [s.done for s in told] == sorted(s.done for s in told)
    assert (told[-1].done, told[-1].shards, told[-1].unplanned, told[-1].frames) == (6, 6, 0, 24)
    assert any(s.rate > 0 and s.seconds_left for s in told)


def test_the_rate_of_a_short_run_is_not_too_low(tmp_path: Path, source: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(run_module, 'time', SimpleNamespace(
        monotonic=lambda: next(ticks) / 10_000))
    monkeypatch.setattr(run_module, 'TELL_SECONDS', 0)
    told: list[FleetStatus] = []
    run_fleet(make_job(tmp_path / 'out', window_s=WINDOW), source, report=told.append)
    assert told[-1].frames == 24 and next(ticks) < 10_000
    assert told[-1].rate > 24       # all frames were processed in less than a second
