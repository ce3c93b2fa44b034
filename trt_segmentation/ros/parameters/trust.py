# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters for the health of the results, for late results, and for tracing."""

from __future__ import annotations

from ...trust.drift import WINDOW
from .setting import Setting, UNCONFIGURED

TRUST = (
    Setting('health', False, 'Whether the node measures the share of each class, the mean entropy '
            'and the margin of each frame; docs/trust.md explains these figures. The node '
            'publishes the figures on ~/health and in the diagnostics.'),
    Setting('health_reference', '', 'Path of the reference: a file with the figures of the frames '
            'on which the model was evaluated. `trt_seg eval --save-reference` writes this file. '
            'If there is a reference and `health` is true, the node also measures the drift. The '
            'drift says how much the newest frames differ from the reference. If empty, '
            'the node looks for a reference beside the model card.', UNCONFIGURED),
    Setting('drift_frames', WINDOW, 'Number of the newest frames that are compared with the '
            'reference. The reference must have at least three times as many frames.',
            UNCONFIGURED, low=1, high=1000),
    Setting('drift_warn', 1.2, 'If the drift is above this number, ~/health and the diagnostics '
            'show WARN. If the frames are like the reference, the drift is rarely above 1.',
            low=0.1, high=1000.0),
)
TIME = (
    Setting('max_age', 0.0, 'If a result is older than this many seconds, the node does not '
            'publish the result, and counts the frame as dropped. The age is the time since the '
            'stamp of the image. If the stamp comes from another clock, the age is the time '
            'since the image was received. 0 means that every result is published.', high=3600.0),
    Setting('late_frames', 0, 'After this many consecutive late frames, diagnostics show ERROR. A '
            'frame is late if its latency is above `latency_warn_ms`, or if it was dropped '
            'because of `max_age`. 0 means no ERROR.', high=1000000),
    Setting('trace', False, 'Whether the node marks the stages of each frame with NVTX ranges, '
            'which the profiler Nsight Systems shows. This needs the Python package nvtx.',
            UNCONFIGURED),
)
