# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The effects of FP16 on a network: FP16 cannot hold large values, and rounds all other values."""
