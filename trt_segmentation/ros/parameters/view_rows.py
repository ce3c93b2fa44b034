# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters that limit what the network sees of an image."""

from __future__ import annotations

from .setting import Setting

VIEW = (
    Setting('ego_mask', '', 'Picture of the size of the camera image. Where the picture is not '
            'black, the camera shows the robot itself, and the label is 255. A {camera} in the '
            "path stands for the camera's name. Empty means no mask."),
    Setting('roi', (), 'Part of the image that the network sees, as [x, y, width, height] in '
            'pixels. All other pixels get the label 255. With several cameras, give one part for '
            'all of them, or one after the other in the order of `cameras`. [] means the whole '
            'image.', pattern=('[0-9]+', 'a whole number of 0 or more'), most=256, group=4),
    Setting('rectify', False, 'Whether the node corrects the distortion of the lens, with the '
            'numbers of `camera_info`. The label map and the other results then belong to the '
            'rectified image.'),
)
"""The rows of the table."""
