# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of soak.py: cameras, receiver, samples of the node's process, rows, picture."""
