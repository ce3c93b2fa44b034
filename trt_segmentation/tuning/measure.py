# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs processes that measure the candidates (sets of options of ONNX Runtime)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
import json
import os
import subprocess
import sys

from ..errors import EngineError
from ..model.card import ModelCard
from .candidates import CANDIDATES, Measured, PLAIN
from .open_candidate import choose_first
from .request import card_tree

LONGEST_S = 300.0
"""A process that measures candidates is ended after this many seconds."""

RunTrial = Callable[[str], tuple[str, str]]
"""A function with the parameter and the result of :func:`run_trial`."""


def run_trial(request: str) -> tuple[str, str]:
    """Run :mod:`.trial` in a new process, and wait for its end.

    :param request: the text for stdin.
    :returns: two texts: the text from stdout, and why the process failed. The second text is empty
        if the process did not fail.
    """
    path = os.pathsep.join(filter(None, sys.path))
    try:
        done = subprocess.run(
            [sys.executable, '-m', f'{__package__}.trial'], input=request, text=True,
            capture_output=True, check=False, timeout=LONGEST_S,
            env={**os.environ, 'PYTHONPATH': path})
    except subprocess.TimeoutExpired as late:
        text = late.stdout or b''
        return (text.decode() if isinstance(text, bytes) else text,
                f'its process needed more than {LONGEST_S:.0f} s')
    except OSError as error:
        return '', str(error)
    if not done.returncode:
        return done.stdout, ''
    lines = done.stderr.strip().splitlines()
    return done.stdout, (f'its process ended with status {done.returncode}'
                         + (f': {lines[-1][:300]}' if lines else ''))


def measure_candidates(card: ModelCard, gpu: int, run: RunTrial = run_trial) -> list[Measured]:
    """Measure the candidates on a GPU.

    A separate process measures the candidates. If this process ends too early, a new process
    measures the remaining candidates.

    :param gpu: index of the GPU in CUDA's order.
    :returns: one result for each candidate of :func:`.open_candidate.choose_first`, and then one
        result for the fastest of them with an exhaustive search of cuDNN algorithms. If the
        process ended during the exhaustive search, this last result is missing.
    :raises EngineError: if :data:`.candidates.PLAIN` cannot be measured.
    """
    left = [name for name in choose_first(card) if name != PLAIN]
    found: dict[str, Measured] = {}
    while left or not found:
        text, why = run(json.dumps({
            'card': card_tree(card), 'gpu': gpu, 'candidates': left,
            'known': [asdict(measured) for measured in found.values()]}))
        for measured in _read(text):
            found.setdefault(measured.name, measured)
        why = why or 'the trial gave no result'
        plain = found.get(PLAIN, Measured(PLAIN, failed=why))
        if plain.failed:
            raise EngineError(f'{card.model.name} cannot be measured: {plain.failed}')
        # If the process ended early, the first candidate without a result is the cause.
        for name in [name for name in left if name not in found][:1]:
            found[name] = Measured(name, failed=why)
        left = [name for name in left if name not in found]
    return list(found.values())


def _read(text: str) -> Iterable[Measured]:
    for line in text.splitlines():
        try:
            measured = Measured(**json.loads(line))
        except (ValueError, TypeError):     # from a library, or an incomplete line
            continue
        if measured.name in CANDIDATES:
            yield measured
