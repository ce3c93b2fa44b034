# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A process that asks the engine cache for an engine. A test can make it pause.

    python -m faults.engine_starter FOLDER LOG HOLD MODEL

The process prints ``ready``, waits for a line, asks the cache and prints the plan's hash. HOLD is
``no``, ``build`` or ``write``. With ``build`` the process prints ``building`` and sleeps during
TensorRT's build. With ``write`` it writes half of the plan, prints ``writing`` and sleeps.
Without MODEL the plan is random bytes.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
import sys
import time
from typing import Any

from trt_segmentation.builder.cache import EngineCache
from trt_segmentation.builder.engine_key import EngineKey
from trt_segmentation.engines.plan import Plan

KEY = EngineKey(
    model='a' * 64, precision='fp32', scales='', keep_fp16=(), shapes=(), options=(),
    backend='tensorrt_rtx', version='1.7', gpu='', arch='', driver='')


def say(word: str) -> None:
    print(word, flush=True)


def random_plan() -> Plan:
    """Return random bytes. If two processes print equal hashes, they share one build."""
    time.sleep(0.3)     # the other processes ask during this time
    return Plan(os.urandom(100_000))


def built_plan(model: Path, hold: bool) -> Plan:
    """Build the model with TensorRT-RTX. If ``hold``, sleep during the build."""
    import onnx

    from trt_segmentation.builder.build import build_plan

    def progress(phase: str, done: int, steps: int) -> None:
        if hold:
            say('building')
            time.sleep(60)
    return build_plan(onnx.load(model), [], progress=progress)[0]


def main(folder: str, log: str, hold: str, model: str = '') -> None:
    def make() -> Plan:
        with open(log, 'a', encoding='utf-8') as file:
            file.write('built\n')
        return built_plan(Path(model), hold == 'build') if model else random_plan()

    cache = EngineCache(folder)
    if hold == 'write':
        def hold_up(fd: Any) -> None:
            os.ftruncate(fd, os.fstat(fd).st_size // 2)
            say('writing')
            time.sleep(60)
        os.fsync = hold_up
    say('ready')
    sys.stdin.readline()
    say(cache.get(KEY, make, lambda plan: hashlib.sha256(plan.data).hexdigest()))


if __name__ == '__main__':
    main(*sys.argv[1:])
