# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The reasons why a frame gets no segmentation. The counters and the frame log use these texts."""

SUPERSEDED = 'superseded'
"""A newer frame of the same camera came while this frame waited."""

BAD_FRAME = 'bad frame'
"""The message does not hold an image that can be read."""

ENGINE_ERROR = 'engine error'
"""The engine, which runs the network, failed on the frame's batch."""

ENGINE_DOWN = 'engine down'
"""The engine is waiting after a failure, is being reopened, or is lost."""

OUT_OF_MEMORY = 'out of memory'
"""The system had too little free memory for the frame."""

INTERNAL_ERROR = 'internal error'
"""An unexpected exception, which is a bug."""

DEACTIVATED = 'deactivated'
"""The node was deactivated, or shut down, before the frame could be published."""

TOO_OLD = 'too old'
"""When the result was ready, it was older than the parameter ``max_age`` allows."""

NO_BUFFER = 'no free buffer'
"""Every buffer of the camera's subscription already held a frame, or too many packets of a
video already waited."""

TAKE_ERROR = 'take error'
"""The middleware could not deliver the message."""
