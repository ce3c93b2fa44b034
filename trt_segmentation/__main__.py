# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run ``trt_seg`` as ``python -m trt_segmentation``."""

import sys

from .commands.cli import main

if __name__ == '__main__':
    sys.exit(main())
