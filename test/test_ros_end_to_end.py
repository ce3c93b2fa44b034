# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/ros_end_to_end.py divides the latency of each label map into three parts."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

from ros_end_to_end import latencies

SENT = 1_700_000_000_000_000_000
FRAME_LOG: list[dict[str, Any]] = [
    {'stamp_ns': None, 'done_ns': 1, 'dropped': 'take error'},
    {'stamp_ns': SENT, 'done_ns': 1, 'timings': {'age': 9.0, 'publish': 2.0, 'total': 6.5}},
    {'stamp_ns': SENT + 1, 'done_ns': 1, 'dropped': 'superseded'},
    {'stamp_ns': SENT + 2, 'done_ns': 1, 'timings': {'age': 20.0, 'publish': 0.5, 'total': 8.5}}]


def test_the_parts_belong_to_one_frame_and_add_up() -> None:
    """The result is in the order of arrival. The log may have another order."""
    found = latencies([(SENT + 2, SENT + 2 + 21_250_000), (SENT, SENT + 12_000_000)], FRAME_LOG)
    assert [(one.whole, one.to_node, one.in_node, one.to_subscriber, one.total)
            for one in found] == [(21.25, 12.0, 8.0, 1.25, 8.5), (12.0, 4.5, 4.5, 3.0, 6.5)]
    assert all(one.to_node + one.in_node + one.to_subscriber == one.whole for one in found)


@pytest.mark.parametrize('stamp', [SENT + 1, SENT + 3])
def test_a_label_map_the_node_did_not_log_is_an_error(stamp: int) -> None:
    with pytest.raises(ValueError, match=f'stamp {stamp}, but none of the 2 segmented frames'):
        latencies([(stamp, stamp + 1)], FRAME_LOG)
