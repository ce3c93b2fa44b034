# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Tells whether a network still sees scenes like those on which it was evaluated."""
