# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What FP16 does to a network: which values it cannot hold, and how it rounds the others."""
