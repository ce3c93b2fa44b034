# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation of camera images for ROS 2."""

import os

# here, before any module imports it: ONNX Runtime 1.32 has telemetry on unless told not to
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
