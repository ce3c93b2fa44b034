# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""No file of a user is lost. In each test, an output of the package has a user's path."""

from functools import partial
import importlib
from io import BytesIO
import json
import os
from pathlib import Path
import runpy
import shutil
import subprocess
import sys
from typing import Any

from networks import color_classifier, write_card
import numpy as np
import pytest
from recordings import image_messages, write_bag

from trt_segmentation.builder.cache import EngineCache
from trt_segmentation.commands.cli import main
from trt_segmentation.commands.replay import BAG_FILES
from trt_segmentation.engines.plan import Plan
from trt_segmentation.errors import FrameLogError, OutputError
from trt_segmentation.serving.frame_log import FrameLog
from trt_segmentation.untrusted import output_files as outputs
from trt_segmentation.untrusted.output_files import (
    check_absent,
    check_claim,
    claim_folder,
    is_ours,
    KEY,
    MARKER,
    write_figure,
    write_file,
    write_image,
    write_json,
)
from trt_segmentation.untrusted.signed_files import store_signed

ROOT = Path(__file__).parents[2]
PALETTE = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)
KINDS = ('file', 'folder', 'link to a file', 'link to a folder')

COMMANDS = {
    'demo': 'demo --out out',
    'demo here': 'demo --out .',
    'replay': 'replay rec --model net.yaml --out out --overwrite',
    'eval': 'eval --model net.yaml --json scores.json',
    'bench': 'bench --model net.yaml --out out --json run.json',
    'build': 'build net.yaml --precision int8 --calibrate street --out net.plan --report out',
    'demo view': 'demo --out out2 --save-view v.rrd',
    'replay view': 'replay rec --model net.yaml --out out2 --save-view v.rrd',
    'clear': 'cache clear --folder kept',
    'verify': 'cache verify --folder kept',
    'list': 'cache list --folder kept'}
"""Commands with every option that names an output."""

PLACES = {
    'demo': ('out', 'out/bag', 'out/report.json', 'out/montage.png', 'out/node.jsonl'),
    'demo here': ('bag', 'report.json'),
    'replay': ('out', 'out/out.mcap', 'out/metadata.yaml', 'out/bag'),
    'eval': ('scores.json',),
    'bench': ('out/bench.json', 'out/bench.html', 'run.json'),
    'build': ('net.plan', 'net.plan.json', 'net.scales.json', 'out/accuracy.json',
              'out/differences.png', 'out/contact_sheet.png', 'out/histogram.png',
              'out/kernels.json'),
    'demo view': ('v.rrd',), 'replay view': ('v.rrd',),
    'clear': ('kept/engines', f'kept/engines/{"a" * 40}.plan', 'kept/engines/net.plan.json'),
    'verify': ('kept/engines', 'kept/engines/net.plan'),
    'list': ('kept/engines', 'kept/engines/net.plan')}
"""For each command, the paths at which the user already has a file or folder."""

CASES = [(name, place, kind) for name, places in PLACES.items() for place in places
         for kind in KINDS]
CASES += [('bench', 'out', kind) for kind in ('file', 'link to a file')]
CASES += [('build', 'out', kind) for kind in ('file', 'link to a file')]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Make a user's folder with a network and a recording. A command must not start to work."""
    folder = tmp_path / 'work'
    folder.mkdir()
    write_card(color_classifier(folder / 'net.onnx', PALETTE), ['black', 'red'], PALETTE)
    write_bag(folder / 'rec', image_messages([np.zeros((48, 64, 3), np.uint8)]))
    monkeypatch.chdir(folder)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    def began(*_: object, **__: object) -> None:
        pytest.fail('the work began')

    for module in ('evaluate', 'replay', 'bench.run'):
        monkeypatch.setattr(importlib.import_module(f'trt_segmentation.commands.{module}'),
                            'open_pipeline', began)
    monkeypatch.setattr('trt_segmentation.commands.demo.run._record_drive', began)
    if importlib.util.find_spec('tensorrt_rtx'):
        monkeypatch.setattr('trt_segmentation.commands.build.read_graph', began)
    return folder


