# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The commands of README and docs work. If a command cannot run here, its names exist."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from io import StringIO
import os
from pathlib import Path
import re
import shlex
import shutil
import subprocess
import sys

import cv2
from markdown_blocks import assert_shown, Block, blocks, workflow
import pytest
import ros_commands
import segmentation_networks

from trt_segmentation.commands.cli import main
from trt_segmentation.street import Drive
from trt_segmentation.video.writer import VideoWriter

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('**/*.md'))]

NOT_RUN = {
    r'\./dev ': 'sets up an environment or takes long; the names are checked',
    r'ros2 ': 'needs a ROS installation; the names are checked',
    r'export FAST\w+=\S+$': 'needs ros2 to find the package; the file is checked',
    r'colcon build --packages-select trt_segmentation$': 'needs a ROS installation',
    r'sudo ': 'changes the machine',
    r"source /opt/ros/|python3 -m venv .*~/seg|python3 -c 'import tensorrt, rclpy":
        'is for a Jetson with ROS',
    r'source \.venv/bin/activate$': 'the tests already run in that environment',
    r'(python -m )?pip install ': 'downloads',
    r'trt_seg .* s3:|ray |kubectl ': 'needs a cluster or an object store',
    r"(timeout -s INT 60 )?trt_seg segment (0|'?rtsp://\S+)$": 'needs a camera',
    r'python docs/recipes/export\.py ': 'needs torch and models of other libraries',
}
"""Patterns of commands that do not run here, and the reasons."""

NEEDS_GPU = re.compile(r'trt_seg build (?!.* --out )')
"""These commands build for the GPU of this machine. Without a GPU they end with an error."""

ONCE = 'trt_seg doctor'
"""The output is the same on every page, so this command runs once."""
_ran: set[str] = set()

TENSORRT = find_spec('tensorrt') or find_spec('tensorrt_rtx')


@dataclass(frozen=True)
class Done:
    """Exit code and output of a command."""

    code: int
    out: str
    errors: str


@dataclass(frozen=True)
class Page:
    """A page, and the folder in which its commands run."""

    path: Path
    folder: Path

    def run(self, command: str) -> Done:
        """Run a command in bash, or in this process if it only calls trt_seg."""
        arguments = shlex.split(command)
        into = arguments[-1] if arguments[-2:-1] == ['>'] else ''
        if arguments[0] != 'trt_seg' or re.search(r'[|&;$]', command):
            done = subprocess.run(['bash', '-c', command], cwd=self.folder, text=True,
                                  capture_output=True, timeout=100, check=False, env={
                                      **os.environ, 'PYTHONPATH': str(ROOT), 'PATH':
                                      f'{Path(sys.executable).parent}:{os.environ["PATH"]}'})
            return Done(done.returncode, done.stdout, done.stderr)
        if arguments[1] == 'build':  # drawing 48 scenes takes too long
            arguments += ['--hold-out-frames', '1',
                          *(['--frames', '4'] if '--calibrate' in arguments else [])]
        if '--drive' in arguments:  # drawing three minutes of a drive takes too long
            arguments += ['--street', '3']
        if '--min-miou' in arguments:  # the network of this test is not trained
            arguments += ['--min-miou', '0']
        out, errors = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setenv('XDG_CACHE_HOME', str(self.folder / '.cache'))
            patch.setattr(sys, 'stdout', out)
            patch.setattr(sys, 'stderr', errors)
            code = main(arguments[1:-2] if into else arguments[1:])
        if into:
            (self.folder / into).write_text(out.getvalue(), encoding='utf-8')
        return Done(code, out.getvalue(), errors.getvalue())


