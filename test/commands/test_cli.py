# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The command line: help, exit codes, misspelled options, and the options of each command."""

from dataclasses import asdict, fields
from importlib import metadata
import os
from pathlib import Path
import subprocess
import sys
from types import SimpleNamespace

from networks import color_classifier
import numpy as np
import pytest
from recordings import image_messages, pictures, write_bag

from trt_segmentation.commands import cli
from trt_segmentation.commands.bench.options import BenchOptions
from trt_segmentation.commands.build_options import BuildCommandOptions
from trt_segmentation.commands.cache import CacheOptions
from trt_segmentation.commands.demo.options import DemoOptions
from trt_segmentation.commands.doctor.options import DoctorOptions
from trt_segmentation.commands.evaluate_options import EvaluateOptions
from trt_segmentation.commands.inspect_options import InspectOptions
from trt_segmentation.commands.label.options import LabelOptions
from trt_segmentation.commands.replay_options import ReplayOptions
from trt_segmentation.commands.segment.options import SegmentOptions
from trt_segmentation.errors import FrameError
from trt_segmentation.installed.version import version

ROOT = Path(__file__).parents[2]


def trt_seg(*args, blocked=(), code=None):
    """Run the command in a new process that cannot import the ``blocked`` packages."""
    block = ''.join(f'sys.modules[{name!r}] = None; ' for name in blocked)
    tail = 'from trt_segmentation.commands.cli import main; sys.exit(main(sys.argv[1:]))'
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.run([sys.executable, '-c', f'import sys; {block}{code or tail}', *args],
                          capture_output=True, text=True, env=environment, timeout=60)


@pytest.fixture
def model(tmp_path):
    """Write the model card of a small network, and a bag that this network can segment."""
    palette = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)
    color_classifier(tmp_path / 'net.onnx', palette)
    (tmp_path / 'net.yaml').write_text('model: net.onnx\nclasses: [black, red]\n')
    write_bag(tmp_path / 'bag', image_messages(pictures(2)))
    return tmp_path / 'net.yaml'


def test_help_needs_nothing_but_python():
    heavy = ('rclpy', 'rosbags', 'tensorrt_rtx', 'matplotlib', 'cv2', 'numpy', 'onnxruntime',
             'onnx', 'rich', 'PIL', 'yaml')
    result = trt_seg('--help', blocked=heavy)
    assert (result.returncode, result.stderr) == (0, '')
    for command in ('inspect', 'build', 'cache', 'replay', 'eval', 'demo', 'bench', 'doctor'):
        assert command in result.stdout
        assert trt_seg(command, '--help', blocked=heavy).returncode == 0


@pytest.mark.parametrize('command, blocked, advice', [
    (('replay', 'bag', '--out', 'out'), 'rosbags',
     "pip install 'rosbags>=0.11,<0.12'"),
    (('bench',), 'plotly', 'pip install plotly'),
    (('label', 'x', '--out', 'out'), 'fsspec', "'pyarrow>=20' 'pycocotools>=2.0.8' rich "
     "'rosbags>=0.11,<0.12'"),
    (('demo', '--save-view', 'x.rrd'), 'rerun', 'pip install rerun-sdk'),
    (('eval',), 'rich', 'pip install rich'),
    (('eval', '--images', 'x', '--labels', 'x'), 'PIL', 'pip install Pillow'),
    (('eval',), 'cv2', 'pip install opencv-python-headless'),
    (('build', 'street', '--out', 'x.plan'), 'onnx',
     "'.[tensorrt-rtx,tools]' in the folder of this repository"),
    (('cache', 'list'), 'filelock', 'pip install filelock')])
def test_a_missing_package_is_named_as_pip_knows_it(command, blocked, advice, tmp_path,
                                                    monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'x').mkdir()
    (tmp_path / 'x' / 'a.png').touch()
    result = trt_seg(*command, blocked=[blocked])
    assert result.returncode == 2
    assert result.stderr.startswith('trt_seg: error: ')
    assert result.stderr.rstrip().endswith(advice)
    assert 'Traceback' not in result.stderr