def occupy(path: Path, kind: str, home: Path) -> None:
    """Put a file, folder or link of the user at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    at = home / 'thesis' if kind.startswith('link') else path
    if kind.endswith('file'):
        at.write_bytes(b'{"years": "of work"}')
    else:
        at.mkdir()
        for name in ('bag', 'report.json', 'net.plan', 'metadata.yaml', 'x.mcap'):
            (at / name).write_bytes(b'years of work')
    if at != path:
        path.symlink_to(at)


def everything(*folders: Path) -> dict[str, bytes | str]:
    """Return for each path in the folders the bytes of the file or the target of the link."""
    return {str(path): f'-> {path.readlink()}' if path.is_symlink() else
            'folder' if path.is_dir() else path.read_bytes()
            for folder in folders for path in sorted(folder.rglob('*'))}


def is_one_line(text: str, *words: str) -> None:
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith('trt_seg: error: '), text
    assert all(word in text for word in words), text


def needed(name: str) -> None:
    """Skip the test if the command cannot run on this machine."""
    if name == 'build':
        pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    if name.startswith('demo'):
        pytest.importorskip('rclpy', reason='rclpy is not installed')
    if name.endswith('view'):
        pytest.importorskip('rerun', reason='rerun-sdk is not installed: pip install rerun-sdk')


@pytest.mark.parametrize('name, place, kind', CASES)
def test_files_of_the_user_stay(here, tmp_path, capfd, name, place, kind):
    """Every file of the user stays as it is. The command prints one line and exits with 2."""
    needed(name)
    (tmp_path / 'home').mkdir()
    occupy(here / place, kind, tmp_path / 'home')
    before = everything(here, tmp_path / 'home')
    assert main(COMMANDS[name].split()) == 2
    assert everything(here, tmp_path / 'home') == before
    is_one_line(capfd.readouterr().err)


@pytest.mark.parametrize('name, option', [
    ('demo', '--out'), ('replay', '--out'), ('eval', '--json'), ('bench', '--json'),
    ('bench', '--out'), ('build', '--out'), ('build', '--report'), ('demo view', '--save-view'),
    ('replay view', '--save-view')])
@pytest.mark.parametrize('where', ['/proc/x{}', 'net.onnx/x{}', 'net.onnx/deeper/x{}',
                                   'nowhere/x{}', 'loop/x{}', 'x' * 300 + '{}'])
def test_outputs_are_checked_before_the_work(here, capfd, name, option, where):
    """If an output cannot be written, one line names its path. The command exits with 2."""
    needed(name)
    folder = option == '--report' or (option == '--out' and name != 'build')
    if where.startswith('nowhere') and folder:
        pytest.skip('folders above an output folder are made')
    (here / 'loop').symlink_to('loop')
    place = where.format('.rrd' if option == '--save-view' else '')
    words = COMMANDS[name].split()
    words[words.index(option) + 1] = place
    before = everything(here)
    assert main(words) == 2
    assert everything(here) == before
    is_one_line(capfd.readouterr().err, place.split('/', maxsplit=1)[0])


@pytest.mark.skipif(os.getuid() == 0, reason='root may write anywhere')
def test_a_write_protected_folder_is_one_error(here, capfd):
    (here / 'locked').mkdir(mode=0o500)
    assert main(['eval', '--model', 'net.yaml', '--json', 'locked/x.json']) == 2
    is_one_line(capfd.readouterr().err, 'locked', 'Permission denied')


@pytest.mark.parametrize('words, said', [
    ('eval --street 3 --images a --labels b', '--street is only for street scenes'),
    ('eval --condition day --images a --labels b', '--condition is only for street scenes'),
    ('replay rec --out out --min-agreement 0.9', '--min-agreement is only for a comparison'),
    ('replay rec --out out --allow-missing', '--allow-missing is only for a comparison'),
    ('replay rec --out out --expect-topic /a', '--expect-topic is only for a comparison'),
    ('build net.yaml --hold-out-labels a', 'give the images with --hold-out'),
    ('build net.yaml --topic /a', 'give bags with --calibrate or --hold-out'),
    ('build net.yaml --precision int8 --frames 9', '--frames is for a calibration'),
    ('build net.yaml --precision int8 --method minmax', '--method is for a calibration'),
    ('build net.yaml --precision fp32 --compare', '--compare is for a comparison with fp32'),
    ('build net.yaml --precision fp32 --report a', '--report is for a comparison with fp32'),
    ('build net.yaml --precision fp32 --hold-out a', '--hold-out is for a comparison'),
    ('build net.yaml --precision fp32 --max-miou-drop 0.1', '--max-miou-drop is for a')])
def test_options_that_would_be_ignored_are_refused(here, capfd, words, said):
    needed(words.split()[0])
    assert main(words.split()) == 2
    is_one_line(capfd.readouterr().err, said)


@pytest.mark.parametrize('action', ['list', 'verify', 'clear'])
def test_a_mistyped_cache_folder_is_one_error(here, capfd, action):
    assert main(['cache', action, '--folder', 'kpet']) == 2
    is_one_line(capfd.readouterr().err, 'kpet', 'contains no cache')


def test_inspect_refuses_a_folder(here, capfd):
    assert main(['inspect', '.']) == 2
    is_one_line(capfd.readouterr().err, '. is a folder; give an ONNX file or a plan')


def test_a_cache_keeps_files_of_other_names(tmp_path):
    """In the cache folder, only files that have a digest as name are deleted."""
    cache = EngineCache(tmp_path)
    ours = cache.folder / f'{"a" * 40}.plan'
    store_signed(ours, Plan(b'plan'), {})
    for name in ('net.plan', 'net.plan.json', 'notes.json', 'old.part'):
        (cache.folder / name).write_text('years of work')
        os.utime(cache.folder / name, (0, 0))
    assert cache.clear() > 0
    assert {path.name for path in cache.folder.iterdir()} == {
        'CACHEDIR.TAG', 'build.lock', 'net.plan', 'net.plan.json', 'notes.json', 'old.part'}
    assert cache.entries() == []


def test_a_plan_that_the_user_replaced_stays(here, capfd):
    """This package wrote the sidecar, but the hash in the sidecar belongs to another plan."""
    needed('build')
    store_signed(here / 'net.plan', Plan(b'ours'), {})
    (here / 'net.plan').write_bytes(b'of trtexec')
    assert main(['build', 'net.yaml', '--precision', 'fp32', '--out', 'net.plan']) == 2
    is_one_line(capfd.readouterr().err, '`trt_seg build` did not write it')
    assert (here / 'net.plan').read_bytes() == b'of trtexec'


@pytest.mark.parametrize('kind', KINDS)
def test_a_frame_log_leaves_the_users_files_alone(tmp_path, kind):
    occupy(tmp_path / 'log', kind, tmp_path)
    before = everything(tmp_path)
    with pytest.raises(FrameLogError, match='frame_log'):
        FrameLog(str(tmp_path / 'log'), print)
    assert everything(tmp_path) == before


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('option', ['--json', '--figure'])
def test_benchmarks_replace_only_their_own(tmp_path, monkeypatch, kind, option):
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    occupy(tmp_path / 'f.png', kind, tmp_path)
    before = everything(tmp_path)
    if option == '--json':
        monkeypatch.setattr(sys, 'argv', ['x', option, str(tmp_path / 'f.png')])
        begin = partial(importlib.import_module('report').run, 'title',
                        lambda report, quick: pytest.fail('the work began'))
    else:
        pytest.importorskip('rclpy', reason='rclpy is not installed')
        (tmp_path / 'earlier.json').write_text('{}')
        before = everything(tmp_path)
        monkeypatch.setattr(sys, 'argv', ['x', '--redraw', str(tmp_path / 'earlier.json'), option,
                                          str(tmp_path / 'f.png')])
        begin = importlib.import_module('soak').main
    with pytest.raises(OutputError, match=r'f\.png'):
        begin()
    assert everything(tmp_path) == before


@pytest.mark.parametrize('name', ['drive.mcap', 'frames/day_0.png', 'truth/snow_2.png'])
@pytest.mark.parametrize('kind', KINDS)
def test_recipes_replace_only_their_own(tmp_path, monkeypatch, name, kind):
    occupy(tmp_path / name, kind, tmp_path)
    before = everything(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['x', str(tmp_path)])
    with pytest.raises(OutputError, match=name.replace('/', '(/| holds )')):
        runpy.run_path(str(ROOT / 'docs' / 'recipes' / 'street_recording.py'), run_name='__main__')
    assert everything(tmp_path) == before


def test_dev_clean_removes_only_marked_files_and_folders(tmp_path):
    """Files and folders with the package's stamp, tag or header are deleted. Others stay."""
    names = ('.venv', 'build', 'dist', 'x.egg-info', '.mypy_cache', '.ruff_cache',
             '.pytest_cache', '.hypothesis')
    for folder in ('theirs', 'ours'):
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / 'dev', tmp_path / folder / 'dev')
    for name in names:
        occupy(tmp_path / 'theirs' / name, 'folder', tmp_path)
    occupy(tmp_path / 'theirs' / '.coverage', 'file', tmp_path)
    before = everything(tmp_path / 'theirs')
    tag = 'Signature: 8a477f597d28d172789f06886806bc55\n'
    for file, text in (('.venv/installed', ''), ('build/docs/.buildinfo', ''),
                       ('.ruff_cache/CACHEDIR.TAG', tag), ('.coverage', 'SQLite format 3\0'),
                       ('x.egg-info/PKG-INFO', 'Name: trt_segmentation\n')):
        (tmp_path / 'ours' / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'ours' / file).write_text(text)
    for folder in ('theirs', 'ours'):
        subprocess.run(['bash', 'dev', 'clean'], cwd=tmp_path / folder, check=True)
    assert everything(tmp_path / 'theirs') == before
    assert [path.name for path in (tmp_path / 'ours').iterdir()] == ['dev']


