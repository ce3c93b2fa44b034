# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Opens a new network while the old network is in use. Closes the old network afterwards."""
