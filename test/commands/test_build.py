# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""`trt_seg build`, `inspect PLAN` and `cache`, with engines that TensorRT-RTX builds."""

from functools import partial
import json
import os
from pathlib import Path
import signal
from types import SimpleNamespace
from typing import Any
import weakref

import cv2
from networks import color_classifier, cube_colors, enlarge_at_end
import numpy as np
import pytest
import recordings
import segmentation_networks

pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')

from trt_segmentation.accuracy.held_out import read_held_out
from trt_segmentation.builder.calibration import load_calibration
from trt_segmentation.builder.open_engine import open_engine
from trt_segmentation.commands import cli
from trt_segmentation.engines.gpu_identity import GpuIdentity
from trt_segmentation.engines.plan import from_json
from trt_segmentation.errors import EngineError
from trt_segmentation.model.card import load_card
from trt_segmentation.pipeline import EngineSettings, open_pipeline
from trt_segmentation.untrusted.signed_files import sidecar_path

COLORS = [(200, 40, 40), (30, 30, 30), (90, 200, 90)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep the engines, ranges and reports of a test in the test's own folder."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    monkeypatch.setenv('COLUMNS', '120')
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def card(tmp_path):
    segmentation_networks.save(segmentation_networks.deeplabv3(), tmp_path / 'net.onnx')
    (tmp_path / 'net.yaml').write_text(
        'model: net.onnx\nclasses: [a, b, c, d, e]\ninput: {height: 64, width: 96}\n')
    return 'net.yaml'


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for name in ('images', 'labels'):
        (tmp_path / name).mkdir()
    for index in range(6):
        picture = np.clip(rng.normal(COLORS[index % 3], 20, (48, 64, 3)), 0, 255)
        cv2.imwrite(str(tmp_path / 'images' / f'{index}.png'), picture.astype(np.uint8))
        cv2.imwrite(str(tmp_path / 'labels' / f'{index}.png'),
                    np.full((48, 64), index % 5, np.uint8))
    return 'images'


def sidecar_of(path):
    return json.loads(sidecar_path(path).read_text())['about']


def test_mixed_from_a_folder_to_a_plan_that_can_be_inspected(tmp_path, card, images, capsys):
    assert cli.main(['build', card, '--out', 'net.plan', '--precision', 'mixed', '--calibrate',
                     images, '--frames', '4', '--compare', '--arch', 'sm_89', '--report',
                     'figures', '--max-miou-drop', '1']) == 0
    said = capsys.readouterr()
    assert 'Nodes do not load this file. A node builds its own plan' in ' '.join(said.out.split())
    assert 'calibrating on 4 of 6 frames' in said.err
    assert 'warning: the calibration has only 4 frames' in said.err
    assert 'with 300 frames or more' in said.err
    assert 'accuracy is measured on 2 frames that calibration did not use' in said.err
    assert 'backbone ends at /backbone/layer3' in said.err
    assert 'Building engine' in said.err
    assert 'These images have no truth' in said.out
    for name in ('contact_sheet.png', 'histogram.png', 'differences.png'):
        assert cv2.imread(str(tmp_path / 'figures' / name)) is not None
    report = json.loads((tmp_path / 'figures' / 'accuracy.json').read_text())
    assert list(report['precisions']) == ['fp32', 'mixed', 'fp16', 'int8']
    assert report['precisions']['fp32']['']['agreement'] == 1.0 and report['truth'] is False
    kernels = json.loads((tmp_path / 'figures' / 'kernels.json').read_text())
    assert kernels['mixed']['kernels'] > 5 < kernels['fp16']['kernels']
    assert 'int8' not in kernels['fp16']['precisions'] and kernels['asked_for_int8'] == 11
    assert f'kernels: {kernels["mixed"]["kernels"]} with mixed (' in said.err
    # TensorRT-RTX computes this sum of two convolutions in FP32, and the report says so
    assert kernels['not_int8'] == {'/backbone/layer2/add': 'fp32'}
    assert '1 of 11 nodes that should be int8 are not: /backbone/layer2/add (fp32)' in said.err
    assert kernels['probably_slower'] == ('mixed will probably be slower than fp16' in said.err)
    assert load_calibration(tmp_path / 'net.scales.json').frames == 4
    plan = tmp_path / 'net.plan'
    kinds = {layer.precision for layer in from_json(sidecar_of(plan)['layers'])}
    assert {'int8', 'fp16'} <= kinds
    assert cli.main(['inspect', 'net.plan']) == 0
    text = capsys.readouterr().out
    for line in ('mixed, TensorRT-RTX', 'INT8: backbone ends at', 'input   image: fp32 ?×3×?×?',
                 'profile 0: image 1×3×64×96 / 1×3×64×96', 'weights', ' int8, ',
                 '/classifier/aspp2'):
        assert line in text


def test_wrong_class_names_and_architectures_are_refused_before_any_work(card, images, capsys):
    text = Path(card).read_text()
    Path('few.yaml').write_text(text.replace('classes: [', 'classes: [extra, '))
    build = ['--out', 'net.plan', '--precision', 'int8', '--calibrate', images]
    assert cli.main(['build', 'few.yaml', *build]) == 2
    said = capsys.readouterr().err
    assert said.startswith('trt_seg: error: few.yaml has 6 names under `classes`, but the network '
                           'has 5 classes')
    assert cli.main(['build', card, *build, '--arch', 'sm_1']) == 2
    said = capsys.readouterr().err
    assert 'cannot build for sm_1. ' in said and 'frames' not in said


@pytest.mark.parametrize('gpus,advice', [
    ((), "install '.[tensorrt-rtx,tools]'"),
    (('GPU',), "If TensorRT is installed, run pip install '.[tensorrt,tools]'. ")])
def test_missing_packages_are_all_named_with_one_command(card, monkeypatch, capsys, gpus, advice):
    options = 'trt_segmentation.commands.build_options'
    monkeypatch.setattr(f'{options}.absent', lambda *names: [
        name for name in names if name not in ('rich', 'filelock')])
    monkeypatch.setattr(f'{options}.ask_driver', lambda: SimpleNamespace(gpus=gpus))
    assert cli.main(['build', card, '--out', 'net.plan']) == 2
    said = capsys.readouterr().err
    assert 'not installed here: onnx, onnxslim, TensorRT. ' in said and advice in said


def test_drawn_scenes_are_named_beside_the_figures(card, capsys):
    assert cli.main(['build', card, '--out', 'net.plan', '--hold-out-frames', '4']) == 0
    table, _, rest = capsys.readouterr().out.partition('warning: This accuracy was measured on ')
    assert 'as fp32' in table and rest.startswith('drawn street scenes, not on images of your')


def test_ranges_measured_before_are_used_again(tmp_path, card, images, capsys):
    build = ['build', card, '--out', 'net.plan', '--precision', 'int8', '--hold-out', images]
    assert cli.main(build) == 2
    said = capsys.readouterr().err
    assert 'net.scales.json does not exist. To write it, run `trt_seg build`' in said
    assert cli.main([*build, '--calibrate', images, '--keep-fp16', '/classifier/*']) == 0
    first = load_calibration(tmp_path / 'net.scales.json')
    assert first.keep_fp16 == ('/classifier/*',)
    assert cli.main(build) == 0
    assert load_calibration(tmp_path / 'net.scales.json') == first
    assert 'without /classifier/*' in sidecar_of(tmp_path / 'net.plan')['split']


def test_a_build_that_loses_too_much_is_refused_and_leaves_nothing(tmp_path, card, images,
                                                                   capsys):
    assert cli.main(['build', card, '--out', 'net.plan', '--precision', 'int8', '--calibrate',
                     images, '--method', 'minmax', '--hold-out', images,
                     '--max-miou-drop', '0']) == 1
    said = capsys.readouterr().err
    assert 'int8 changes the label of ' in said and '--max-miou-drop allows 0.00%' in said
    assert 'with --search together with --calibrate' in said
    assert not (tmp_path / 'net.plan').exists()
    assert not (tmp_path / 'net.scales.json').exists()
    assert (tmp_path / 'net-int8-report' / 'differences.png').is_file()


def test_search_keeps_layers_fp16_for_the_node_too(tmp_path, card, images, capsys):
    def loss():
        tree = json.loads((tmp_path / 'net-int8-report' / 'accuracy.json').read_text())
        return 1 - tree['precisions']['int8']['']['agreement']

    build = ['build', card, '--out', 'net.plan', '--precision', 'int8', '--calibrate', images,
             '--method', 'minmax', '--hold-out', images]
    assert cli.main(build) == 0
    bar = loss() / 2
    assert bar > 0
    assert cli.main([*build, '--search', '--max-miou-drop', str(bar)]) == 0
    assert load_calibration(tmp_path / 'net.scales.json').keep_fp16
    assert loss() <= bar


def test_truth_gives_mean_iou(tmp_path, card, images, capsys):
    assert cli.main(['build', card, '--out', 'net.plan', '--hold-out', images,
                     '--hold-out-labels', 'labels', '--hold-out-frames', '3']) == 0
    assert 'accuracy by class' in capsys.readouterr().out
    report = json.loads((tmp_path / 'net-fp16-report' / 'accuracy.json').read_text())
    assert report['truth'] is True and report['precisions']['fp16']['']['images'] == 3


def test_every_hold_out_has_its_own_labels_and_its_own_part_of_the_report(tmp_path, card, images,
                                                                        capsys):
    (tmp_path / 'night' / 'frames').mkdir(parents=True)
    (tmp_path / 'night' / 'truth').mkdir()
    for index in range(4):
        cv2.imwrite(str(tmp_path / f'night/frames/{index}.png'), np.full((48, 64, 3), 9, np.uint8))
        cv2.imwrite(str(tmp_path / f'night/truth/{index}.png'),
                    np.full((48, 64), 20 + index, np.uint8))
        cv2.imwrite(str(tmp_path / f'labels/{index}.png'), np.full((48, 64), 20, np.uint8))
    for index in (4, 5):
        (tmp_path / f'labels/{index}.png').write_bytes((tmp_path / 'labels/0.png').read_bytes())
    (tmp_path / 'map.yaml').write_text('20: 0\n21: 1\n22: 2\n')
    assert cli.main(['build', card, '--out', 'net.plan', '--hold-out', images, 'night/frames',
                     'street', '--hold-out-labels', 'labels', 'night/truth', '-', '--map',
                     'map.yaml', '--ignore', '23', '--hold-out-frames', '4']) == 0
    said = capsys.readouterr().out
    assert 'accuracy by class, images' in said and 'accuracy by class, frames' in said
    report = json.loads((tmp_path / 'net-fp16-report' / 'accuracy.json').read_text())
    parts = report['precisions']['fp32']
    assert {name: part['images'] for name, part in parts.items()} == {
        '': 12, 'images': 4, 'frames': 4, 'day': 1, 'night': 1, 'rain': 1, 'snow': 1}
    # only classes with truth count: a in images; a, b and c in frames; --ignore leaves 23 out
    assert parts['images']['pixel_accuracy'] is not None
    assert parts['day']['mean_iou'] is None


def test_sources_of_one_name_are_told_apart(tmp_path, card, images):
    for place in ('day', 'night'):
        (tmp_path / place / 'images').mkdir(parents=True)
        cv2.imwrite(str(tmp_path / place / 'images' / 'a.png'), np.zeros((8, 8, 3), np.uint8))
    samples = read_held_out(load_card(card), ['day/images', 'night/images'])
    assert [sample.condition for sample in samples] == ['day/images', 'night/images']


def test_fp32_needs_no_report(tmp_path, card):
    assert cli.main(['build', card, '--out', 'net.plan', '--precision', 'fp32']) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'net.onnx', 'net.plan', 'net.plan.json', 'net.yaml']


