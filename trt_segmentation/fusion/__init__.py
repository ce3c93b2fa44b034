# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Rewrites transformer networks with operators that ONNX Runtime runs faster on CUDA."""
