# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Late frames are counted in a row, until a frame is in time."""

from trt_segmentation.serving.lateness import LateFrames, Lateness


def test_nothing_is_late_before_the_first_frame():
    assert Lateness().read(5.0) == LateFrames(0.0, 0, 0.0)


def test_late_frames_in_a_row_are_counted_since_the_last_frame_in_time():
    lateness = Lateness()
    lateness.count_published(10.0, 50.0, 100.0)
    assert lateness.read(10.4) == LateFrames(50.0, 0, 0.0)
    lateness.count_published(10.5, 101.0, 100.0)
    lateness.count_published(11.0, 150.0, 100.0)
    assert lateness.read(12.0) == LateFrames(150.0, 2, 2000.0)
    lateness.count_published(12.5, 100.0, 100.0)
    assert lateness.read(13.0) == LateFrames(100.0, 0, 0.0)


def test_an_answer_that_was_too_old_is_late():
    lateness = Lateness()
    lateness.count_published(1.0, 20.0, 100.0)
    lateness.count_too_old(1.5)
    lateness.count_too_old(2.0)
    assert lateness.read(2.0) == LateFrames(20.0, 2, 1000.0)


def test_if_no_frame_was_ever_in_time_the_first_late_frame_counts():
    lateness = Lateness()
    lateness.count_published(7.0, 500.0, 100.0)
    lateness.count_published(8.0, 500.0, 100.0)
    assert lateness.read(9.0) == LateFrames(500.0, 2, 2000.0)
