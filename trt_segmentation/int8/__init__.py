# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the INT8 ranges of activations, and balances the channels of convolutions."""