def test_a_cut_resize_is_built_and_the_report_shows_what_it_changes(tmp_path, card, images,
                                                                    capsys):
    colors = cube_colors(5)
    enlarge_at_end(color_classifier(tmp_path / 'net.onnx', colors, height=64, width=96, stride=4,
                                    batch=1))
    for options, compared in ((['--precision', 'fp32'], ['fp32 without the last Resize']),
                              ([], ['fp16', 'fp32 without the last Resize'])):
        assert cli.main(['build', card, '--out', 'net.plan', '--cut-resize', '--hold-out', images,
                         '--report', 'report', *options]) == 0
        tree = json.loads((tmp_path / 'report' / 'accuracy.json').read_text())['precisions']
        assert list(tree) == ['fp32', *compared]
        assert 0.8 < tree[compared[-1]]['']['agreement'] <= 1
    assert [output['shape'] for output in sidecar_of(tmp_path / 'net.plan')['outputs']] == [
        [1, 5, 16, 24]]


@pytest.mark.parametrize('options, message', [
    (['--precision', 'fp32', '--calibrate', 'images'],
     '--calibrate is for fp16, int8 and mixed, but --precision is fp32'),
    (['--keep-fp16', 'x'], '--keep-fp16 is for int8 and mixed'),
    (['--precision', 'int8', '--search'], '--search needs a limit of the accuracy loss'),
    (['--precision', 'int8', '--search', '--max-miou-drop', '0.1'], '--search needs recordings'),
    (['--hold-out', 'nowhere'], 'there are no frames at nowhere'),
    (['--hold-out', 'a', 'b', '--hold-out-labels', 'c'],
     '--hold-out-labels has 1 folders, and --hold-out has 2 recordings; give one folder of label'),
    (['--hold-out', 'street', '--hold-out-labels', 'labels'],
     '--hold-out street is not a folder of images, so it cannot have label maps. Give - instead'),
    (['--ignore', '3'], '--ignore and --map are for label maps; give'),
    (['--shapes', '8'], "shapes '8' cannot be read; expected HEIGHTxWIDTH"),
    (['--arch', 'sm_90', '--hold-out', 'images'], 'cannot build for sm_90')])
