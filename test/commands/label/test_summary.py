# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The table of a summary fits into a terminal of 80 columns."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from trt_segmentation.commands.label.summary import ConditionSummary, make_table

CLASSES = ('plants [wet]', 'traffic light', 'motorcycle', 'sky')


def test_no_text_is_cut_at_80_columns() -> None:
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    found = [ConditionSummary(name, 1234567, 0.25, 0.81, 0.4, shares, np.array([0.5, 0.7]))
             for name in ('dark', 'dim', 'bright')]
    text = io.StringIO()
    Console(file=text, width=80).print(make_table(found, CLASSES))
    rows = [[cell.strip() for cell in line.strip('┃│').replace('┃', '│').split('│')]
            for line in text.getvalue().splitlines() if line[:1] in '┃│' and line]
    assert rows == [
        ['', 'dark', 'dim', 'bright'], ['frames', *['1234567'] * 3], ['brightness', *['0.25'] * 3],
        ['mean confidence', *['0.810'] * 3], ['p5 confidence', *['0.400'] * 3],
        ['entropy in bits', *['0.600'] * 3], ['largest classes', *['plants [wet] 40%'] * 3],
        ['', *['traffic light 30%'] * 3], ['', *['motorcycle 20%'] * 3]]
