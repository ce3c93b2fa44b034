# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One process that asks the engine cache for an engine, and can be held up on the way.

    python -m faults.engine_starter FOLDER LOG HOLD MODEL

It says ``ready``, waits for a line, asks, and prints the plan's hash. ``HOLD`` is ``no``,
``build`` (within TensorRT's build, after it said ``building``) or ``write`` (with half of the
plan written, after it said ``writing``). Without MODEL the builder is a stand-in.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
import sys
import time

from trt_segmentation.builder.cache import EngineCache
from trt_segmentation.builder.engine_key import EngineKey
from trt_segmentation.engines.plan import Plan

KEY = EngineKey(
    model='a' * 64, precision='fp32', scales='', keep_fp16=(), shapes=(), options=(),
    backend='tensorrt_rtx', version='1.7', gpu='', arch='', driver='')


def say(word: str) -> None:
    """One line on standard output, now."""
    print(word, flush=True)


def stand_in() -> Plan:
    """No plan is the same as another, so that equal answers come from one build."""
    time.sleep(0.3)     # the others are asking by now
    return Plan(os.urandom(100_000))


def real(model: Path, hold: bool) -> Plan:
    """Built by TensorRT-RTX."""
    import onnx

    from trt_segmentation.builder.build import build_plan

    def progress(phase: str, done: int, steps: int) -> None:
        if hold:
            say('building')
            time.sleep(60)
    return build_plan(onnx.load(model), [], progress=progress)[0]


def main(folder: str, log: str, hold: str, model: str = '') -> None:
    """See the module."""
    def make() -> Plan:
        with open(log, 'a', encoding='utf-8') as file:
            file.write('built\n')
        return real(Path(model), hold == 'build') if model else stand_in()

    cache = EngineCache(folder)
    if hold == 'write':
        def hold_up(handle: int) -> None:
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
            say('writing')
            time.sleep(60)
        os.fsync = hold_up
    say('ready')
    sys.stdin.readline()
    say(cache.get(KEY, make, lambda plan: hashlib.sha256(plan.data).hexdigest()))


if __name__ == '__main__':
    main(*sys.argv[1:])
