# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation of camera images for ROS 2."""

import os

# ONNX Runtime 1.32 has telemetry, which this variable turns off. It must be set before any module
# imports ONNX Runtime.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
