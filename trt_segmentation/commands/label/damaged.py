# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Names the recordings with frames that cannot be decoded. These frames have no label maps."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ...untrusted.terminal_text import count_noun
from ..fleet.workers import print_line

MOST_DAMAGED = 10
"""Largest number of damaged recordings that are named."""


def print_damaged(table: pa.Table) -> None:
    """Print each damaged recording, its number of lost frames, and the reason.

    :param table: rows of a manifest, which is the table of the frames of a run.
    """
    bad = table.filter(pc.is_valid(table['decode_error'])).select(['url', 'decode_error'])
    reasons: dict[str, list[str]] = {}
    for row in bad.to_pylist():
        reasons.setdefault(row['url'], []).append(row['decode_error'])
    if reasons:
        print_line('recordings with lost frames:')
    for url, errors in list(reasons.items())[:MOST_DAMAGED]:
        others = len(set(errors)) - 1
        more = f'. The manifest has {count_noun(others, "other reason")}' if others else ''
        print_line(f'  {url}: {count_noun(len(errors), "frame")} lost ({errors[0]}){more}')
    if (left := len(reasons) - MOST_DAMAGED) > 0:
        print_line(f'  {left} more')