def test_options_that_do_not_fit(tmp_path, card, images, options, message, capsys):
    assert cli.main(['build', card, '--out', 'net.plan', *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'net.plan').exists()


def test_options_a_node_does_not_have_need_a_plan_of_their_own(card, capsys):
    assert cli.main(['build', card, '--batch', '1/2/4', '--arch', 'sm_89']) == 2
    assert ('--batch, --arch cannot be used without --out FILE'
            in capsys.readouterr().err)


def test_cache_and_out_exclude_each_other(card, capsys):
    assert cli.main(['build', card, '--cache', 'here', '--out', 'net.plan']) == 2
    assert '--cache and --out exclude each other, because a plan goes' in capsys.readouterr().err


def test_a_node_with_the_same_settings_finds_the_engine(tmp_path, card, images, monkeypatch):
    """The test calls open_pipeline. Only the GPU pipeline around the engine is a fake."""
    gpu = GpuIdentity('Test GPU', 'sm_89', '580')
    monkeypatch.setattr('trt_segmentation.commands.build.gpu_identity', lambda index: gpu)
    assert cli.main(['build', card, '--hold-out', images, '--workspace', '512M', '--level', '1',
                     '--cache', 'here']) == 0
    assert len(list((tmp_path / 'here').rglob('*.plan'))) == 1 and not (tmp_path / 'xdg').exists()
    opened = []

    def gpu_pipeline(card, engine, gpu, **options):
        opened.append(engine(card, gpu, 0))
    monkeypatch.setattr('trt_segmentation.gpu.pipeline.GpuPipeline', gpu_pipeline)
    monkeypatch.setattr('trt_segmentation.builder.open_engine.open_engine', partial(
        open_engine, identity=lambda index: gpu,
        load=lambda plan, kernels: SimpleNamespace(data=plan.data)))  # type: ignore[return-value]
    lines = []
    for level in (1, 2):
        open_pipeline(load_card(card), 'tensorrt', log=lines.append,
                      settings=EngineSettings(str(tmp_path / 'here'), 512 << 20, level))
        assert len(opened[-1].data) > 10_000
        assert len([line for line in lines if 'building' in line]) == level - 1
    (tmp_path / 'file').write_text('')
    with pytest.raises(EngineError, match='file/engines cannot hold engines'):
        open_pipeline(load_card(card), 'tensorrt', settings=EngineSettings(str(tmp_path / 'file')))


def test_without_a_gpu_and_without_out_the_error_says_what_can_be_built(card, monkeypatch, capsys):
    def none(index):
        raise EngineError('no NVIDIA GPU can be used here: none')

    monkeypatch.setattr('trt_segmentation.commands.build.gpu_identity', none)
    assert cli.main(['build', card]) == 2
    said = capsys.readouterr().err
    assert 'only TensorRT-RTX can build a plan, and only with --out FILE' in said
    assert 'Nodes do not load this plan' in said and 'copy the file MODEL.scales.json' in said


def test_the_cache_gets_what_a_node_looks_for(tmp_path, card, images, monkeypatch, capsys):
    gpu = GpuIdentity('Test GPU', 'sm_89', '580')
    monkeypatch.setattr('trt_segmentation.commands.build.gpu_identity', lambda index: gpu)
    for _ in range(2):
        assert cli.main(['build', card, '--hold-out', images]) == 0
    assert capsys.readouterr().err.count('building fp16 engine') == 1
    from trt_segmentation.builder.settings import Recipe
    # trt_segmentation.pipeline opens an engine with these arguments
    plan: Any = open_engine(load_card(card), 0, 0, Recipe('fp16'), identity=lambda index: gpu,
                            log=pytest.fail,
                            load=lambda plan, kernels: SimpleNamespace(data=plan.data))  # type: ignore[return-value]
    assert len(plan.data) > 10_000
    assert cli.main(['cache', 'list']) == 0
    listed = capsys.readouterr().out
    assert 'Test GPU sm_89' in listed and 'tensorrt_rtx 1.' in listed and '1 engines' in listed
    assert cli.main(['cache', 'verify']) == 0
    (path,) = (tmp_path / 'xdg').rglob('*.plan')
    path.write_bytes(path.read_bytes()[:-1])
    assert cli.main(['cache', 'verify']) == 1
    assert '1 engines in' in (said := capsys.readouterr().out) and 'its sidecar says' in said
    assert cli.main(['cache', 'clear', '--folder', str(path.parent.parent)]) == 0
    assert 'MB freed' in capsys.readouterr().out and not path.exists()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'none'))
    assert cli.main(['cache', 'list']) == 0
    assert 'no engine was built yet' in capsys.readouterr().out


