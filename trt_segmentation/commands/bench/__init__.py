# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg bench``: measure a model on this machine, and write a page about the result."""
