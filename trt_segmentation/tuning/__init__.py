# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the options of ONNX Runtime that run a network fastest on this GPU, and stores them."""
