# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg doctor --selftest --out FILE.zip``: write a report that users attach to an issue."""
