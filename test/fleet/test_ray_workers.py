# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Workers on a Ray cluster of three raylets give the results of an undisturbed local run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import random

from fleets import (
    make_evaluation,
    make_job,
    read_tree,
    run_fleet,
    write_fleet,
    write_labelled_bag,
)
import pytest

pytest.importorskip('ray', reason='there is no wheel of Ray for this Python')

import ray
from ray.cluster_utils import Cluster

from trt_segmentation.errors import FleetError
from trt_segmentation.fleet.ray_workers import RayWorkers
from trt_segmentation.fleet.schedule import FleetStatus

NODE = {'num_cpus': 1, 'num_gpus': 0, 'object_store_memory': 80 << 20, 'include_dashboard': False}


def add_node(cluster: Cluster) -> None:
    """Add a machine with one core. On a busy machine, Ray may need a second attempt."""
    for attempt in range(3):
        try:
            cluster.add_node(**NODE)
        except Exception as error:
            if 'timed out during startup' not in str(error) or attempt == 2:
                raise
        else:
            return


@pytest.fixture(scope='module')
def cluster() -> Iterator[Cluster]:
    """Start a cluster of three machines in processes of this machine. Each has one core."""
    found = Cluster()
    for _ in range(3):
        add_node(found)
    yield found
    ray.shutdown()
    found.shutdown()


class Killer:
    """Kills raylets of other machines than the first at random, and starts others instead.

    :param kills: number of raylets to kill.
    """

    def __init__(self, cluster: Cluster, kills: int, seed: int) -> None:
        self.cluster, self.left, self.random = cluster, kills, random.Random(seed)
        self.killed: list[int] = []
        self._last_done = 0

    def __call__(self, status: FleetStatus) -> None:
        """Kill a raylet if shards were completed since the last kill and workers are busy."""
        if self.left and status.busy and status.done > self._last_done:
            self.left -= 1
            self._last_done = status.done
            self.killed.append(status.done)
            victim = self.random.choice(list(self.cluster.worker_nodes))
            self.cluster.remove_node(victim, allow_graceful=False)
            add_node(self.cluster)


@pytest.mark.timeout(300)       # on a busy machine, raylets start slowly
def test_a_killed_raylet_changes_no_byte(tmp_path: Path, cluster: Cluster) -> None:
    source = write_fleet(tmp_path / 'in', 24)
    calm = run_fleet(make_job(tmp_path / 'calm', 'street'), source)
    job = make_job(tmp_path / 'wild', 'street')
    killer = Killer(cluster, 1, seed=1)
    said: list[str] = []
    result = run_fleet(job, source, RayWorkers(job, cluster.address, None, 0.5), report=killer,
                       say=said.append)
    assert killer.killed and 0 < killer.killed[0] < 24
    assert result.exit_code == 0 and result.recordings == 24 and result.frames.good == 24 * 4
    assert result.shards == calm.shards
    assert read_tree(tmp_path / 'wild') == read_tree(tmp_path / 'calm')


@pytest.mark.timeout(200)
def test_workers_score_shards_as_one_process_does(tmp_path: Path, cluster: Cluster) -> None:
    for seed in range(4):
        write_labelled_bag(tmp_path / f'in/drive{seed}', seed)
    calm, wild = make_evaluation(tmp_path / 'calm'), make_evaluation(tmp_path / 'wild')
    run_fleet(calm, tmp_path / 'in')
    result = run_fleet(wild, tmp_path / 'in', RayWorkers(wild, cluster.address, 2, 0.5))
    assert result.exit_code == 0 and result.frames.good == 4 * 4 and result.new == 4 * 2
    assert read_tree(Path(wild.out)) == read_tree(Path(calm.out))


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_twenty_killed_raylets_change_no_byte(tmp_path: Path, cluster: Cluster) -> None:
    source = write_fleet(tmp_path / 'in', 24, frames=60)
    run_fleet(make_job(tmp_path / 'calm', 'street', window_s=1.0), source)
    killed = 0
    for seed in range(100):
        if killed >= 20:
            break
        job = make_job(tmp_path / f'wild{seed}', 'street', window_s=1.0)
        killer = Killer(cluster, 20 - killed, seed)
        result = run_fleet(job, source, RayWorkers(job, cluster.address, None, 0.5),
                           report=killer)
        killed += len(killer.killed)
        assert result.exit_code == 0 and result.frames.good == 24 * 60
        assert read_tree(Path(job.out)) == read_tree(tmp_path / 'calm')
    assert killed >= 20


def test_a_missing_cluster_is_named() -> None:
    with pytest.raises(FleetError, match=r'no Ray cluster at 127\.0\.0\.1:1') as caught:
        RayWorkers(make_job('/nowhere'), '127.0.0.1:1', None, 0.5)
    assert 'ray start --head' in str(caught.value)