def test_exit_codes_of_the_process(model):
    bag, out, again = (str(model.parent / name) for name in ('bag', 'out', 'again'))
    result = trt_seg('replay', bag, '--out', out, '--model', str(model))
    assert result.returncode == 0, result.stderr
    assert '2 of 2 frames' in result.stdout
    result = trt_seg('replay', bag, '--out', out, '--model', str(model))
    assert result.returncode == 2
    assert result.stderr == (f'trt_seg: error: --out {out} exists already; give another folder, '
                             'or add --overwrite\n')
    # the expected label maps belong to other pictures
    write_bag(model.parent / 'bag2', image_messages(
        [np.full((48, 64, 3), (0, 0, 255), np.uint8)] * 2))
    result = trt_seg('replay', f'{bag}2', '--out', again, '--model', str(model),
                     '--expect', out)
    assert result.returncode == 1
    assert 'DIFFERENT: frame 1 of 2' in result.stdout


@pytest.mark.parametrize('args, message', [
    (['replya'], "argument COMMAND: 'replya' is not known, did you mean 'replay'?"),
    (['replay', 'b', '--ot', 'x'], "there is no option --ot, did you mean '--out'?"),
    (['replay', 'b', '--out=x', '--egine=auto'], 'no option --egine, did you mean '),
    (['bench', '-gpu', '1'], "there is no option -gpu, did you mean '--gpu'?"),
    (['--verison'], "there is no option --verison, did you mean '--version'?"),
    (['eval', '--engine', 'tensort'], "'tensort' is not known, did you mean 'tensorrt'?"),
    (['inspect', 'a', 'b'], "unexpected argument 'b'"),
    (['demo', '--seconds', 'nan'], 'nan is not a number above 0'),
    (['demo', '--seconds', 'ten'], 'ten is not a number above 0'),
    (['bench', '--cameras', '1,x'], 'x is not an integer from 1 to 999999999'),
    (['eval', '--street', '2.5'], '2.5 is not an integer from 1 to 999999999'),
    *(([command, *more, '--gpu', '-1'], '--gpu: -1 is not an integer from 0')
      for command, *more in (('eval',), ('bench',), ('doctor',), ('build', 'street'),
                             ('replay', 'b', '--out', 'o'))),
    (['replay', 'b', '--out', 'x', '--min-agreement', 'x'], 'x is not a fraction')])
