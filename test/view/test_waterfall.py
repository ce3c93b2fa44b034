# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""FrameTime divides the time of a frame into steps, and typical_steps gives the mean."""

import pytest

from trt_segmentation.view.waterfall import format_ms, FrameTime, typical_steps

NODE = {'preprocess': 2.0, 'inference': 50.0, 'postprocess': 8.0, 'wait': 3.0, 'decode': 1.0,
        'publish': 4.0, 'total': 70.0, 'age': 75.0}


def test_steps_are_in_order_and_add_up_to_the_whole_time():
    frame = FrameTime(0, NODE, 85.0)
    assert list(frame.steps().items()) == [
        ('camera to node', 9.0), ('wait', 3.0), ('decode', 1.0), ('preprocess', 2.0),
        ('inference', 50.0), ('postprocess', 8.0), ('other', 2.0), ('publish', 4.0),
        ('node to subscriber', 6.0)]
    assert frame.end_to_end_ms == 85.0


def test_a_subscriber_may_have_the_label_map_before_the_overlay_is_published():
    steps = FrameTime(0, NODE, 77.5).steps()
    assert (steps['publish'], steps['node to subscriber']) == (2.5, 0.0)
    assert FrameTime(0, NODE, 77.5).end_to_end_ms == 77.5


def test_without_a_subscriber_the_last_step_is_publish():
    assert FrameTime(0, NODE).end_to_end_ms == 79.0
    assert 'node to subscriber' not in FrameTime(0, NODE).steps()


def test_a_pipeline_without_a_node_has_only_its_stages():
    frame = FrameTime(0, {'inference': 5.0, 'upload': 1.0, 'total': 7.0})
    assert list(frame.steps().items()) == [('upload', 1.0), ('inference', 5.0), ('other', 1.0)]


def test_a_clock_that_is_ahead_gives_no_negative_step():
    steps = FrameTime(0, {**NODE, 'age': 60.0}, 50.0).steps()
    assert min(steps.values()) == 0.0 and steps['camera to node'] == 0.0


def test_a_typical_frame_is_the_mean_of_the_middle_tenth():
    def frame(ms):
        return FrameTime(0, {'inference': ms, 'total': ms + 1})

    frames = [frame(float(ms)) for ms in (*range(40), 1000)]
    assert typical_steps(frames) == {'inference': 20.0, 'other': 1.0}
    assert typical_steps(frames[:1]) == {'inference': 0.0, 'other': 1.0}
    assert typical_steps(frames[:2]) == {'inference': 0.5, 'other': 1.0}


def test_no_frames_have_no_typical_frame():
    with pytest.raises(ValueError, match='no latencies'):
        typical_steps([])


def test_a_short_time_has_more_digits():
    assert [format_ms(ms) for ms in (0.0384, 0.99, 1.28, 10.84)] == ['0.04', '0.99', '1.3', '10.8']
