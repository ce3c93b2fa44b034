# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The topic with the ground grid of each camera, and the pose of the camera."""
