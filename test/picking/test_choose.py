# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The most uncertain frames are chosen, apart in time and from all conditions."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fleets import colors_model, make_job, NAMES, PALETTE, run_fleet, write_fleet
from networks import color_classifier, write_card
import numpy as np
import pytest
from recordings import pictures

from trt_segmentation.errors import FleetError
from trt_segmentation.fleet.manifest import read_table
from trt_segmentation.fleet.run_folder import open_store, read_shards
from trt_segmentation.model.card import load_card
from trt_segmentation.picking.choose import (
    choose_picks,
    Pick,
    read_picked,
    read_picks,
    score_by_disagreement,
)


def pick(second: float, score: float, condition: str = 'bright', camera: str = 'a') -> Pick:
    return Pick('shard', 1, (camera, ''), round(second * 1e9), condition, score)


def test_the_largest_scores_win() -> None:
    picks = [pick(10 * i, score) for i, score in enumerate([0.1, 0.9, 0.5, 0.7])]
    assert [p.score for p in choose_picks(picks, 3, 1)] == [0.9, 0.7, 0.5]
    assert len(choose_picks(picks, 9, 1)) == 4 and choose_picks([], 3, 1) == []


def test_chosen_frames_of_a_camera_are_apart_in_time() -> None:
    picks = [pick(second, 1 - second / 100) for second in (0, 1, 4.9, 5, 9, 12)]
    assert [p.log_time_ns / 1e9 for p in choose_picks(picks, 9, 5)] == [0, 5, 12]
    other = [*picks, pick(1, 0.2, camera='b')]
    assert [p.camera[0] for p in choose_picks(other, 9, 5)] == ['a', 'a', 'a', 'b']


def test_each_condition_gets_its_share() -> None:
    picks = [*(pick(10 * i, 0.9, 'bright') for i in range(20)),
             *(pick(1000 + 10 * i, 0.1, 'dark') for i in range(3))]
    chosen = [p.condition for p in choose_picks(picks, 8, 1)]
    assert chosen.count('dark') == 3 and chosen.count('bright') == 5
    assert sorted(p.condition for p in choose_picks(picks, 4, 1)) == ['bright'] * 2 + ['dark'] * 2


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Label two recordings with two networks: the second exchanges thing 6 and thing 7."""
    write_fleet(tmp_path / 'in', 2, frames=5)
    run_fleet(make_job(tmp_path / 'a', window_s=0.3), tmp_path / 'in')
    names = [*NAMES[:6], NAMES[7], NAMES[6]]
    network = color_classifier(tmp_path / 'b.onnx', PALETTE, height=48, width=64)
    card = str(write_card(network, names, PALETTE))
    run_fleet(make_job(tmp_path / 'b', card, window_s=0.3, label_format='png'), tmp_path / 'in')
    return tmp_path


def test_disagreement_is_the_share_of_other_pixels(runs: Path) -> None:
    job = make_job(runs / 'a', window_s=0.3)
    other = make_job(runs / 'b', str(runs / 'b.yaml'), window_s=0.3, label_format='png')
    with closing(open_store(job.out)) as store, closing(open_store(other.out)) as second:
        shards = read_shards(store, job)
        picks = read_picks(read_table(store), needs_entropy=True)
        scored = score_by_disagreement(
            picks, store, load_card(colors_model()), job,
            (second, load_card(str(runs / 'b.yaml')), other), shards, runs)
        images = list(read_picked(scored, shards, lambda shard: shard.recording.local or runs))
    assert len(scored) == 10 == len(images) and any(p.score for p in scored)
    truth = [image for seed in range(2) for image in pictures(5, seed=seed)]
    for (found, image), picture in zip(images, truth):
        assert np.array_equal(image.image, picture)
        distance = ((picture[..., None, ::-1].astype(int) - PALETTE) ** 2).sum(-1)
        assert found.score == pytest.approx((distance.argmin(-1) >= 6).mean(), abs=0.01)


def test_a_missing_shard_of_the_other_run_is_named(runs: Path) -> None:
    job = make_job(runs / 'a', window_s=0.3)
    other = replace(job, out=str(runs / 'c'))
    (runs / 'c').mkdir()
    card = load_card(colors_model())
    with closing(open_store(job.out)) as store, closing(open_store(other.out)) as second, \
            pytest.raises(FleetError, match='is not complete; run `trt_seg label` first'):
        score_by_disagreement(read_picks(read_table(store), True), store, card, job,
                              (second, card, other), read_shards(store, job), runs)
