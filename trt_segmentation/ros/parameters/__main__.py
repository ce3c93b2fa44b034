# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Prints config/seg.yaml, or docs/parameters.md if the argument is --markdown."""

import sys

from .texts import markdown_text, yaml_text

print(markdown_text() if sys.argv[1:] == ['--markdown'] else yaml_text(), end='')
