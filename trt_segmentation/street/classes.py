# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The classes of the truth, and their ids."""

from __future__ import annotations

CLASSES: tuple[str, ...] = (
    'road', 'lane marking', 'sidewalk', 'building', 'vegetation', 'sky', 'person', 'vehicle',
    'pole', 'traffic sign')

(ROAD, MARKING, SIDEWALK, BUILDING, VEGETATION, SKY, PERSON, VEHICLE, POLE,
 SIGN) = range(len(CLASSES))
