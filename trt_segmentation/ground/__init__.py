# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Computes ground grids: maps of the ground in metres, from label maps in pixels."""
