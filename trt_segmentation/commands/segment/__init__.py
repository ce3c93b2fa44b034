# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg segment``: segment pictures, videos, cameras and bags into pictures and videos."""