def test_a_plan_that_was_changed_is_not_inspected(tmp_path, capsys):
    (tmp_path / 'x.plan').write_bytes(b'code')
    assert cli.main(['inspect', 'x.plan']) == 2
    assert 'x.plan cannot be used as a plan' in capsys.readouterr().err


def test_held_out_frames_are_spread_and_named_by_source(tmp_path, card, images):
    messages = recordings.image_messages(
        [np.full((48, 64, 3), i, np.uint8) for i in range(5)])
    recordings.write_bag(tmp_path / 'bag', messages)
    samples = read_held_out(load_card(card), ['bag', images], count=3)
    assert [sample.condition for sample in samples] == ['bag'] * 3 + ['images'] * 3
    assert [int(sample.image[0, 0, 0]) for sample in samples[:3]] == [0, 2, 4]
    assert [sample.name for sample in samples[3:]] == ['0.png', '2.png', '5.png']
    assert all(sample.truth is None for sample in samples)


def test_held_out_truth_fits_its_bgr_image(tmp_path, card, images):
    samples = read_held_out(load_card(card), [images], ['labels'], count=2)
    for sample, name in zip(samples, ('0.png', '5.png'), strict=True):
        np.testing.assert_array_equal(sample.image, cv2.imread(str(tmp_path / images / name)))
        np.testing.assert_array_equal(
            sample.truth, cv2.imread(str(tmp_path / 'labels' / name), cv2.IMREAD_GRAYSCALE))


