# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Example frames are like the newest frames of a worker, and a wait ends with a batch."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from serving.doubles import FakeCamera, FakeImage, TIMEOUT

from trt_segmentation.exchange.live_frames import LiveFrames
from trt_segmentation.frame import Frame, Wanted
from trt_segmentation.serving.job import Job
from trt_segmentation.viewport import Viewport

LABELS, OVERLAY = Wanted(), Wanted(overlay=True)


def job(camera: str, frame: Frame, wanted: Wanted = LABELS) -> Any:
    image = FakeImage()
    return Job(FakeCamera(camera), image, image.header, frame, wanted, 0.0, 0.0)


def frame(height: int, width: int, step: int, **fields: Any) -> Frame:
    return Frame(np.zeros(height * step, np.uint8), 'bgr8', height, width, step, **fields)


def test_examples_have_the_newest_layout_of_each_camera() -> None:
    live, viewport = LiveFrames(), Viewport(2, 4)
    live.note_batch([job('a', frame(4, 4, 12))])
    live.note_batch([job('a', frame(2, 4, 16, viewport=viewport)),
                     job('b', frame(6, 2, 6, is_bigendian=True, stamp_ns=5))])
    (one, wanted), (two, again) = live.make_examples()
    assert wanted == again == LABELS and len(one) == 1 and one == two[:1]
    assert [(f.encoding, f.height, f.width, f.step, f.is_bigendian, f.viewport, f.data.size)
            for f in two] == [('bgr8', 2, 4, 16, False, viewport, 28),
                              ('bgr8', 6, 2, 6, True, None, 36)]
    assert len(set(two[0].data.tolist())) > 10


def test_there_is_an_example_for_each_combination_of_outputs() -> None:
    live = LiveFrames()
    for wanted in (LABELS, OVERLAY, LABELS):
        live.note_batch([job('a', frame(4, 4, 12), wanted)])
    assert {wanted for _, wanted in live.make_examples()} == {LABELS, OVERLAY}
    assert len(live.make_examples()) == 2


def test_without_frames_there_are_no_examples() -> None:
    assert LiveFrames().make_examples() == []


def test_a_wait_ends_with_the_next_batch_and_not_with_an_old_one() -> None:
    live = LiveFrames()
    batch = [job('a', frame(4, 4, 12))]
    live.note_batch(batch)
    assert not live.wait_for_batch_end(0.01)
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(live.wait_for_batch_end(TIMEOUT)))
    thread.start()
    while thread.is_alive():
        live.note_batch(batch)
        thread.join(0.002)
    assert results == [True]
