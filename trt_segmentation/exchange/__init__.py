# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Opens a new network beside a network at work, and closes the old network afterwards."""
