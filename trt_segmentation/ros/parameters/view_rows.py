# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the viewport: ego mask, region of interest, and rectification."""

from __future__ import annotations

from .setting import Setting

VIEW = (
    Setting('ego_mask', '', 'Path of a picture that shows which pixels of the camera image '
            'are the robot itself. If a pixel of the picture is not black, the same pixel of '
            'the image is unlabelled. The picture has the size of the image. Use PNG, because '
            'JPEG changes black pixels a little. {camera} in the path stands for the name of the '
            'camera. If empty, there is no mask.'),
    Setting('roi', (), 'Part of the image that the network sees, as [x, y, width, height] in '
            'pixels. All other pixels are unlabelled. With several cameras, give four numbers '
            'for all cameras, or four numbers for each camera, in the order of `cameras`. [] '
            'means the whole image.', pattern=('[0-9]+', 'an integer of 0 or more'), most=256,
            group=4),
    Setting('rectify', False, 'Whether the node corrects the distortion of the lens. '
            '`camera_info` describes the distortion. If true, the label map and all other results '
            'belong to the rectified image.'),
)
