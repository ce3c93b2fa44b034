# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the nodes: tables, checks, and the texts of the files that list them."""
