# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""`trt_seg eval SOURCE…` from the command line: scores, exit codes and wrong options."""

from __future__ import annotations

from contextlib import closing
import json
from pathlib import Path
import sys
from typing import Any

from fleets import colors_model, draw_truths, NAMES, TRUTH, write_labelled_bag
import numpy as np
import pytest
from recordings import pictures, TOPIC

from trt_segmentation.accuracy.label_counts import LabelCounts
from trt_segmentation.accuracy.samples import evaluate, label_image, Sample
from trt_segmentation.commands.cli import main
from trt_segmentation.commands.fleet.evaluate import FleetScores
from trt_segmentation.fleet.jobs.evaluate import EvaluationSums
from trt_segmentation.fleet.schedule import FleetResult
from trt_segmentation.frame import Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        write_labelled_bag(tmp_path / f'in/drive{seed}', seed, every=2)
    return tmp_path


def run(*arguments: str) -> int:
    return main(['eval', '--engine', 'onnxruntime-cpu', '--model', colors_model(), *arguments])


def read(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(path.read_bytes())
    return tree


def test_recordings_are_scored_as_by_one_process_and_a_broken_one_is_listed(
        here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / 'in/broken.mcap').write_bytes(b'x')
    assert run('in', '--label-topic', TRUTH, '--json', 'a.json', '--work', 'work') == 1
    out = capsys.readouterr().out
    assert ('4 frames scored, 4 without a label map. 2 shards (2 new). '
            'Complete recordings: 2\n') in out
    assert '1 shard or recording is in quarantine' in out
    assert f'  file://{here}/in/broken.mcap: ' in out
    assert all(name in out for name in (*NAMES, 'mean IoU', 'bright'))
    samples = [Sample('', pictures(4, seed=seed)[number], draw_truths(seed, 4)[number])
               for seed in range(2) for number in (0, 2)]
    with closing(HostPipeline(load_card(colors_model()))) as pipeline:
        serial = evaluate(pipeline, samples, Wanted(confidence=True))
    tree = read(here / 'a.json')
    assert tree['scores']['all'] == serial.tree() == tree['scores']['bright']
    assert list(tree['scores']) == ['all', 'bright'] and len(tree['quarantine']) == 1
    assert [part['images'] for part in tree['recordings'].values()] == [2, 2]
    (here / 'in/broken.mcap').unlink()
    assert run('in', '--label-topic', TRUTH, '--json', 'b.json', '--work', 'work') == 0
    assert '2 shards (0 new)' in capsys.readouterr().out
    again = read(here / 'b.json')
    assert run('in', '--label-topic', TRUTH, '--min-miou', '1', '--work', 'work') == 1
    assert 'below --min-miou 1: all has 0.' in capsys.readouterr().err
    assert again == {**tree, 'quarantine': {}}


def test_values_of_a_pattern_are_left_out(here: Path,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    assert run('in/*0', '--label-topic', TRUTH, '--ignore', '1-7', '--json', 'a.json') == 0
    scores = read(here / 'a.json')['scores']['all']
    assert '2 frames scored' in capsys.readouterr().out
    counts = LabelCounts(8)
    with closing(HostPipeline(load_card(colors_model()))) as pipeline:
        for number in (0, 2):
            truth = draw_truths(0, 4)[number]
            labels = label_image(pipeline, pictures(4, seed=0)[number])
            counts.add_image(np.where(truth == 0, truth, np.uint8(255)), labels, None)
    expected = counts.scores(NAMES).tree()
    assert expected == {key: scores[key] for key in expected} and 0 < scores['mean_iou'] < 1


def test_bags_without_a_matching_stamp_are_an_error(here: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    write_labelled_bag(here / 'late/drive', 0, delay_ns=3_000_000_000)
    assert run('late', '--label-topic', TRUTH) == 2
    assert 'no frame of late has a label map with the same stamp' in capsys.readouterr().err


def test_videos_are_left_out_with_a_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / 'in/film.mp4').write_bytes(b'x')
    (here / 'other.mkv').write_bytes(b'x')
    assert run('in', 'other.mkv', '--label-topic', TRUTH) == 0
    assert ('left out, because a video has no label maps: '
            f'{here}/in/film.mp4, {here}/other.mkv\n') in capsys.readouterr().out


def test_wrong_topics_are_refused_before_any_work(here: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    assert run('in', '--label-topic', TOPIC, '--work', 'work') == 2
    assert 'has camera images (bgr8), not label maps' in capsys.readouterr().err
    assert run('in', '--label-topic', TRUTH, '--image-topic', '/x', '--work', 'work') == 2
    assert 'no recording has images on /x' in capsys.readouterr().err
    assert not (here / 'work').exists()


@pytest.mark.parametrize('has_work', [False, True])
def test_only_kept_results_can_be_tried_again(capsys: pytest.CaptureFixture[str], has_work: bool
                                              ) -> None:
    result = FleetResult(quarantined={'drive': 'it is damaged'})
    FleetScores({}, EvaluationSums(), result, has_work).print_summary()
    out = capsys.readouterr().out
    assert ('--retry' in out) == has_work and '  drive: it is damaged\n' in out


@pytest.mark.parametrize(('has_work', 'line'), [
    (False, 'were in a temporary folder. To keep the results of the next run, give --work FOLDER'),
    (True, 'Run the same command again to score the missing shards')])
def test_a_stopped_run_says_how_to_go_on(capsys: pytest.CaptureFixture[str], has_work: bool,
                                         line: str) -> None:
    FleetScores({}, EvaluationSums(), FleetResult(stopped_by=2), has_work).print_summary()
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'reason'), [
    (['in', '--street', '3'], '--street cannot be used with a SOURCE'),
    (['in', '--images', 'x'], '--images cannot be used with a SOURCE'),
    (['in', '--gpu', '1'], '--gpu cannot be used with a SOURCE'),
    (['in', '--save-reference', 'x'], '--save-reference cannot be used with a SOURCE'),
    (['--workers', '2'], '--workers is for recordings; give at least one SOURCE'),
    (['--label-topic', '/x'], '--label-topic is for recordings'),
    (['in', '--ray', 'auto'], 'give it with --work'),
    (['nowhere'], 'nowhere cannot be read: No such file or directory\n'),
    (['in'], 'is a bag. Give the topic of its label maps with --label-topic'),
    (['drive.mp4'], 'no recording with label maps at drive.mp4'),
    (['empty'], 'or a folder with the folders images and labels'),
    (['in', '--label-topic', TRUTH, '--ray', '127.0.0.1:1', '--work', 'w'],
     'no Ray cluster at 127.0.0.1:1')])
def test_wrong_options_are_named(here: Path, capsys: pytest.CaptureFixture[str],
                                 arguments: list[str], reason: str) -> None:
    if '127.0.0.1:1' in arguments:
        pytest.importorskip('ray', reason='there is no wheel of Ray for this Python')
    (here / 'empty').mkdir()
    (here / 'drive.mp4').write_bytes(b'x')
    assert run(*arguments) == 2
    assert reason in capsys.readouterr().err


def test_without_ray_the_package_is_named(here: Path, capsys: pytest.CaptureFixture[str],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'ray', None)
    monkeypatch.delitem(sys.modules, 'trt_segmentation.fleet.ray_workers', raising=False)
    assert run('in', '--label-topic', TRUTH, '--ray', 'auto', '--work', 'w') == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and "pip install 'ray>=2.60,<3'" in error