@pytest.fixture(scope='module')
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the files that the pages use: recordings, pictures, networks, cards, a replay."""
    folder = tmp_path_factory.mktemp('material')
    subprocess.run([sys.executable, ROOT / 'docs/recipes/street_recording.py', folder],
                   check=True, env={**os.environ, 'PYTHONPATH': str(ROOT)})
    for name in ('day', 'night'):
        (folder / f'{name}.mcap').hardlink_to(folder / 'drive.mcap')
    write_picture_and_video(folder)
    (folder / 'models').mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmentation_networks, 'CLASSES', 10)
        network = segmentation_networks.lraspp()
    here = Page(ROOT, folder)
    for name in ('model', 'models/lraspp'):
        segmentation_networks.save(network, folder / f'{name}.onnx')
        assert here.run(f'trt_seg inspect {name}.onnx > {name}.yaml').code == 0
    assert here.run('trt_seg replay drive.mcap --model model.yaml --out golden').code == 0
    return folder


def write_picture_and_video(folder: Path) -> None:
    """Write the first frames of a drive as street.jpg and drive.mp4."""
    drive = Drive(5, width=320, height=192)
    frames = [drive.frame(index).image for index in range(6)]
    cv2.imwrite(str(folder / 'street.jpg'), frames[0])
    with VideoWriter(folder / 'drive.mp4', (192, 320), Fraction(10)) as video:
        for frame in frames:
            video.write(frame)


def test_the_recipe_draws_another_street_for_another_seed(tmp_path: Path) -> None:
    bags = []
    for seed in (7, 8):
        folder = tmp_path / 'new' / str(seed)
        printed = subprocess.run(
            [sys.executable, ROOT / 'docs/recipes/street_recording.py', folder, '--seed',
             str(seed)], check=True, env={**os.environ, 'PYTHONPATH': str(ROOT)},
            capture_output=True, text=True).stdout.splitlines()
        written = [str(path) for path in folder.rglob('*') if path.is_file()]
        assert sorted(printed) == sorted(written) and len(written) == 25
        bags.append((folder / 'drive.mcap').read_bytes())
    assert bags[0] != bags[1]


@pytest.fixture
def page(request: pytest.FixtureRequest, material: Path, tmp_path: Path) -> Page:
    """Make a checkout with the material and the YAML files that the page shows."""
    path: Path = request.param
    folder = tmp_path / 'checkout'
    shutil.copytree(material, folder, copy_function=os.link)
    for name in ('docs', 'resource', 'config'):
        (folder / name).symlink_to(ROOT / name)
    if '--out golden' in path.read_text(encoding='utf-8'):
        shutil.rmtree(folder / 'golden')
    for name in ('model.yaml', 'models/lraspp.yaml'):  # these are hard links, so write new files
        text = (folder / name).read_text(encoding='utf-8')
        (folder / name).unlink()
        (folder / name).write_text(text, encoding='utf-8')
    for block in blocks(path):
        save(block, folder)
    return Page(path, folder)


def save(block: Block, folder: Path) -> None:
    if block.saved_as:
        target = folder / block.saved_as
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text, encoding='utf-8')


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if any(block.language == language for block in blocks(page))]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def topics() -> set[str]:
    """Return this package's topics, and the camera topics that docs/your_camera.md lists."""
    text = (ROOT / 'docs' / 'your_camera.md').read_text(encoding='utf-8')
    return {'/clock', '/diagnostics', '/camera/image_raw',
            *re.findall(r'\| `(/[\w/]+)` \|', text)}


@pytest.mark.timeout(400)  # a busy machine needs more time
@pytest.mark.parametrize('page', pages_with('bash'), ids=named, indirect=True)
def test_commands(page: Page) -> None:
    printed = ''
    for block in blocks(page.path):
        save(block, page.folder)
        for command in block.commands:
            done = attempt(page, command, block.where)
            printed = done.out if done else ''
        if block.language == 'console':
            assert_shown(block, printed)


def attempt(page: Page, command: str, where: str) -> Done | None:
    """Run a command and assert success. Return None if the command cannot run here."""
    if any(re.match(pattern, command) for pattern in NOT_RUN):
        check_names(command, page.folder)
        return None
    if command.startswith(ONCE) and command in _ran:
        return None
    _ran.add(command)
    if command.startswith('trt_seg build') and not TENSORRT:
        return None
    if NEEDS_GPU.match(command) and not Path('/proc/driver/nvidia/version').exists():
        done = page.run(command)
        assert done.code == 2 and 'no NVIDIA GPU can be used here' in done.errors, where
        return None
    done = page.run(command)
    assert done.code == 0, f'{where}: {command}\n{done.out}\n{done.errors}'
    return done


def check_names(command: str, folder: Path) -> None:
    """Check the names in a command that does not run here."""
    if command.startswith('ros2 '):
        ros_commands.check(command, folder, topics())
    elif command.startswith('./dev '):
        name, *more = command.split()[1:]
        dev = (ROOT / 'dev').read_text(encoding='utf-8')
        assert re.search(rf'^  {name}\)', dev, re.MULTILINE), f'./dev has no {name}'
        if name == 'bench' and more[0].isidentifier():
            assert (ROOT / 'benchmarks' / f'{more[0]}.py').is_file(), command
    elif command.startswith('export ') and 'pkg prefix' in command:
        assert (ROOT / command.rpartition(')/')[2]).is_file(), command
    elif command.startswith('python docs/'):
        assert (ROOT / command.split()[1]).is_file()
        recipe = (ROOT / command.split()[1]).read_text(encoding='utf-8')
        for word in re.findall(r'(?<= )--[\w-]+', command):
            assert f"'{word}'" in recipe, f'{command}: no {word}'


@pytest.mark.parametrize('page', pages_with('python'), ids=named, indirect=True)
def test_python(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(page.folder)
    for block in blocks(page.path):
        if block.language == 'python':
            code = compile(block.text, block.where, 'exec')
            if not block.text.startswith('# with torch\n'):  # torch is not installed here
                exec(code, {})


@pytest.mark.parametrize('page', pages_with('yaml'), ids=named)
def test_yaml(page: Path) -> None:
    for block in blocks(page):
        if block.language != 'yaml':
            continue
        tree = workflow(block.text)
        assert tree, f'{block.where} is no mapping'
        # Nav2's parameters do not begin with /**
        if '/**' in tree:
            ros_commands.check_parameters(block.text)
        # only GitHub workflows have jobs, and YAML reads their key `on` as True
        for job in tree.get('jobs', {}).values():
            assert tree['name'] and tree[True] and job['runs-on'] and block.commands
            assert all(('uses' in step) != ('run' in step) for step in job['steps'])


def test_every_reason_has_a_command() -> None:
    found = [command for page in PAGES for block in blocks(page) for command in block.commands]
    idle = [pattern for pattern in NOT_RUN if not any(re.match(pattern, c) for c in found)]
    assert not idle and len(found) > 50
