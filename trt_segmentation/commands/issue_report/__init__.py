# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg doctor --selftest --out FILE.zip``: write the file that belongs to an issue."""
