# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures whether the images of a camera are like the images on which the model was evaluated."""
