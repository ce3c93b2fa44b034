# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Frames are chosen so that rare light, rare scenes and every recording are covered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from trt_segmentation.fleet.manifest import make_schema
from trt_segmentation.picking.choose import Pick, read_picks
from trt_segmentation.picking.cover import choose_by_cover, describe_frames

CLASSES = ('road', 'sky')


def row(recording: str, number: int, brightness: float = 0.5, road: float = 0.5,
        **more: Any) -> dict[str, Any]:
    return {'recording': recording, 'url': recording, 'topic': '/camera', 'shard': recording,
            'number': number, 'stamp_ns': number, 'log_time_ns': number * 10 ** 9,
            'condition': 'dark' if brightness < 0.2 else 'bright', 'brightness': brightness,
            'contrast': brightness / 2, 'shares': {'road': road, 'sky': 1 - road}, **more}


def choose(rows: list[dict[str, Any]], count: int) -> tuple[list[Pick], list[int]]:
    table = pa.Table.from_pylist(rows, make_schema(CLASSES))
    picks = read_picks(table, needs_entropy=False)
    return picks, choose_by_cover(describe_frames(table, picks, CLASSES), picks, count).tolist()


def test_one_dark_frame_among_many_is_chosen() -> None:
    rows = [row('day', number, 0.5 + number % 3 / 100) for number in range(50)]
    rows.insert(20, row('day', 20, 0.05))
    for count in (2, 3, 5):
        _, chosen = choose(rows, count)
        assert 20 in chosen and len(set(chosen)) == count and chosen == sorted(chosen)


def test_one_rare_scene_is_chosen() -> None:
    rows = [row('day', number) for number in range(20)] + [row('day', 10, road=0.9)]
    assert 20 in choose(rows, 2)[1]


def test_equal_frames_are_taken_from_every_recording() -> None:
    rows = [row(f'drive{drive}', number) for drive in range(6) for number in (0, 0, 0)]
    picks, chosen = choose(rows, 6)
    assert sorted(picks[index].camera[0] for index in chosen) == [f'drive{n}' for n in range(6)]


def test_frames_of_one_recording_are_spread_over_time() -> None:
    _, chosen = choose([row('day', number) for number in range(101)], 3)
    assert chosen == [0, 50, 100]


def test_every_frame_is_chosen_if_there_are_too_few() -> None:
    assert choose([row('day', 0)] * 3, 5)[1] == [0, 1, 2]
    assert choose([row('day', 0)], 1)[1] == [0]


def test_bad_frames_are_no_candidates() -> None:
    bad = row('day', 1, decode_error='broken')
    bad |= {'brightness': None, 'contrast': None, 'shares': None}
    picks, chosen = choose([row('day', 0), bad, row('day', 2)], 9)
    assert [pick.number for pick in picks] == [0, 2] and chosen == [0, 1]


def test_each_kind_of_feature_has_the_same_weight() -> None:
    rng = np.random.default_rng(0)
    rows = [row('day', number, light, road) for number, (light, road) in
            enumerate(rng.random((200, 2)))]
    table = pa.Table.from_pylist(rows, make_schema(CLASSES))
    features = describe_frames(table, read_picks(table, needs_entropy=False), CLASSES)
    assert features.shape == (200, 5) and features.dtype == np.float32
    variance = features.var(axis=0)
    kinds = [variance[:2].sum(), variance[2:4].sum(), variance[4]]
    np.testing.assert_allclose(kinds, 1, rtol=1e-4)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