def test_dev_installs_into_no_environment_of_the_users(tmp_path):
    shutil.copy(ROOT / 'dev', tmp_path)
    for name in ('requirements.lock', 'setup.py'):
        (tmp_path / name).touch()
    occupy(tmp_path / '.venv', 'folder', tmp_path)
    before = everything(tmp_path)
    done = subprocess.run(['bash', 'dev', 'run', 'true'], cwd=tmp_path, text=True,
                          capture_output=True)
    assert done.returncode == 2
    assert done.stderr.endswith('.venv was not made by ./dev; remove it or move it away\n')
    assert everything(tmp_path) == before


# ---- files of this package

def test_every_format_holds_the_marker(tmp_path):
    from matplotlib.figure import Figure
    from PIL import Image
    write_json(tmp_path / 'a.json', {'a': 1})
    write_image(tmp_path / 'a.png', np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
    write_figure(tmp_path / 'b.png', Figure())
    for path in tmp_path.iterdir():
        assert is_ours(path)
    assert json.loads((tmp_path / 'a.json').read_text()) == {KEY: MARKER, 'a': 1}
    for name in ('a.png', 'b.png'):
        picture: Any = Image.open(BytesIO((tmp_path / name).read_bytes()))
        picture.load()
        assert picture.text[KEY] == MARKER
    (tmp_path / 'link').symlink_to('a.json')
    assert not is_ours(tmp_path / 'link') and not is_ours(tmp_path) \
        and not is_ours(tmp_path / 'none')


def test_our_own_file_is_replaced_and_a_link_to_it_stays(tmp_path):
    path, link = tmp_path / 'a.json', tmp_path / 'link.json'
    write_json(path, {'a': 1})
    link.symlink_to('a.json')
    write_json(link, {'a': 2})
    assert link.is_symlink() and json.loads(path.read_text())['a'] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ['a.json', 'link.json']
    path.chmod(0o400)
    if os.getuid():
        with pytest.raises(OutputError, match='write-protected'):
            write_json(path, {})


def test_a_file_that_appears_during_the_work_stays(tmp_path):
    outputs.check_file(tmp_path / 'a.json', '--json')
    (tmp_path / 'a.json').write_text('years of work')
    with pytest.raises(OutputError, match=r'--json .*a\.json exists, and trt_seg did not'):
        write_json(tmp_path / 'a.json', {}, '--json')
    assert (tmp_path / 'a.json').read_text() == 'years of work'


def test_a_result_is_not_written_to_standard_output():
    with pytest.raises(OutputError, match=r'--json -: .* standard output. Name a file'):
        outputs.check_file(Path('-'), '--json')


def test_the_error_of_a_full_disk_names_the_file(tmp_path, monkeypatch):
    with pytest.raises(OutputError, match=r'^/dev/full cannot be written: No space left'):
        write_file(Path('/dev/full'), b'x' * 10000)
    write_json(tmp_path / 'a.json', {'a': 1})

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OutputError, match=r'a\.json cannot be written: No space left'):
        write_json(tmp_path / 'a.json', {'a': 2})
    assert [p.name for p in tmp_path.iterdir()] == ['a.json']
    assert json.loads((tmp_path / 'a.json').read_text())['a'] == 1


