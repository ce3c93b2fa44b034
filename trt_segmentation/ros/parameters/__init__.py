# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the nodes: their table, their checks, and the files that list them."""
