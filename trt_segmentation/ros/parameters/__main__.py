# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Prints the text of config/seg.yaml. With --markdown, prints the text of docs/parameters.md."""

import sys

from .texts import markdown_text, yaml_text

print(markdown_text() if sys.argv[1:] == ['--markdown'] else yaml_text(), end='')
