# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Busy streets for training, with a code for every pixel."""

from pathlib import Path
import sys

# The scripts of this folder may run without an installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
