# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The output of commands on an ASCII or narrow terminal, into a closed pipe or full disk."""

from __future__ import annotations

import os
from pathlib import Path
import re
import subprocess
import sys
from typing import Any

from networks import color_classifier
import numpy as np
import pytest
from recordings import image_messages, pictures, write_bag
from rich.console import Console

from trt_segmentation.accuracy.report import tabulate_conditions
from trt_segmentation.builder.cache import EngineCache

ROOT = Path(__file__).parents[2]
ASCII = [{'PYTHONIOENCODING': 'ascii'},
         {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}]


def start(folder: Path, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(('PYTHON', 'LC_', 'LANG'))}
    extra = more.pop('env', {})
    return subprocess.Popen(
        [sys.executable, '-m', 'trt_segmentation', *arguments], cwd=folder, **{
            'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **more,
            'env': {**environment, 'PYTHONPATH': str(ROOT), **extra}})


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a network, a card with class names outside ASCII, a bag, pictures and label maps."""
    import cv2
    folder = tmp_path_factory.mktemp('folder')
    color_classifier(folder / 'net.onnx', np.array([[0, 0, 0], [255, 0, 0]], np.uint8))
    (folder / 'net.yaml').write_text('model: net.onnx\nclasses: [Straße, 道]\n', encoding='utf-8')
    write_bag(folder / 'bag', image_messages(pictures(2)))
    EngineCache(folder / 'cache')
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    cv2.imwrite(str(folder / 'images' / 'a.png'), np.zeros((32, 32, 3), np.uint8))
    cv2.imwrite(str(folder / 'labels' / 'a.png'), np.zeros((32, 32), np.uint8))
    return folder


@pytest.mark.parametrize(('environment', 'command', 'shown'), [
    (0, 'inspect net.onnx', b'# input '), (1, 'doctor', b'\n                         -> '),
    (0, 'replay bag --model net.yaml --out {out}', b'2 of 2 frames'),
    (0, 'eval --model net.yaml --images images --labels labels', b'Stra\\xdfe'),
    (1, 'eval --model net.yaml --images images --labels labels', b'Stra\\xdfe'),
    (1, 'bench --model net.yaml --size 64x48 --cameras 1 --seconds 0.2 --out {out}',
     b'latency p50'), (1, 'cache list --folder cache', b'0 engines')])
def test_every_command_prints_ascii_on_an_ascii_terminal(
        folder: Path, tmp_path: Path, environment: int, command: str, shown: bytes) -> None:
    process = start(folder, *command.format(out=tmp_path / 'out').split(), env=ASCII[environment])
    out, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors.decode()
    assert shown in out and (out + errors).isascii()


def test_signs_have_an_ascii_form(folder: Path) -> None:
    process = start(folder, 'inspect', 'net.onnx', env=ASCII[0])
    assert b'x' in process.communicate(timeout=100)[0]
    plain = start(folder, 'inspect', 'net.onnx', env={'PYTHONIOENCODING': 'utf-8'})
    text = plain.communicate(timeout=100)[0].decode()
    assert '×' in text
    again = start(folder, 'inspect', 'net.onnx', env=ASCII[0])
    assert again.communicate(timeout=100)[0].decode('ascii') == text.replace('×', 'x')


@pytest.mark.parametrize('command', [
    'inspect net.onnx', 'doctor', 'eval --model net.yaml --images images --labels labels',
    'cache list --folder cache'])
def test_a_closed_pipe_ends_the_command(folder: Path, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(folder, *command.split(), stdout=writer)
    os.close(writer)
    errors = process.communicate(timeout=100)[1].decode()
    assert process.returncode == 141
    assert not re.search('Traceback|BrokenPipe|Exception ignored|error', errors)


def test_a_full_disk_is_one_line(folder: Path) -> None:
    if not Path('/dev/full').exists():
        pytest.skip('no /dev/full here')
    with open('/dev/full', 'wb') as full:
        process = start(folder, 'inspect', 'net.onnx', stdout=full)
    errors = process.communicate(timeout=100)[1].decode()
    assert process.returncode == 2
    assert errors.count('\n') == 1 and 'No space left on device' in errors


class Tallied:
    """Figures with as many digits as possible."""

    images = 100000


class Accuracy:
    conditions = ('night in the rain',)
    precisions = ('mixed',)

    def scores(self, *_: object) -> object:
        class Scores:
            mean_iou = 0.8958
        return Scores()

    def boundary_iou(self, *_: object) -> float:
        return 0.6755

    def totals(self, *_: object) -> Tallied:
        return Tallied()

    def agreement(self, *_: object) -> float:
        return 1.0


def test_figures_are_whole_on_a_narrow_terminal() -> None:
    console = Console(width=60)
    with console.capture() as captured:
        console.print(tabulate_conditions(Accuracy()))  # type: ignore[arg-type]
    text = captured.get()
    for figure in ('100000', '100.0000%', '0.8958', '0.6755', 'boundary'):
        assert f' {figure} ' in text
    assert '…' not in text
