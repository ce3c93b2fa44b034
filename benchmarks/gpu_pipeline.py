# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the way from a 1080p image to label map and overlay on one GPU.

This package and other programs are measured. Each of them is called a way, and gpu_bench/rivals.py
lists their names. A factor compares the fastest other way with the fastest way of this package.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from gpu_bench import networks
from gpu_bench.agreement import measure_agreement
from gpu_bench.compiled import settings_of
from gpu_bench.kernels import measure_kernels
from gpu_bench.measure import need_gpu
from gpu_bench.rows import NetworkRows
from gpu_bench.variants import measure_variants
from report import FigureReport, run

HERE = Path(__file__).resolve().parent / 'gpu_bench'
MAIN = 'lraspp-fp16'
"""The network on which all ways and all variants are measured."""
SECONDS = '0.6'
LONGEST_S = 150
"""A process that needs more seconds is killed, and its rows are missing."""
STARTED = monotonic()
LAST = STARTED + 60 * float(os.environ.get('GPU_PIPELINE_MINUTES', 'inf'))
"""After this time nothing more is measured, so that a GPU is needed for a limited time only."""
FAMILIES = os.environ.get('GPU_PIPELINE_FAMILIES', ' '.join(networks.FAMILIES)).split()
"""Families of networks that are measured."""
BATCH_ONLY = os.environ.get('GPU_PIPELINE_BATCH_ONLY', '').split()
"""Families of which only batches of four images are measured, with every setting."""
OURS = ('ours', 'ours, cut')

Found = dict[str, dict[str, Any]]
"""Maps the name of each way to its result."""


def measure(report: FigureReport, quick: bool) -> None:
    """Measure all networks and kernels. The rows of a network begin with its name."""
    need_gpu()
    families = ['lraspp'] if quick else FAMILIES
    names = [f'{family}-fp16' for family in families]
    batches = [] if quick else [f'{family}-fp16-b4' for family in (*families, *BATCH_ONLY)]
    measured: dict[str, Found] = {}
    with TemporaryDirectory() as folder:
        os.environ['XDG_CACHE_HOME'] = folder       # every network is tuned in this run
        export(folder, [*names, *batches, *(f'{name}-argmax' for name in names
                                             if 'careful' in ways_of(name, quick))])
        # Batches use the fastest setting for one image. It is not known yet, so compile all.
        compile_all(folder, [(name, setting) for name in names for setting in settings_of(name)]
                    + [(name, setting) for name in batches for setting in settings_of(name)])
        for name in names:
            measured[name] = measure_network(folder, name, quick)
            NetworkRows(report, name, measured[name], name == MAIN).add()
        for name in batches:
            measure_batch(report, folder, name, measured.get(name.removesuffix('-b4'), {}))
        if not quick:
            measure_agreement(report)
        if not quick and MAIN in names:
            measure_variants(report, networks.card(Path(folder), MAIN), MAIN, 0.4)
    measure_kernels(report, quick)


def ways_of(name: str, quick: bool) -> list[str]:
    """Return the ways that are measured for a network of one image."""
    if quick:
        return ['alone', 'ours', 'article', f'compiled, {settings_of(name)[0]}']
    main, cuts = name == MAIN, networks.read_name(name).family in networks.ENLARGING
    return [*(['ours, cut', 'alone, cut', 'ours'] if cuts else ['ours', 'alone']),
            *(f'compiled, {setting}' for setting in settings_of(name)),
            *(['ours, cut, direct labels', 'two, cut', 'article'] if main else []),
            *(['untuned', 'pytorch', 'careful'] if cuts else [])]


def measure_network(folder: str, name: str, quick: bool) -> Found:
    tried = {way: measure_way(folder, name, way) for way in ways_of(name, quick)}
    return {way: found for way, found in tried.items() if found is not None}


def measure_batch(report: FigureReport, folder: str, name: str, single: Found) -> None:
    """Measure batches of four images with the ways that were best for one image.

    If no way was measured for one image, all ways are measured.
    """
    tried = {way: measure_way(folder, name, way)
             for way in (best_of(single) if single else ways_of_batch(name))}
    NetworkRows(report, name, {way: found for way, found in tried.items() if found}).add()


def best_of(single: Found) -> list[str]:
    """Return the fastest way of this package and the fastest way of compiled PyTorch."""
    compiled = [way for way in single if way.startswith('compiled')]
    return [min(ways, key=lambda way: float(single[way]['p50']))
            for ways in ([way for way in OURS if way in single], compiled) if ways]


def ways_of_batch(name: str) -> list[str]:
    """Return the ways that are measured for a batch if no way was measured for one image."""
    cuts = networks.read_name(name).family in networks.ENLARGING
    return ['ours, cut' if cuts else 'ours',
            *(f'compiled, {setting}' for setting in settings_of(name))]


def measure_way(folder: str, name: str, way: str) -> dict[str, Any] | None:
    """Measure a way in its own process. Return None if it failed. Then stderr says why."""
    text = script('rivals.py', way, folder, name, SECONDS)
    try:
        found: dict[str, Any] = json.loads(text.splitlines()[-1])
    except (IndexError, ValueError):
        return None
    sys.stderr.write(f'{monotonic() - STARTED:.0f} s: {name}: {way}: p50 {found["p50"]:.3f} ms, '
                     f'{found.get("rate", 0):.0f} frames/s\n')
    return found


def export(folder: str, names: list[str]) -> None:
    for done in start_all([[str(HERE / 'networks.py'), folder, name] for name in names]):
        done.wait()


def compile_all(folder: str, what: list[tuple[str, str]]) -> None:
    """Let PyTorch compile networks with settings in parallel, into its cache on disk."""
    for done in start_all([
            [str(HERE / 'rivals.py'), f'compiled, {setting}', folder, name, '0.01']
            for name, setting in what]):
        try:
            done.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            done.kill()


def start_all(commands: list[list[str]]) -> list[subprocess.Popen[bytes]]:
    """Start Python scripts that use few threads each."""
    few = {**os.environ, 'TORCHINDUCTOR_COMPILE_THREADS': '1', 'OMP_NUM_THREADS': '2'}
    return [subprocess.Popen([sys.executable, *command], env=few, stdout=subprocess.DEVNULL)
            for command in commands]


def script(name: str, *arguments: str) -> str:
    """Run a script of gpu_bench/ and return its output; empty if it failed."""
    if monotonic() > LAST:
        sys.stderr.write(f'not measured, because the time is over: {name} {" ".join(arguments)}\n')
        return ''
    try:
        done = subprocess.run([sys.executable, str(HERE / name), *arguments], text=True,
                              stdout=subprocess.PIPE, check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f'{name} {" ".join(arguments)} needed more than {LONGEST_S} s\n')
        return ''
    if done.returncode:
        sys.stderr.write(f'{name} {" ".join(arguments)} failed with status {done.returncode}\n')
        return ''
    return done.stdout


if __name__ == '__main__':
    run('The GPU pipeline, 1920×1080 bgr8 to label map and overlay', measure)
