# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What needs the lens or the pose of a camera: ground grids, masks and rectification."""
