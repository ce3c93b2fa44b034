# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""ThrottledLog writes an error that every frame causes only once in a period."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from trt_segmentation.errors import EngineError, FrameError
from trt_segmentation.serving import throttled_log
from trt_segmentation.serving.drop_reasons import (
    BAD_FRAME,
    ENGINE_ERROR,
    INTERNAL_ERROR,
    OUT_OF_MEMORY,
)
from trt_segmentation.serving.throttled_log import ThrottledLog


def test_each_kind_of_each_camera_is_logged_once_in_a_period(
        monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(throttled_log, 'time', SimpleNamespace(monotonic=lambda: now))
    lines: list[str] = []
    log = ThrottledLog(SimpleNamespace(warning=lines.append, error=lines.append), lambda: 5.0)
    for now in (0.0, 4.0, 5.0):
        log('front', BAD_FRAME, FrameError(f'at {now}'))
    log('rear', BAD_FRAME, FrameError('another camera'))
    log('', ENGINE_ERROR, EngineError('no camera'))
    assert lines == ['camera front: bad frame: at 0.0', 'camera front: bad frame: at 5.0',
                     'camera rear: bad frame: another camera', 'engine error: no camera']


def test_lack_of_memory_is_no_bug_and_the_line_says_what_to_do() -> None:
    lines: list[str] = []
    log = ThrottledLog(SimpleNamespace(warning=lines.append), lambda: 0.0)
    for text in ('', 'Unable to allocate 6 GiB'):
        log('front', OUT_OF_MEMORY, MemoryError(text))
    for line, told in zip(lines, ('', ': Unable to allocate 6 GiB'), strict=True):
        assert line == (
            f'camera front: out of memory: the system has too little free memory{told}; end other '
            'programs, or use smaller images, fewer cameras or a smaller network')


def test_a_bug_is_logged_with_its_traceback() -> None:
    lines: list[str] = []
    log = ThrottledLog(SimpleNamespace(error=lines.append), lambda: 5.0)
    try:
        raise ZeroDivisionError('nobody expected it')
    except ZeroDivisionError as error:
        log('', INTERNAL_ERROR, error)
    assert 'test_throttled_log.py' in lines[0] and 'ZeroDivisionError: nobody' in lines[0]
