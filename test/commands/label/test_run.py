# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg label`` from the command line: results, exit codes, summaries and picks."""

from __future__ import annotations

from pathlib import Path
import shutil
import signal
import sys

import cv2
from fleets import colors_model, NAMES, PALETTE, write_fleet
from networks import color_classifier, write_card
import numpy as np
import pytest
from recordings import compressed, FIRST, image_messages, Message, pictures, TOPIC, write_bag

from trt_segmentation.bags.reader import COMPRESSED
from trt_segmentation.commands.cli import main
from trt_segmentation.commands.label.options import FORMATS
from trt_segmentation.commands.label.run import load_compared_card
from trt_segmentation.fleet import formats


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_fleet(tmp_path / 'in', 3, frames=6)
    return tmp_path


def label(*arguments: str) -> int:
    return main(['label', '--out', 'out', '--engine', 'onnxruntime-cpu', '--model', colors_model(),
                 *arguments])


def test_label_then_summarise_then_pick(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label('in', '--format', 'png', '--shard-seconds', '0.3') == 0
    assert '3 of 3 recordings are complete: 6 shards (6 new), 18 frames' in \
        capsys.readouterr().out
    assert label('in', '--format', 'png', '--shard-seconds', '0.3') == 0
    assert '6 shards (0 new)' in capsys.readouterr().out
    (run,) = (here / 'out').iterdir()
    assert len(list(run.rglob('labels/*.png'))) == 18
    assert label('--format', 'png', '--summary', '--pick', 'uncertain:4', '--pick-seconds',
                 '0.2') == 0
    out = capsys.readouterr().out
    assert '18 frames labelled' in out and 'decoded' not in out
    assert '4 of 18 frames for annotation' in out
    plot = cv2.imread(str(run / 'summary.png'))
    assert plot is not None and plot.shape[1] == 1200
    assert len(list((run / 'pick-uncertain-4/images').iterdir())) == 4


def test_the_manifest_has_the_recordings_of_all_commands(
        here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label('in/drive000') == 0
    assert 'earlier commands' not in capsys.readouterr().out
    assert label('in/drive001', '--summary') == 0
    out = capsys.readouterr().out
    assert 'also has 6 frames of other recordings' in out and '12 frames labelled' in out
    assert label('in', '--shard-seconds', '0.3') == 2
    error = capsys.readouterr().err
    assert 'last 60 s' in error and 'Give --shard-seconds 60' in error


def test_label_maps_are_not_labelled(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = np.full((48, 64), 3, np.uint8)
    truth[20:] = 5
    for name, topic in (('raw', TOPIC), ('png', TOPIC + '/compressed')):
        messages = image_messages(pictures(4), TOPIC) if name == 'raw' else [
            Message(topic, COMPRESSED, FIRST + 1, compressed(pictures(1)[0], 'png', FIRST + 1))]
        write_bag(here / 'truth' / name, [*messages, *image_messages(
            [truth] * len(messages), '/truth/labels', encoding='mono8')])
    for arguments in (['--dry-run'], [], []):
        assert label('truth', *arguments) == 0
        out = capsys.readouterr().out
        assert '/truth/labels is left out in 2 recordings: it has label maps' in out
        assert out.count('left out') == 1 and 'give it with --image-topic' in out
        if arguments:
            assert f'file://{here}/truth/png: {TOPIC}/compressed 1 frame\n' in out
            assert f'file://{here}/truth/raw: {TOPIC} 4 frames\n' in out
        else:
            assert '2 of 2 recordings are complete: 2 shards' in out and '5 frames' in out
    assert label('truth', '--image-topic', TOPIC) == 0
    assert '2 of 2 recordings are complete: 2 shards (0 new)' in capsys.readouterr().out
    assert label('truth', '--image-topic', '/truth/labels') == 0
    assert '2 shards (2 new), 5 frames' in capsys.readouterr().out


def test_two_models_are_two_runs_that_can_be_compared(
        here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = color_classifier(here / 'b.onnx', PALETTE, height=48, width=64)
    card = str(write_card(network, [*NAMES[:6], NAMES[7], NAMES[6]], PALETTE))
    assert label('in', '--pick', 'disagree:2') == 2
    error = capsys.readouterr().err
    assert 'needs another run in out' in error and 'Other runs: none' in error
    assert label('in', '--model', card, '--pick', 'disagree:2', '--pick-seconds', '0.1') == 0
    runs = sorted((here / 'out').iterdir())
    assert [run.name.partition('-')[0] for run in runs] == ['b', 'colors']
    assert len(list((runs[0] / 'pick-disagree-2/images').iterdir())) == 2
    assert label('--model', card, '--pick', 'disagree:2', '--against', 'x') == 2
    assert (f'--against x is not another run in out. Other runs: {runs[1].name}'
            in capsys.readouterr().err)
    assert label('in', '--format', 'png') == 0
    assert label('--model', card, '--pick', 'disagree:2') == 2
    error = capsys.readouterr().err
    assert 'out has several other runs. Choose one with --against' in error


def test_runs_with_different_shards_are_not_compared(
        here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = color_classifier(here / 'b.onnx', PALETTE, height=48, width=64)
    card = str(write_card(network, NAMES, PALETTE))
    assert label('in', '--model', card, '--shard-seconds', '0.3') == 0
    assert label('in/drive000') == 0
    second, first = sorted(path.name for path in (here / 'out').iterdir())
    for arguments in ([], ['--shard-seconds', '0.3']):
        assert label('--pick', 'disagree:2', *arguments) == 2
        assert (f'shards of different length: {first} has --shard-seconds 60, and {second} has '
                '--shard-seconds 0.3. Label the') in capsys.readouterr().err
    shutil.rmtree(here / 'out' / second)
    assert label('in/drive001', '--model', card) == 0
    assert label('--pick', 'disagree:2') == 2
    assert (f'shards of {first} that are not complete in {second}: 1 of 1. Label the same SOURCEs '
            f'with --model {card}. ') in capsys.readouterr().err


def test_a_summary_of_a_stopped_run_counts_the_missing_shards(
        here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class StopAfterPlan:
        """Acts as if SIGINT came when the first recording is divided into shards."""

        def __enter__(self) -> StopAfterPlan:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        @property
        def caught(self) -> int | None:
            return signal.SIGINT if list((here / 'out').glob('*/plans/*')) else None

    with monkeypatch.context() as patched:
        patched.setattr('trt_segmentation.commands.fleet.workers.StopSignals', StopAfterPlan)
        assert label('in/drive000', '--shard-seconds', '0.3', '--workers', '1') == 130
    capsys.readouterr()
    assert label('--summary') == 1
    assert capsys.readouterr().out.splitlines() == [
        '0 frames labelled', 'no shard is complete yet',
        'Planned shards that are not complete: 2 of 2. To label them, run the same command with '
        'its SOURCEs again']
    assert label('in/drive000', '--shard-seconds', '0.3', '--summary') == 0
    assert 'not complete' not in capsys.readouterr().out
    shard, _ = (here / 'out').glob('*/shards/*')
    shutil.rmtree(shard)
    assert label('--summary') == 0
    assert 'not complete: 1 of 2. ' in capsys.readouterr().out


def test_a_card_that_does_not_fit_its_network_is_refused_before_any_work(
        here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = color_classifier(here / 'b.onnx', PALETTE, height=48, width=64)
    card = str(write_card(network, NAMES[:7], PALETTE[:7]))
    for arguments in (['in'], ['in', '--dry-run'], ['nowhere'], ['--summary']):
        assert label('--model', card, *arguments) == 2
        shown = capsys.readouterr()
        assert 'b.yaml has 7 names under `classes`, but the network has 8 classes' in shown.err
        assert shown.out == '' and not (here / 'out').exists()


def test_without_onnx_runtime_the_card_is_not_compared(
        here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    monkeypatch.delitem(sys.modules, 'trt_segmentation.engines.onnxruntime_cpu', raising=False)
    monkeypatch.delitem(sys.modules, 'trt_segmentation.accuracy.class_count', raising=False)
    assert load_compared_card(colors_model()).classes == tuple(NAMES)


def test_a_broken_recording_gives_exit_code_1_and_a_list(
        here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = (here / 'in/drive001').glob('*.mcap')
    data = file.read_bytes()
    file.write_bytes(data[:99])
    for _ in range(2):
        assert label('in') == 1
        out = capsys.readouterr().out
        assert '2 of 3 recordings are complete' in out
        assert '1 shard or recording is in quarantine' in out
        assert f'  file://{here}/in/drive001: cannot be read as a bag' in out
        assert out.count('cannot be read as a bag') == 1
    assert label('--summary') == 1
    assert f'  file://{here}/in/drive001: cannot be read as a bag' in capsys.readouterr().out
    file.write_bytes(data)
    assert label('in') == 0     # another content is another recording
    assert '3 of 3 recordings are complete: 3 shards (1 new)' in capsys.readouterr().out
    (run,) = (here / 'out').iterdir()
    assert not list((run / 'quarantine').iterdir())
    assert label('--summary') == 0
    assert 'quarantine' not in capsys.readouterr().out


def test_a_topic_of_no_recording_is_refused_before_any_work(
        here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / 'in/broken.mcap').write_bytes(b'x')
    for arguments in ([], ['--dry-run']):
        assert label('in', '--image-topic', '/camera/imag_raw', *arguments) == 2
        error = capsys.readouterr().err
        assert 'no recording has images on /camera/imag_raw' in error
        assert f'{here}/in/drive000: {TOPIC} (6)\n' in error and not (here / 'out').exists()


def test_damaged_recordings_are_named(here: Path, capsys: pytest.CaptureFixture[str],
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('trt_segmentation.commands.label.damaged.MOST_DAMAGED', 2)
    for number in range(4):
        messages = image_messages(pictures(4, seed=number))
        for bad in range(min(number, 2)):
            messages[bad] = Message(TOPIC, messages[bad].msgtype, messages[bad].log_time_ns,
                                    bytes(12 + bad))
        write_bag(here / f'bad/drive{number}', messages)
    for arguments in (['bad'], ['bad', '--summary'], ['--summary']):
        assert label(*arguments) == 1
        lines = [line for line in capsys.readouterr().out.splitlines() if line[:2] == '  '
                 and ('lost' in line or 'more' in line)]
        assert [line.partition(' lost (')[0] for line in lines] == [
            f'  file://{here}/bad/drive1: 1 frame', f'  file://{here}/bad/drive2: 2 frames',
            '  1 more']
        assert len(lines[0].partition(' lost (')[2]) > 10
        assert lines[1].endswith('). The manifest has 1 other reason')


def test_a_dry_run_tells_what_is_left(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label('in/drive000', '--shard-seconds', '0.3') == 0
    before = sorted((here / 'out').rglob('*'))
    (here / 'in/drive000').rename(here / 'in/moved')
    capsys.readouterr()
    assert label('in', '--shard-seconds', '0.3', '--dry-run') == 0
    out = capsys.readouterr().out
    assert '6 shards, 18 frames' in out
    (run,) = (here / 'out').iterdir()
    assert f'2 shards are already complete in {run}. Left: 4 shards, 12 frames' in out
    refusals = []
    for arguments in ([], ['--dry-run']):
        assert label('in', *arguments) == 2
        refusals.append(capsys.readouterr().err)
    assert refusals[0] == refusals[1] and 'Give --shard-seconds 0.3' in refusals[0]
    assert sorted((here / 'out').rglob('*')) == before


def test_picks_name_what_is_missing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label('in', '--pick', 'uncertain:5000', '--pick-seconds', '0.01') == 0
    out = capsys.readouterr().out
    assert 'there are only 18 frames with labels' in out and '--pick-seconds' not in out
    (here / 'in/drive001').rename(here / 'moved')
    assert label('--pick', 'uncertain:5000', '--pick-seconds', '0.01') == 2
    assert (f'file://{here}/in/drive001 was moved or deleted. If it was moved, label it again '
            'from its new place') in capsys.readouterr().err
    assert label('moved') == 0 and label('--pick', 'uncertain:18', '--pick-seconds', '0.01') == 0
    assert '18 of 18 frames for annotation' in capsys.readouterr().out


def test_a_dry_run_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / 'in/broken.mcap').write_bytes(b'x')
    assert label('in', '--dry-run') == 0
    out = capsys.readouterr().out
    assert 'broken.mcap cannot be read' in out and not (here / 'out').exists()
    assert '4 recordings (1 of them cannot be read)' in out and '3 shards, 18 frames' in out
    assert 'seconds of camera images' in out
    assert 'One worker on this machine labels' in out


@pytest.mark.parametrize(('arguments', 'reason'), [
    ([], 'give at least one SOURCE'), (['--summary', '--dry-run'], '--dry-run needs'),
    (['in', '--against', 'x'], '--against is only for'), (['--summary'], 'out holds no runs'),
    (['--pick', 'uncertain:1'], 'out holds no runs'), (['nowhere'], 'nowhere cannot be read')])
def test_wrong_options_are_named(here: Path, capsys: pytest.CaptureFixture[str],
                                 arguments: list[str], reason: str) -> None:
    assert label(*arguments) == 2
    assert reason in capsys.readouterr().err


def test_other_options_than_those_of_the_run_are_named(
        here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label('in/drive000', '--format', 'png') == 0
    (run,) = (here / 'out').iterdir()
    for arguments in (['--summary'], ['--pick', 'uncertain:1']):
        assert label(*arguments) == 2
        error = capsys.readouterr().err
        assert f'no run in out has these options. The runs there: {run.name}: give --format png' \
            in error
    assert label('--summary', '--model', 'street') == 2
    assert f'give --model {colors_model()} --format png' in capsys.readouterr().err
    assert [path.name for path in (here / 'out').iterdir()] == [run.name]
    for arguments in (['in'], ['--summary']):
        assert label(*arguments, '--out', f'out/{run.name}') == 2
        assert f'is the folder of one run. Give the folder that holds the runs: --out {here}/out' \
            in capsys.readouterr().err
    assert label('in/drive00', '--format', 'png') == 2
    assert "in/drive00 cannot be read: No such file or directory, did you mean 'drive00" in \
        capsys.readouterr().err


def test_results_are_never_labelled(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for new in (3, 0):      # the folder of the results is inside the SOURCE
        assert label('.') == 0
        assert f'3 of 3 recordings are complete: 3 shards ({new} new)' in \
            capsys.readouterr().out
    assert label('out') == 2
    assert 'out is inside the folder of the results, out' in capsys.readouterr().err
    assert label('in', '--out', str(here)) == 2
    assert f'in is inside the folder of the results, {here}' in capsys.readouterr().err


@pytest.mark.parametrize('kind', ['bag', 'png'])
def test_results_of_another_run_are_left_out(here: Path, capsys: pytest.CaptureFixture[str],
                                             kind: str) -> None:
    assert label('in', '--format', kind) == 0
    (run,) = (here / 'out').iterdir()
    shard = next((run / 'shards').iterdir())
    capsys.readouterr()
    for source in ('out', str(run), str(run / 'shards'), str(shard)):
        assert label(source, '--format', kind) == 2
        assert f'{source} is inside the folder of the results, out' in capsys.readouterr().err
        assert label(source, '--out', 'second') == 2
        error = capsys.readouterr().err
        assert 'holds results of trt_seg label, not recordings' in error
        assert error.count('\n') == 1 and not (here / 'second').exists()
    assert label('.', '--out', 'second') == 0
    out = capsys.readouterr().out
    assert '3 of 3 recordings are complete: 3 shards (3 new)' in out
    assert out.count('left out: ') == (kind == 'bag')
    if kind == 'bag':
        assert f'left out: file://{run} holds results of trt_seg label, not recordings' in out


def test_bad_frames_give_exit_code_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    messages = image_messages(pictures(4))
    messages[1] = Message(TOPIC, messages[1].msgtype, messages[1].log_time_ns, bytes(12))
    write_bag(here / 'bad/drive', messages)
    for _ in range(2):
        assert label('bad', '--summary') == 1
        assert capsys.readouterr().out.count('3 frames labelled, 1 could not be decoded') == 2


@pytest.mark.parametrize('text', ['best:5', 'uncertain', 'uncertain:0', 'disagree:x'])
def test_wrong_picks_are_refused(here: Path, capsys: pytest.CaptureFixture[str],
                                 text: str) -> None:
    with pytest.raises(SystemExit):
        label('--pick', text)
    assert f'{text!r} is neither uncertain:N nor disagree:N' in capsys.readouterr().err


def test_the_formats_of_the_option_exist() -> None:
    assert FORMATS == formats.FORMATS
