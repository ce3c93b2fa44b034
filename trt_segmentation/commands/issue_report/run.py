# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run every step of the self-test, and write the report as one zip file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from io import BytesIO
import json
from pathlib import Path
import sys
import tempfile
from typing import Any
import zipfile

from ...engines import ENGINES
from ...errors import OutputError
from ...untrusted.output_files import check_file, KEY, MARKER, write_file
from ...untrusted.terminal_text import printable
from ..doctor.options import DoctorOptions
from .private_text import words_of_this_machine
from .report_text import report_text
from .step_process import CANNOT_RUN, FAILED, OK, run_step, StepResult

OPTION = '--out'
STEP_NAMES = ('machine', 'checks', *reversed(ENGINES[1:]))
"""Names of the steps that always run, in their order. The CPU engine runs before the GPU engines.
The step ``memory`` runs after these steps, but only if an engine ran on a GPU that shares its
memory with the CPU."""
README, TEXT, JSON, PLAN = 'README.txt', 'report.txt', 'report.json', 'plan.txt'
"""Names of the first files in the zip. The logs and the pictures follow these files."""

_README = f"""{KEY}: {MARKER}
`trt_seg doctor --selftest --out` wrote this file for an issue of trt_segmentation.

report.txt     the whole result in short; read this file first
report.json    all results and facts, for programs
plan.txt       the kernels of the TensorRT plan, if a plan was built
logs/*.txt     what each step of the self-test printed, with the traceback of each error
*.png          drawn scenes that an engine labelled differently from the CPU

The self-test uses only the demo model and drawn street scenes. No network, image, recording or
parameter file of yours is in this zip. report.json has a few environment variables, such as
CUDA_VISIBLE_DEVICES and LD_LIBRARY_PATH. No other variables are in this zip. If a text has the
name of your user or your host, or a password from an environment variable, a word such as <user>
or <host> replaces it. Very short names, and names that many machines have, such as ubuntu, stay.
A path outside the system folders is replaced by <path>. If the path names a Python file or a
shared library, the file name stays. Read the text files before you publish them.
"""


def write_report(options: DoctorOptions) -> int:
    """Run the steps of the self-test, write the zip to ``options.out``, and print the result.

    :returns: the exit code: 1 if a step failed, else 0. A step that cannot run on this machine has
        not failed.
    :raises OutputError: if the name does not end in .zip, if the zip would replace a file of the
        user, or if the zip cannot be written.
    """
    assert options.out is not None
    if options.out.suffix != '.zip':
        raise OutputError(f'{OPTION} {options.out}: the report is a zip file. Give a name that '
                          'ends in .zip, such as report.zip')
    check_file(options.out, OPTION)
    words = words_of_this_machine()
    with tempfile.TemporaryDirectory(prefix='trt_seg-') as folder:
        steps = [replace(step, why=words.hide(step.why), found=words.hide_all(step.found),
                         log=words.hide(step.log))
                 for step in run_steps(options.gpu, Path(folder))]
        pictures = {path.name: path.read_bytes() for path in sorted(Path(folder).glob('*.png'))}
    when = datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC')
    tree = {'written': when, 'gpu': options.gpu, 'steps': [
        {'name': step.name, 'status': step.status, 'why': step.why, 'seconds': step.seconds,
         'found': {name: value for name, value in step.found.items() if name != 'plan_text'}}
        for step in steps]}
    text = report_text(steps, when)
    write_file(options.out, pack(steps, text, tree, pictures), OPTION)
    print(json.dumps(tree, indent=1) if options.json else printable(text))
    print(f'→ {printable(str(options.out))}. Attach this file to your issue. README.txt '
          'in this file explains the content', file=sys.stderr)
    return 1 if any(step.status == FAILED for step in steps) else 0


def run_steps(gpu: int, folder: Path) -> list[StepResult]:
    """Run the steps one after the other, with temporary files in a folder."""
    results: dict[str, StepResult] = {}
    for name in STEP_NAMES:
        results[name] = _run_and_tell(name, {'gpu': gpu}, folder)
    results['memory'] = _compare_memory(results, gpu, folder)
    return list(results.values())


def _run_and_tell(name: str, request: Mapping[str, Any], folder: Path) -> StepResult:
    wait = ' (may take minutes)' if name == 'tensorrt' else ''
    print(f'self-test: {name}{wait}', file=sys.stderr)
    result = run_step(name, request, folder)
    print(f'self-test: {name}: {result.status}', file=sys.stderr)
    return result


def _compare_memory(results: Mapping[str, StepResult], gpu: int, folder: Path) -> StepResult:
    gpus = results['machine'].found.get('gpu', {}).get('gpus', [])
    if not (0 <= gpu < len(gpus) and gpus[gpu]['integrated']):
        return StepResult('memory', CANNOT_RUN, 'this step needs a GPU that shares its memory '
                          'with the CPU, as on a Jetson')
    engine = next((name for name in ENGINES[1:-1] if results[name].status == OK), '')
    if not engine:
        return StepResult('memory', CANNOT_RUN, 'no engine runs on this GPU')
    return _run_and_tell('memory', {'gpu': gpu, 'engine': engine}, folder)


def pack(steps: Sequence[StepResult], text: str, tree: Mapping[str, Any],
         pictures: Mapping[str, bytes]) -> bytes:
    """Return the bytes of the zip.

    README.txt is the first file and is not compressed. So :func:`.output_files.check_file` finds
    the marker in README.txt, which shows that trt_segmentation wrote the zip.
    """
    files: dict[str, str | bytes] = {
        README: _README, TEXT: text + '\n',
        JSON: json.dumps({KEY: MARKER, **tree}, indent=1) + '\n'}
    for step in steps:
        if 'plan_text' in step.found:
            files[PLAN] = step.found['plan_text'] + '\n'
        if step.log:
            files[f'logs/{step.name}.txt'] = step.log
    data = BytesIO()
    with zipfile.ZipFile(data, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, **pictures}.items():
            # ZipInfo gives each file a fixed date, which does not show the user's time zone.
            archive.writestr(zipfile.ZipInfo(name), content,
                             zipfile.ZIP_STORED if name == README else zipfile.ZIP_DEFLATED)
    return data.getvalue()
