# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The lens of a camera: distortion, calibration messages, and rectification of images."""