def test_street_is_held_out_with_truth_only_where_the_card_has_its_classes(card):
    (day, *_) = known = read_held_out(load_card('street'), ['street'], count=4)
    assert [sample.condition for sample in known] == ['day', 'night', 'rain', 'snow']
    assert day.truth is not None and day.truth.shape == day.image.shape[:2]
    foreign = read_held_out(load_card(card), ['street'], count=4)
    assert all(sample.truth is None for sample in foreign)
    np.testing.assert_array_equal(foreign[0].image, day.image)


def test_progress_bars_count(capsys):
    from trt_segmentation.view.progress import ProgressBars
    with ProgressBars() as bars:
        assert list(bars.track('things', iter('abc'), 3)) == ['a', 'b', 'c']
        for done in range(3):
            bars.show_phase('Timing', done, 2)
        bars.print_line('[not markup]')
    said = capsys.readouterr().err
    assert '3/3' in said and '2/2' in said and '[not markup]' in said


def test_plans_and_networks_are_distinguished(tmp_path):
    from trt_segmentation.commands.inspect_plan import is_plan
    odd = SimpleNamespace(plan=tmp_path / 'x.bin', net=tmp_path / 'y.onnx')
    for path in (odd.plan, odd.net):
        path.write_bytes(b'any')
        sidecar_path(path).write_text('{}')
    assert is_plan(odd.plan) and not is_plan(odd.net) and not is_plan(tmp_path / 'z.bin')
    assert is_plan(tmp_path / 'a.engine')


def test_out_replaces_nothing_that_no_build_wrote(card, tmp_path, capsys):
    """If --out names the card or a folder, build refuses it before the work begins."""
    before = Path(card).read_bytes()
    for out in (card, str(tmp_path)):
        assert cli.main(['build', card, '--out', out]) == 2
        assert f'--out {out} exists already, and `trt_seg build`' in capsys.readouterr().err
    assert Path(card).read_bytes() == before


