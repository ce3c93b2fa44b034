# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The GPU pipeline: camera bytes become a label map on one NVIDIA GPU."""
