# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters about trust and time. A planner needs them to know when not to believe."""

from __future__ import annotations

from .setting import Setting, UNCONFIGURED

TRUST = (
    Setting('health', False, 'Whether the node measures the share of each class, the mean entropy '
            'and the low margin of every frame. It publishes them on ~/health and in the '
            'diagnostics.'),
    Setting('health_reference', '', 'Reference of the model, a file of `trt_seg eval '
            '--save-reference`. With a reference, `health` also measures the drift. If empty, the '
            'node uses the reference beside the model card, if there is one.', UNCONFIGURED),
    Setting('drift_frames', 60, 'The drift compares this many of the newest frames with the '
            'reference. The reference needs at least three times as many frames.', UNCONFIGURED,
            low=1, high=1000),
    Setting('drift_warn', 1.2, 'If the drift is above this number, ~/health and the diagnostics '
            'show WARN. Frames like the reference rarely have a drift above 1.', low=0.1,
            high=1000.0),
)
TIME = (
    Setting('max_age', 0.0, 'If an answer is older than this many seconds, the node does not '
            'publish it, and counts the frame as dropped. Age is the time since the stamp of the '
            'image, or since its arrival if the stamp comes from another clock. 0 means that '
            'every answer is published.', high=3600.0),
    Setting('late_frames', 0, 'After this many late frames in a row, diagnostics show ERROR. A '
            'frame is late if its latency is above `latency_warn_ms`, or if `max_age` dropped it. '
            '0 means no ERROR.', high=1000000),
    Setting('trace', False, 'Whether NVTX ranges mark the stages of every frame for Nsight '
            'Systems. This needs the Python package nvtx.', UNCONFIGURED),
)
