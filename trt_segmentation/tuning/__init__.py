# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measure which options of ONNX Runtime run a network fastest on this GPU, and keep the choice."""
