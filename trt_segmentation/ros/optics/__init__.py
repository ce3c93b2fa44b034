# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the ground grid and the viewport of each camera, from parameters and ROS messages."""