def test_fp16_keeps_large_values_in_fp32_and_a_node_does_too(tmp_path, card, images, monkeypatch,
                                                             capsys):
    """A real build: the command measures, reports and builds, and the node finds this engine."""
    segmentation_networks.save(segmentation_networks.overflowing(), tmp_path / 'net.onnx')
    gpu = GpuIdentity('Test GPU', 'sm_89', '580')
    monkeypatch.setattr('trt_segmentation.commands.build.gpu_identity', lambda index: gpu)
    nodes = ['/head/times', '/head/part']
    assert cli.main(['build', card, '--hold-out', images, '--max-miou-drop', '0.05']) == 1
    said = capsys.readouterr().err
    assert 'nobody measured whether the values of the network stay below 65504' in said
    assert 'fp16 changes the label of ' in said and 'Give --calibrate, so that' in said
    assert cli.main(['build', card, '--calibrate', images, '--hold-out', images,
                     '--max-miou-drop', '0.05']) == 0
    said = capsys.readouterr()
    assert 'warning: /head/times, /head/part: these nodes stay FP32' in said.err
    assert f'because their values are above 65504: {", ".join(nodes)}' in said.out
    report = json.loads((tmp_path / 'net-fp16-report' / 'accuracy.json').read_text())
    assert report['fp32_nodes'] == nodes
    (plan,) = (tmp_path / 'xdg').rglob('*.plan')
    about = sidecar_of(plan)
    assert about['fp32'] == nodes
    assert cli.main(['inspect', str(plan)]) == 0
    assert 'FP32, because FP16 cannot hold the values: /head/times' in capsys.readouterr().out
    from trt_segmentation.builder.settings import Recipe
    found: Any = open_engine(load_card(card), 0, 0, Recipe('fp16'), identity=lambda index: gpu,
                             log=pytest.fail,
                             load=lambda plan, kernels: SimpleNamespace(data=plan.data))  # type: ignore[return-value]
    assert found.data == plan.read_bytes()


def test_a_node_says_that_nobody_measured_the_values(tmp_path, card):
    from trt_segmentation.builder.settings import Recipe
    lines: list[str] = []
    open_engine(load_card(card), 0, 0, Recipe('fp16'), log=lines.append,
                identity=lambda index: GpuIdentity('Test GPU', 'sm_89', '580'),
                load=lambda plan, kernels: SimpleNamespace(data=plan.data))  # type: ignore[return-value]
    assert [line for line in lines if 'nobody measured' in line and '--calibrate BAG' in line]


def test_a_node_and_the_command_load_the_kernels_once(tmp_path, card, images, monkeypatch):
    """Each builder but the first is made while another is alive."""
    from trt_segmentation.engines.tensorrt import trt
    made: list[Any] = []
    alone, builder = [], trt.Builder

    def count(log):
        alone.append(not any(known() for known in made))
        made.append(weakref.ref(new := builder(log)))
        return new
    monkeypatch.setattr(trt, 'Builder', count)
    assert cli.main(['build', card, '--precision', 'int8', '--calibrate', images, '--out',
                     'net.plan', '--hold-out-frames', '1']) == 0
    assert alone == [True, False, False]        # the check, the int8 plan, the fp16 plan
    open_engine(load_card(card), 0, 0, identity=lambda index: GpuIdentity('G', 'sm_89', '580'),
                load=lambda plan, kernels: SimpleNamespace(data=plan.data))  # type: ignore[return-value]
    assert alone == [True, False, False, True, False]


def test_ctrl_c_ends_the_command_and_writes_nothing(tmp_path, card, images, monkeypatch, capsys):
    from trt_segmentation.view.progress import ProgressBars
    pressed: list[str] = []

    def press(bars, name, done, total):
        if not pressed:
            pressed.append(name)
            os.kill(os.getpid(), signal.SIGINT)
    monkeypatch.setattr(ProgressBars, 'show_phase', press)
    assert cli.main(['build', card, '--precision', 'int8', '--calibrate', images, '--out',
                     'net.plan', '--hold-out-frames', '1']) == 130
    assert ('trt_seg: error: stopped: the build was interrupted, and its plan was not written'
            in capsys.readouterr().err)
    assert pressed == ['Building engine']
    assert not [path for path in tmp_path.iterdir() if path.name.startswith('net.plan')]
    assert not (tmp_path / 'net.scales.json').exists()
