# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run a step of the self-test in its own process, and collect its result and its log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
from time import monotonic
from typing import Any

OK, FAILED, CANNOT_RUN = 'ok', 'FAILED', 'cannot run'
"""The statuses of a step. ``cannot run`` is not a failure: this machine lacks something that the
step needs."""

LONGEST_S = 3600.0
"""A step is stopped after this many seconds. A TensorRT build can take many minutes."""
LONGEST_LOG = 1 << 20
"""Largest number of bytes of a log. The middle of a longer log is left out."""


@dataclass(frozen=True)
class StepResult:
    """The result of a step.

    :param status: :data:`OK`, :data:`FAILED` or :data:`CANNOT_RUN`.
    :param why: why the step failed or cannot run.
    :param found: the values that the step found. After an error, some values may be missing.
    :param log: everything that the process printed, with the traceback of an error.
    """

    name: str
    status: str
    why: str = ''
    seconds: float = 0.0
    found: Mapping[str, Any] = field(default_factory=dict)
    log: str = ''


def run_step(name: str, request: Mapping[str, Any], folder: Path,
             longest_s: float = LONGEST_S) -> StepResult:
    """Run a step in a new process, and wait for its end.

    :param name: a key of :data:`.step.STEPS`.
    :param request: more entries for the request of the step, such as ``gpu``.
    :param folder: folder for temporary files. A step may also write a picture to this folder.
    """
    answer, log = folder / f'{name}.json', folder / f'{name}.txt'
    asked = {**request, 'step': name, 'answer': str(answer), 'folder': str(folder),
             'seconds': longest_s}
    began = monotonic()
    with log.open('wb') as output:
        why = _run(json.dumps(asked), output, longest_s)
    seconds = round(monotonic() - began, 1)
    text = _shorten(log.read_bytes()).decode('utf-8', errors='replace')
    found = {}
    try:
        found = json.loads(answer.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        why = why or 'the process gave no result'
    if why:
        return StepResult(name, FAILED, _last_error(text, why), seconds, found, text)
    return StepResult(name, *_judge(found), seconds, found, text)


def _run(request: str, output: Any, longest_s: float) -> str:
    path = os.pathsep.join(filter(None, sys.path))
    package = __package__ or ''
    try:
        done = subprocess.run(
            [sys.executable, '-X', 'faulthandler', '-m', f'{package}.step'], input=request,
            text=True, stdout=output, stderr=subprocess.STDOUT, check=False, timeout=longest_s,
            env={**os.environ, 'PYTHONPATH': path, 'PYTHONUNBUFFERED': '1'})
    except subprocess.TimeoutExpired:
        return f'the step needed more than {longest_s:.0f} s and was stopped'
    except OSError as error:
        return f'the process did not start: {error}'
    if done.returncode < 0:
        number = -done.returncode
        names = {one.value: one.name for one in signal.Signals}
        return f'the process was ended by {names.get(number, f"signal {number}")}'
    return f'the process ended with status {done.returncode}' if done.returncode else ''


def _last_error(log: str, why: str) -> str:
    if 'status 1' not in why:       # a signal or a timeout says more than an older traceback
        return why
    lines = [line for line in log.splitlines() if line and not line[0].isspace()]
    return lines[-1] if lines and 'Traceback (most recent call last)' in log else why


def _judge(found: Mapping[str, Any]) -> tuple[str, str]:
    errors = [check for check in found.get('checks', ()) if check['status'] == 'error']
    if errors:
        return FAILED, '; '.join(f'{check["name"]}: {check["text"]}' for check in errors)
    trial = found.get('trial')
    if trial is None:
        return OK, ''
    if trial['why_not']:
        if trial['wrong'] or not trial['good']:
            return FAILED, trial['wrong'] or trial['why_not']
        if not found['why_not']:
            return FAILED, ('everything that this engine needs is installed, but the engine '
                            f'cannot be opened: {trial["why_not"]}')
        return CANNOT_RUN, found['why_not']
    return (FAILED, trial['wrong']) if trial['wrong'] else (OK, '')


def _shorten(log: bytes) -> bytes:
    if len(log) <= LONGEST_LOG:
        return log
    half = LONGEST_LOG // 2
    return (log[:half] + f'\n… {len(log) - 2 * half} bytes are left out …\n'.encode()
            + log[-half:])