def test_the_error_of_a_full_disk_names_the_bag(here, monkeypatch, capfd):
    monkeypatch.undo()
    monkeypatch.chdir(here)

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr('rosbags.rosbag2.storage_mcap.McapWriter.write', full)
    assert main(['replay', 'rec', '--model', 'net.yaml', '--engine', 'onnxruntime-cpu', '--out',
                 'out']) == 2
    assert 'trt_seg: error: out cannot be written: No space left on device' in \
        capfd.readouterr().err


@pytest.mark.parametrize('kind', KINDS)
def test_a_network_is_never_replaced(tmp_path, kind):
    occupy(tmp_path / 'net.onnx', kind, tmp_path)
    with pytest.raises(OutputError, match=r'--out .* already holds net\.onnx\. Name'):
        check_absent(tmp_path, '--out', ('log.json', 'net.onnx'))
    check_absent(tmp_path / 'new', '--out', ('net.onnx',))


@pytest.mark.parametrize('script', ['training/street.py', 'training/distill.py',
                                    'docs/recipes/export.py'])
def test_training_and_export_replace_nothing(tmp_path, script):
    pytest.importorskip('torch', reason='torch is not installed')
    name, *more = {'training/street.py': ['street.onnx'], 'training/distill.py': ['teacher.onnx'],
                   'docs/recipes/export.py': ['unet.onnx', 'unet']}[script]
    occupy(tmp_path / name, 'file', tmp_path)
    before = everything(tmp_path)
    done = subprocess.run([sys.executable, str(ROOT / script), *more, '--out', str(tmp_path)],
                          capture_output=True, text=True, timeout=100,
                          env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert done.returncode != 0 and name in done.stderr and ' already' in done.stderr
    assert everything(tmp_path) == before


def test_only_bags_of_this_package_are_recognised(here, monkeypatch, tmp_path):
    monkeypatch.undo()
    out = tmp_path / 'out'
    words = ['replay', str(here / 'rec'), '--model', str(here / 'net.yaml'), '--out', str(out),
             '--engine', 'onnxruntime-cpu']
    for more in ([], ['--overwrite']):
        assert main([*words, *more]) == 0
    assert [path.suffix for path in check_claim(out, '--out', BAG_FILES)] == ['.yaml', '.mcap']
    with pytest.raises(OutputError, match=r'rec holds metadata\.yaml'):
        check_claim(here / 'rec', '--out', BAG_FILES)
    # this package wrote the metadata, but not the recording of the same name
    (mcap,), (theirs,) = out.glob('*.mcap'), (here / 'rec').glob('*.mcap')
    shutil.copy(theirs, mcap)
    with pytest.raises(OutputError, match=r'holds out\.mcap'):
        claim_folder(out, '--out', BAG_FILES)
    assert mcap.read_bytes() == theirs.read_bytes()


def test_commands_replace_their_own_files(here, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.chdir(here)
    for _ in range(2):
        assert main(['eval', '--model', 'street', '--engine', 'onnxruntime-cpu', '--street', '1',
                     '--condition', 'day', '--json', 'scores.json']) == 0
        assert main(['bench', '--model', 'net.yaml', '--engine', 'onnxruntime-cpu', '--size',
                     '64x48', '--cameras', '1', '--seconds', '0.1', '--json', 'run.json']) == 0
    assert all(map(is_ours, map(Path, (
        'scores.json', 'run.json', 'bench-out/bench.json', 'bench-out/bench.html'))))


def write_results(folder: Path) -> None:
    """Write results of other commands: a bag for comparisons, and the scores of eval."""
    write_bag(folder / 'golden', image_messages([np.zeros((48, 64, 3), np.uint8)]))
    for file in (folder / 'golden').iterdir():
        file.write_bytes(MARKER.encode() + file.read_bytes())
    write_json(folder / 'scores.json', {'scores': 1})


@pytest.mark.parametrize('command', [
    ['replay', 'rec', '--model', 'net.yaml', '--overwrite', '--out'],
    ['demo', '--seconds', '1', '--out']])
def test_results_of_other_commands_stay(here, capfd, command):
    """trt_seg wrote these results, but the user needs them. docs/ci.md keeps such a bag."""
    write_results(here / 'runs')
    before = everything(here)
    assert main([*command, 'runs']) == 2
    is_one_line(capfd.readouterr().err, 'which this command does not write')
    assert everything(here) == before


def test_the_current_folder_is_not_emptied(here, capfd, monkeypatch):
    out = here / 'out'
    write_bag(out, image_messages([np.zeros((48, 64, 3), np.uint8)]))
    monkeypatch.chdir(out)
    before = everything(out)
    assert main(['replay', '../rec', '--model', '../net.yaml', '--out', '.', '--overwrite']) == 2
    is_one_line(capfd.readouterr().err, 'is the current folder')
    assert everything(out) == before


def test_a_frame_log_holds_the_marker(tmp_path):
    """The marker in the frame log shows that a later demo may replace the log."""
    FrameLog(str(tmp_path / 'node.jsonl'), print).close()
    assert is_ours(tmp_path / 'node.jsonl')
