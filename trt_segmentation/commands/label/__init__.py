# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg label``: label the frames of many recordings, on one machine or on a Ray cluster."""
