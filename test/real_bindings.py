# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run programs with NVIDIA's real Python bindings of TensorRT, which ./dev installs.

Each version is in a folder of its own, outside the import path of the tests. A process can import
only one of them. The libraries of TensorRT are several gigabytes and are not here: libraries with
empty functions take their place, so no engine can be built or run. The lean runtime of TensorRT
11.4 is complete.
"""

from __future__ import annotations

import os
from pathlib import Path
import platform
import subprocess
import sys

import pytest
import stub_library

FOLDER = next((path for path in (Path(sys.prefix) / 'bindings',
                                 Path(__file__).parents[1] / '.venv' / 'bindings')
               if path.is_dir()), Path(sys.prefix) / 'bindings')
"""./dev makes this folder. Python may be that of .venv, or of .venv-gpu beside it."""
VERSIONS = ('10.3', '10.13', '11.4')
"""Versions of the bindings. JetPack 6 has TensorRT 10.3, and JetPack 7 has 10.13."""
LEAN = 'lean'


def module_of(version: str) -> str:
    """Return the name of the module that a version has."""
    return 'tensorrt_lean_bindings' if version == LEAN else 'tensorrt_bindings'


def why_not(version: str) -> str:
    """Return why there are no bindings of a version; empty if they must be here."""
    if sys.platform != 'linux' or platform.machine() != 'x86_64':
        return f'./dev installs bindings for Linux on x86_64, not for {platform.machine()}'
    if version == '10.3' and sys.version_info >= (3, 13):
        return 'NVIDIA has no bindings of TensorRT 10.3 for Python 3.13'
    if not FOLDER.is_dir() and not (Path(sys.prefix) / 'installed').exists():
        return f'./dev did not make the environment {sys.prefix}, so it has no bindings'
    return ''


def run(version: str, folder: Path, program: Path,
        *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process that can import the bindings of one version.

    The name of the module is the first argument of the program. Skip the test if this machine has
    no bindings of this version.

    :param folder: an empty folder for the libraries with empty functions.
    """
    if reason := why_not(version):
        pytest.skip(reason)
    place = FOLDER / version
    assert (place / module_of(version)).is_dir(), f'no bindings in {place}; run ./dev types'
    environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONPATH': os.pathsep.join(
        [str(place), str(Path(__file__).parents[1]), os.environ.get('PYTHONPATH', '')])}
    if version != LEAN:
        stub_library.write_libraries(folder, int(version.partition('.')[0]))
        environment['LD_LIBRARY_PATH'] = str(folder)
    return subprocess.run([sys.executable, program, module_of(version), *arguments],
                          env=environment, capture_output=True, text=True, timeout=60)
