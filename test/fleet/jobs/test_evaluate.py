# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Workers of every kind give the exact sums of one process that reads every frame."""

from __future__ import annotations

from contextlib import closing
import json
from pathlib import Path
import shutil

import cv2
from fleets import (
    colors_model,
    draw_truths,
    InlineWorkers,
    make_evaluation,
    read_tree,
    run_fleet,
    TRUTH,
    write_labelled_bag,
)
import numpy as np
import pytest
from recordings import image_messages, pictures, TOPIC, write_bag

from trt_segmentation.accuracy.label_values import LabelValues
from trt_segmentation.accuracy.metrics import Scores
from trt_segmentation.accuracy.samples import evaluate, Sample
from trt_segmentation.errors import BagError, EvaluationError
from trt_segmentation.fleet.jobs.evaluate import COUNTS, EvaluateJob, EvaluationSums, read_sums
from trt_segmentation.fleet.local_workers import LocalWorkers, Workers
from trt_segmentation.fleet.recordings import find_recordings
from trt_segmentation.fleet.run_folder import open_store
from trt_segmentation.fleet.schedule import FleetResult
from trt_segmentation.frame import Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card

SEEDS = {'drive0': 0, 'drive1': 1, 'deep/drive2': 2}
FRAMES = 7


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write three bags with late label maps, a folder of labelled images, and a video."""
    folder = tmp_path_factory.mktemp('labelled') / 'in'
    for name, seed in SEEDS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_labelled_bag(folder / name, seed, FRAMES, every=2, delay_ns=150_000_000)
    truths = draw_truths(9, 3)
    for name in ('images', 'labels'):
        (folder / 'photos' / name).mkdir(parents=True)
    for index, image in enumerate(pictures(3, seed=9)):
        cv2.imwrite(str(folder / f'photos/images/{index}.png'), image // 4)
        cv2.imwrite(str(folder / f'photos/labels/{index}.png'), truths[index])
    (folder / 'film.mp4').write_bytes(b'no recording with label maps')
    return folder


@pytest.fixture(scope='module')
def serial() -> Scores:
    """Score all labelled frames one after the other in this process."""
    samples = [Sample(f'{seed} {index}', pictures(FRAMES, seed=seed)[index],
                      draw_truths(seed, FRAMES)[index])
               for seed in SEEDS.values() for index in range(0, FRAMES, 2)]
    samples += [Sample(f'photo {index}', image // 4, truth) for index, (image, truth) in
                enumerate(zip(pictures(3, seed=9), draw_truths(9, 3), strict=True))]
    with closing(HostPipeline(load_card(colors_model()))) as pipeline:
        return evaluate(pipeline, samples, Wanted(confidence=True))


def run(job: EvaluateJob, source: Path, workers: Workers | None = None
        ) -> tuple[FleetResult, EvaluationSums]:
    result = run_fleet(job, source, workers)
    with closing(open_store(job.out)) as store:
        return result, read_sums(json.loads(store.read(COUNTS) or b''))


def assert_equal(sums: EvaluationSums, serial: Scores) -> None:
    """Compare all pixels and all confidences."""
    total = sums.total(8)
    np.testing.assert_array_equal(total.matrix, serial.matrix)
    assert total.matrix.dtype == np.int64 and total.images == serial.images == 15
    assert total.scores(serial.classes).tree() == serial.tree()
    assert sums.count_unusable() == {'bad': 0, 'unlabelled': 9}


def test_shards_add_up_to_the_serial_scores(tmp_path: Path, source: Path, serial: Scores) -> None:
    result, sums = run(make_evaluation(tmp_path), source)
    assert result.exit_code == 0 and result.frames.good == 15 and result.recordings == 4
    assert len(result.shards) == result.new == 3 * 3 + 3
    assert_equal(sums, serial)
    assert {name: counts.images for name, counts in sums.conditions.items()} == {
        'dark': 3, 'bright': 12}
    assert sorted(sums.recordings) == [f'file://{source}/{name}' for name in (
        'deep/drive2', 'drive0', 'drive1', 'photos')]
    assert [part['images'] for _, part in sorted(sums.recordings.items())] == [4, 4, 4, 3]


def test_one_shard_for_each_recording_gives_the_same(tmp_path: Path, source: Path,
                                                     serial: Scores) -> None:
    result, sums = run(make_evaluation(tmp_path, 60.0), source)
    assert len(result.shards) == 4
    assert_equal(sums, serial)


def test_two_processes_give_the_same_bytes(tmp_path: Path, source: Path, serial: Scores) -> None:
    calm, wild = make_evaluation(tmp_path / 'calm'), make_evaluation(tmp_path / 'wild')
    run(calm, source)
    result, sums = run(wild, source, LocalWorkers(wild, 2, 1.0))
    assert result.exit_code == 0
    assert_equal(sums, serial)
    assert read_tree(Path(wild.out)) == read_tree(Path(calm.out))


def test_only_missing_shards_are_scored_again(tmp_path: Path, source: Path,
                                              serial: Scores) -> None:
    job = make_evaluation(tmp_path)
    run(job, source)
    before = read_tree(Path(job.out))
    for shard in sorted((Path(job.out) / 'shards').iterdir())[:2]:
        shutil.rmtree(shard)
    result, sums = run(job, source)
    assert result.new == 2 and read_tree(Path(job.out)) == before
    assert_equal(sums, serial)


def test_a_bad_shard_is_in_quarantine_and_the_others_count(tmp_path: Path) -> None:
    write_labelled_bag(tmp_path / 'in/good', 0)
    write_labelled_bag(tmp_path / 'in/small', 1)
    write_bag(tmp_path / 'in/bare', image_messages(pictures(2, seed=5)))
    job = make_evaluation(tmp_path / 'out', 60.0, values=LabelValues(mapped={
        value: value for value in range(7)} | {255: None}))
    workers = InlineWorkers(job)
    result, sums = run(job, tmp_path / 'in', workers)
    assert result.exit_code == 1 and result.recordings == 0 and sums.total(8).images == 0
    assert sum(type(event).__name__ == 'Failed' for event in workers.events) == 3 * 3
    reasons = {name.rpartition('/in/')[2]: text for name, text in result.quarantined.items()}
    assert sorted(reasons) == ['bare', f'good {TOPIC} from 1700000000.007 s',
                               f'small {TOPIC} from 1700000000.007 s']
    assert f"has no images on '{TRUTH}'" in reasons.pop('bare')
    assert all('7 (' in text for text in reasons.values())


def test_the_values_and_the_topic_change_the_key(tmp_path: Path) -> None:
    keys = [make_evaluation(tmp_path, **options).key for options in (
        {}, {'label_topic': '/x'}, {'values': LabelValues((range(1),))},
        {'values': LabelValues(mapped={1: 2})}, {'values': LabelValues(mapped={1: None})})]
    assert len(set(keys)) == 5
    assert make_evaluation(tmp_path, values=LabelValues(source='/moved.yaml')).key == keys[0]


def test_topics_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = write_labelled_bag(tmp_path / 'drive', 0)
    (recording,) = find_recordings([str(path)])
    with pytest.raises(EvaluationError, match='--label-topic'):
        make_evaluation(tmp_path, label_topic=None).plan(recording, path)
    with pytest.raises(BagError, match=rf"no images on '/truth/label', did you mean '{TRUTH}'"):
        make_evaluation(tmp_path, label_topic='/truth/label').plan(recording, path)
    two = write_bag(tmp_path / 'two', [
        *image_messages(pictures(1)), *image_messages(pictures(1), '/left/image'),
        *image_messages(draw_truths(0, 1), TRUTH, 'mono8'),
        *image_messages(draw_truths(0, 1), f'{TRUTH}/compressed', 'mono8')])
    with pytest.raises(BagError, match=r'has 2 cameras besides .* --image-topic: '):
        make_evaluation(tmp_path, label_topic=f'{TRUTH}/compressed').plan(recording, two)
    with pytest.raises(EvaluationError, match=r'topic /left/image of .* has camera images \(bgr8'):
        make_evaluation(tmp_path, topic=TOPIC, label_topic='/left/image').plan(recording, two)
    (shard,) = make_evaluation(tmp_path, 60.0, topic='/left/image').plan(recording, two).shards
    assert shard.topic == '/left/image'
