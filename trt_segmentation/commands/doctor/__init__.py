# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg doctor``: what is here, what is wrong, what to run; standard library only.

What is examined is imported inside the function that examines it, so that the doctor still
speaks where the very package it asks about is missing or broken.
"""

from __future__ import annotations

import json
import sys

from ...engines.nvidia_driver import ask_driver
from .check import Check, ERROR, OK
from .choice import choose, EngineChoice
from .libraries import base_packages, cuda_python, onnx_runtime, tensorrt, tools
from .machine import driver, gpus, python, receive_buffer, shared_memory
from .middleware import dds_profile, distro, rmw
from .selftest import Trial, try_engines


def run_doctor(with_selftest: bool = False, as_json: bool = False, gpu: int = 0) -> int:
    """Examine this machine and print what was found.

    :param gpu: the GPU that engines would be opened on.
    :returns: 0 where images can be segmented here, 1 where something needed is wrong.
    """
    checks, choice = examine(gpu)
    trials: list[Trial] = []
    if not as_json:
        for check in checks:
            print(check)
    if with_selftest and not _wrong(checks):
        trials = try_engines(gpu, lambda line: print(line, file=sys.stderr))
        choice = EngineChoice({trial.engine: trial.why_not for trial in trials})
    if as_json:
        print(json.dumps({
            'usable': not _wrong(checks, trials), 'auto': choice.taken, 'why': choice.why,
            'checks': [check.tree() for check in checks],
            'selftest': [trial.tree() for trial in trials]}, indent=1))
    else:
        print(f'\nengine auto takes {choice.taken or "none"}: {choice.why}')
        for trial in trials:
            print(trial)
        if with_selftest and not trials:
            print('no self-test while something needed is wrong')
    return 1 if _wrong(checks, trials) else 0


def examine(gpu: int = 0) -> tuple[list[Check], EngineChoice]:
    """Everything that can be told without opening an engine."""
    found = ask_driver()
    libraries = [tensorrt(found, gpu), onnx_runtime(found), cuda_python(found), tools()]
    return [python(), *base_packages(), driver(found), *gpus(found), *libraries, distro(), rmw(),
            dds_profile(), shared_memory(), receive_buffer()], choose(found, gpu)


def _wrong(checks: list[Check], trials: list[Trial] = []) -> bool:  # noqa: B006
    return (any(check.status == ERROR for check in checks)
            or any(not trial.good for trial in trials))


__all__ = ['ERROR', 'OK', 'Check', 'EngineChoice', 'Trial', 'examine', 'run_doctor']
