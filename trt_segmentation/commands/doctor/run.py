# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run every check of ``trt_seg doctor`` and print the results.

Each check imports the checked package inside a function. So ``trt_seg doctor`` works even if a
package is missing or broken.
"""

from __future__ import annotations

import json
import sys

from ...engines.nvidia_driver import ask_driver, Driver
from .check import Check, ERROR
from .choice import choose_engine, EngineChoice
from .libraries import base_packages, cuda_python, onnx_runtime, tensorrt, tools, video
from .machine import driver, gpus, python, receive_buffer, shared_memory
from .memory_choice import try_memory
from .middleware import dds_profile, distro, rmw
from .options import DoctorOptions
from .package_set import advise_faster
from .selftest import Trial, try_engines


def run_doctor(options: DoctorOptions) -> int:
    """Examine this machine and print the results.

    :returns: the exit code: 0 if images can be segmented on this machine, or 1 if a required part
        is missing or broken.
    """
    found = ask_driver()
    checks, choice = examine(found, options.gpu), choose_engine(found, options.gpu)
    trials: list[Trial] = []
    memory = ''
    if not options.json:
        for check in checks:
            print(check)
    if options.selftest and not _is_wrong(checks):
        trials = try_engines(options.gpu, _print_progress)
        memory = try_memory(found, options.gpu, trials, _print_progress)
        choice = EngineChoice({trial.engine: trial.why_not for trial in trials})
    if options.json:
        print(json.dumps({
            'usable': not _is_wrong(checks, trials), 'auto': choice.taken, 'why': choice.why,
            'faster': _advise(checks, found, choice, options.gpu),
            'checks': [check.tree() for check in checks],
            'selftest': [trial.tree() for trial in trials], 'memory': memory}, indent=1))
    else:
        print(f'\nengine auto uses {choice.taken or "none"}: {choice.why}')
        for trial in trials:
            print(trial)
        if memory:
            print(memory)
        if options.selftest and not trials:
            print('no self-test, because a required part is missing or broken')
        print(_advise(checks, found, choice, options.gpu))
    return 1 if _is_wrong(checks, trials) else 0


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr)


def examine(found: Driver, gpu: int) -> list[Check]:
    """Run all checks that need no open engine."""
    return [python(), *base_packages(), driver(found), *gpus(found), tensorrt(found, gpu),
            onnx_runtime(found, gpu), cuda_python(found), video(), tools(), distro(), rmw(),
            dds_profile(), shared_memory(), receive_buffer()]


def _advise(checks: list[Check], found: Driver, choice: EngineChoice, gpu: int) -> str:
    wrong = [check for check in checks if check.status == ERROR]
    if wrong:
        repairs = dict.fromkeys(check.run for check in wrong if check.run)
        return f'repair first: {", ".join(repairs) or ", ".join(check.name for check in wrong)}'
    return advise_faster(found, choice, gpu)


def _is_wrong(checks: list[Check], trials: list[Trial] = []) -> bool:  # noqa: B006
    return (any(check.status == ERROR for check in checks)
            or any(not trial.is_good for trial in trials))