def test_a_mistyped_command_line_is_one_line_with_the_nearest_name(args, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(args)
    assert stopped.value.code == 2
    text = capsys.readouterr().err
    assert message in text and text.startswith('trt_seg') and text.count('\n') == 1
    assert text.endswith(' --help\n') and 'invalid _' not in text


def test_abbreviations_and_negative_numbers_are_no_misspellings(capsys):
    with pytest.raises(SystemExit):
        cli.main(['eval', '--prec', 'fp61'])
    assert "'fp61' is not known" in capsys.readouterr().err


@pytest.mark.parametrize('command', [
    ('-m', 'trt_segmentation'), ('-m', 'trt_segmentation.commands.cli')])
def test_version(command):
    done = subprocess.run([sys.executable, *command, '--version'], capture_output=True, text=True,
                          check=True, env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert done.stdout == f'trt_seg {version()}\n' and done.stderr == ''


def test_version_of_a_tree_that_nothing_installed(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    assert version() == '0.1.0' or 'not installed' in version()
    monkeypatch.setattr(metadata, 'version', missing)
    assert version() == 'unknown (not installed)'


@pytest.mark.parametrize('args, message', [
    ([], 'COMMAND'), (['nonsense'], 'nonsense'), (['replay', 'bag'], '--out'),
    (['replay', 'bag', '--out', 'x', '--min-agreement', '1.5'], '1.5 is not a fraction'),
    (['replay', 'bag', '--out', 'x', '--engine', 'gpu'], "'gpu'"),
    (['eval', '--street', '0'], '0 is not an integer from 1 to 999999999'),
    (['eval', '--ignore', '6-3'], "'6-3' is neither a value such as 11 nor a range such as 0-6"),
    (['eval', '--ignore', '1-2-3'], "'1-2-3' is neither a value"),
    (['eval', '--ignore', '4-'], "'4-' is neither a value"),
    (['eval', '--ignore', 'x'], "'x' is neither a value"),
    (['eval', '--ignore', '65536'], "'65536' is neither a value"),
    (['build', 'm', '--workspace', '1T'], "'1T' is not a size such as 512M or 2G"),
    (['build', 'm', '--precision', 'fp61'], "'fp61'"), (['cache', 'mend'], "'mend'")])
def test_wrong_arguments_are_errors_of_code_2(args, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(args)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('args, message', [
    (['replay', 'nowhere', '--out', 'out'], 'no bag at nowhere'),
    (['replay', 'bag', '--out', 'out', '--expect', 'nowhere'], 'no bag at nowhere'),
    (['replay', 'bag', '--out', 'out', '--image-topic', '/camera/image_rw'],
     "did you mean '/camera/image_raw'?"),
    (['replay', 'bag', '--out', 'out', '--namespace', '1'], "namespace '1' is not a ROS name"),
    (['replay', 'net.onnx', '--out', 'out'], 'net.onnx is not a rosbag2 folder'),
    (['replay', 'bag', '--out', 'out', '--model', 'net.onnx'],
     '`trt_seg inspect net.onnx` prints a model card'),
    (['eval', '--model', 'strret'], "did you mean 'street'?"),
    (['cache', 'list', '--folder', 'net.onnx'], '--folder net.onnx is a file; give a folder'),
    (['cache', 'verify', '--folder', 'net.onnx'], 'net.onnx is a file'),
    *((['inspect', folder], f'{folder or "."} is a folder; give an ONNX file or a plan')
      for folder in ('bag', '.', '/', '')),
    (['demo', '--out', 'net.onnx/x'], '--out net.onnx/x cannot be a folder, because '),
    (['eval', '--model', 'bag'], "no model card 'bag'. Give a path"),
    (['eval', '--images', 'bag'], '--images and --labels must be given together')])
def test_errors_are_one_line_on_stderr_and_code_2(model, args, message, capsys, monkeypatch):
    monkeypatch.chdir(model.parent)
    if args[0] == 'replay' and '--model' not in args:
        args = [*args, '--model', str(model)]
    assert cli.main(args) == 2
    text = capsys.readouterr().err
    assert text.startswith('trt_seg: error: ')
    assert message in text
    assert text.count('\n') == 1
    assert not (model.parent / 'out').exists()


def test_every_option_has_an_argument_and_every_argument_an_option():
    (commands,) = (action for action in cli.parser()._actions if action.dest == '==SUPPRESS=='
                   and action.choices)
    kinds = {'segment': SegmentOptions, 'inspect': InspectOptions, 'build': BuildCommandOptions,
             'cache': CacheOptions, 'replay': ReplayOptions, 'label': LabelOptions,
             'eval': EvaluateOptions, 'demo': DemoOptions, 'bench': BenchOptions,
             'doctor': DoctorOptions}
    assert isinstance(commands.choices, dict) and list(commands.choices) == list(kinds)
    for name, parser in commands.choices.items():
        arguments = {action.dest for action in parser._actions} - {'help'}
        assert arguments == {field.name for field in fields(kinds[name])}


def test_options_reach_segment(monkeypatch):
    seen = []
    monkeypatch.setattr('trt_segmentation.commands.segment.run.run_segment',
                        lambda options: seen.append(options) or 0)
    assert cli.main(['segment', 'a.jpg']) == 0
    assert cli.main(['segment', 'a.jpg', '0', '--out', 'o', '--model', 'm', '--engine',
                     'tensorrt', '--gpu', '1', '--precision', 'int8', '--no-overlay', '--labels',
                     '--confidence', '--side-by-side', '--every', '3', '--recursive',
                     '--image-topic', '/i', '--show', '--view', '--save-view', 'v.rrd',
                     '--alpha', '0.7', '--json', 'j']) == 0
    assert seen == [
        SegmentOptions(('a.jpg',), Path('segment-out'), 'street', 'auto', 0, 'auto', True, None,
                       False, .5, False, 1, False, None, None, False, False, None),
        SegmentOptions(('a.jpg', '0'), Path('o'), 'm', 'tensorrt', 1, 'int8', False, True, True,
                       .7, True, 3, True, '/i', Path('j'), True, True, Path('v.rrd'))]


def test_options_reach_the_replay(monkeypatch):
    seen = {}
    monkeypatch.setattr('trt_segmentation.commands.replay.run_replay',
                        lambda options: seen.update(asdict(options)) or 0)
    assert cli.main(['replay', 'b', '--out', 'o']) == 0
    assert seen == {
        'bag': Path('b'), 'out': Path('o'), 'model': 'street', 'engine': 'auto', 'gpu': 0,
        'precision': 'auto',
        'image_topic': None, 'namespace': 'segmentation', 'overlay': True, 'png': False,
        'jpeg': False,
        'expect': None, 'expect_topic': None, 'min_agreement': 1.0, 'allow_missing': False,
        'overwrite': False, 'view': False, 'save_view': None}
    assert cli.main(['replay', 'b', '--out', 'o', '--no-overlay', '--png', '--expect', 'e',
                     '--expect-topic', '/t', '--min-agreement', '0.99', '--allow-missing',
                     '--overwrite', '--image-topic', '/i', '--namespace', 'n', '--model', 'm',
                     '--engine', 'onnxruntime-cpu', '--gpu', '1', '--precision', 'int8',
                     '--view', '--save-view', 'v.rrd', '--jpeg']) == 0
    assert seen == {
        'bag': Path('b'), 'out': Path('o'), 'model': 'm', 'engine': 'onnxruntime-cpu', 'gpu': 1,
        'precision': 'int8',
        'image_topic': '/i', 'namespace': 'n', 'overlay': False, 'png': True,
        'jpeg': True,
        'expect': Path('e'), 'expect_topic': '/t', 'min_agreement': 0.99, 'allow_missing': True,
        'overwrite': True, 'view': True, 'save_view': Path('v.rrd')}


def test_options_reach_the_evaluation_and_the_demo(monkeypatch):
    seen = []
    monkeypatch.setattr('trt_segmentation.commands.evaluate.run_evaluate',
                        lambda options: seen.append(options) or 0)
    fake = SimpleNamespace(run_demo=lambda options: seen.append(options) or 0)
    monkeypatch.setitem(sys.modules, 'trt_segmentation.commands.demo.run', fake)
    assert cli.main(['eval']) == 0
    assert cli.main(['eval', '--street', '3', '--condition', 'day,snow', '--json', 'f']) == 0
    assert cli.main(['eval', '--images', 'i', '--labels', 'l', '--gpu', '1', '--precision',
                     'fp16', '--ignore', '11', '0-6', '--map', 'cityscapes']) == 0
    assert cli.main(['demo']) == 0
    assert cli.main(['demo', '--seconds', '2.5', '--out', 'o', '--model', 'm', '--view',
                     '--save-view', 'v.rrd']) == 0
    assert seen == [
        EvaluateOptions('street', 'auto', 0, 'auto', None, (), None, None, (), None, None),
        EvaluateOptions(street=3, condition=('day', 'snow'), json=Path('f')),
        EvaluateOptions('street', 'auto', 1, 'fp16', None, (), Path('i'), Path('l'),
                        (range(11, 12), range(7)), 'cityscapes'),
        DemoOptions(10.0, Path('demo-out'), 'street', 'auto', ground=False, view=False,
                    save_view=None),
        DemoOptions(2.5, Path('o'), 'm', 'auto', view=True, save_view=Path('v.rrd'))]


def test_options_reach_the_build(monkeypatch):
    seen = []
    monkeypatch.setattr('trt_segmentation.commands.build.run_build',
                        lambda order: seen.append(order) or 0)
    assert cli.main(['build', 'card']) == 0
    assert cli.main([
        'build', 'card', '--out', 'o', '--precision', 'mixed', '--shapes', '8x8', '--batch', '2',
        '--workspace', '512M', '--level', '5', '--arch', 'sm_89', '--no-simplify', '--gpu', '1',
        '--calibrate', 'a', 'b', '--topic', '/t', '--frames', '9', '--method', 'minmax',
        '--keep-fp16', 'x*', '--search', '--hold-out', 'c', '--hold-out-labels', 'd',
        '--ignore', '3-5', '--map', 'ade20k',
        '--hold-out-frames', '7', '--compare', '--cut-resize', '--max-miou-drop', '0.01',
        '--report', 'r']) == 0
    assert seen == [BuildCommandOptions(
        'card', 'fp16', '', '', 1 << 30, 3, '', True, (), 'auto', (), (), None, False, None,
        False, None, None, 0, '', calibrate=(), topic=None, frames=300, every=1.0, hold_out=(),
        hold_out_frames=48), BuildCommandOptions(
        'card', 'mixed', '8x8', '2', 512 << 20, 5, 'sm_89', False, ('x*',), 'minmax', ('d',),
        (range(3, 6),), 'ade20k', True, 0.01, True, Path('r'), Path('o'), 1, cut_resize=True,
        calibrate=('a', 'b'), topic='/t', frames=9, hold_out=('c',), hold_out_frames=7)]


def test_options_of_workers_reach_build_and_eval():
    common = ['--workers', '3', '--ray', 'auto', '--cpus-per-worker', '2', '--lease', '9',
              '--retry', '--work', 's3://b/w']
    shared = {'workers': 3, 'ray': 'auto', 'cpus_per_worker': 2.0, 'lease': 9.0, 'retry': True,
              'work': 's3://b/w'}
    for words, expected in (
            (['build', 'card', '--calibrate', 's3://b/in', '--every', '0.5'], BuildCommandOptions(
                'card', calibrate=('s3://b/in',), every=0.5, **shared)),
            (['eval', 'a', 'b', '--gpus-per-worker', '0.25', '--label-topic', '/l',
              '--image-topic', '/i'], EvaluateOptions(
                sources=('a', 'b'), gpus_per_worker=0.25, label_topic='/l', image_topic='/i',
                **shared))):
        parsed = cli.parser().parse_args([*words, *common])
        assert parsed.make_options(parsed) == expected
        expected.check()


def test_options_reach_the_cache_and_the_doctor(monkeypatch):
    seen = []
    monkeypatch.setattr('trt_segmentation.commands.run_command.run_cache',
                        lambda options: seen.append(options) or 0)
    monkeypatch.setattr('trt_segmentation.commands.doctor.run.run_doctor',
                        lambda options: seen.append(options) or 0)
    for args in (['cache', 'list'], ['cache', 'verify', '--folder', 'f'], ['doctor'],
                 ['doctor', '--selftest', '--json', '--gpu', '2']):
        assert cli.main(args) == 0
    assert seen == [CacheOptions('list', None), CacheOptions('verify', Path('f')),
                    DoctorOptions(False, False, 0), DoctorOptions(True, True, 2)]


def test_no_tensorrt_is_one_clear_line():
    result = trt_seg('build', 'street', '--out', 'x.plan', blocked=['tensorrt', 'tensorrt_rtx'])
    assert result.returncode == 2
    assert result.stderr.startswith(
        'trt_seg: error: trt_seg build needs packages that are not installed here: TensorRT. ')
    assert result.stderr.count('\n') == 1


@pytest.mark.parametrize('error, code, text', [
    (FrameError('bad frame'), 2, 'trt_seg: error: bad frame\n'),
    (PermissionError(13, 'Permission denied', 'x'), 2,
     'trt_seg: error: x: Permission denied\n'),
    (KeyboardInterrupt(), 130, 'trt_seg: error: stopped\n')])
def test_expected_errors_have_no_traceback(monkeypatch, capsys, error, code, text):
    def fail(*_):
        raise error

    monkeypatch.setattr('trt_segmentation.commands.evaluate.run_evaluate', fail)
    assert cli.main(['eval']) == code
    assert text in capsys.readouterr().err


@pytest.mark.parametrize('error', [ValueError('ours'), ZeroDivisionError(),
                                   ModuleNotFoundError('x', name='trt_segmentation.x')])
def test_an_unexpected_error_keeps_its_traceback(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr('trt_segmentation.commands.evaluate.run_evaluate', fail)
    with pytest.raises(type(error)):
        cli.main(['eval'])
