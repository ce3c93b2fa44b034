# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""In a recording with a video, frames that cannot be decoded are left out and counted."""

import numpy as np
from video_bags import video_bag
from videos import decode, encode

from trt_segmentation.accuracy.recordings import open_recordings


def test_frames_of_a_video_that_cannot_be_decoded_are_left_out(tmp_path):
    packets = encode(30)
    path = video_bag(tmp_path / 'bag', packets[4:])
    recordings = open_recordings([str(path)])
    for _ in range(2):      # calibration reads a recording more than once
        frames = list(recordings)
        assert [name for name, _ in frames][:2] == ['bag 1700000000.240000000',
                                                    'bag 1700000000.280000000']
        images = [f.data.reshape(f.height, f.width, 3) for _, f in frames]
        np.testing.assert_array_equal(images, decode(packets)[10:])
        assert len(recordings.left_out) == 6
        assert recordings.left_out[0] == 'bag 1700000000.000000000: there was no keyframe yet'
