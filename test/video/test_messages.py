# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""parse_video reads both message types that carry packets, and refuses broken messages."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from recordings import FIRST
from video_bags import FFMPEG, FOXGLOVE, NEW_FOXGLOVE, STEP, video_message

from trt_segmentation.errors import FrameError
from trt_segmentation.video.messages import parse_video, VIDEO_TYPES


@pytest.mark.parametrize('little_endian', [True, False])
@pytest.mark.parametrize('frame_id', ['', 'a', 'left_optical'])
@pytest.mark.parametrize('written', [FOXGLOVE, NEW_FOXGLOVE, FFMPEG])
def test_fields_are_read(written, frame_id, little_endian):
    read_as = FOXGLOVE if written == NEW_FOXGLOVE else written
    data = video_message(written, 3, bytes(range(7)), 'h265', frame_id, little_endian)
    message = parse_video(np.frombuffer(data, np.uint8), read_as)
    assert (message.stamp_ns, message.frame_id) == (FIRST + 3 * STEP, frame_id)
    assert (message.format, message.data) == ('h265', bytes(range(7)))


@pytest.mark.parametrize('msgtype', VIDEO_TYPES)
def test_a_message_that_is_cut_off_names_the_field(msgtype):
    data = np.frombuffer(video_message(msgtype, 3, bytes(range(7)), 'h265'), np.uint8)
    for size in range(data.size - 3):     # up to 3 bytes of padding may be missing
        with pytest.raises(FrameError, match=r'needs \d+ bytes from byte \d+ on|end'):
            parse_video(data[:size], msgtype)


@given(st.binary(max_size=200), st.sampled_from(VIDEO_TYPES))
def test_any_bytes_are_read_or_refused(data, msgtype):
    try:
        message = parse_video(np.frombuffer(data, np.uint8), msgtype)
    except FrameError:
        return
    assert len(message.data) < len(data)
