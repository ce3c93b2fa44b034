# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments, table and JSON file of every benchmark."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
import sys

from rich.console import Console

from trt_segmentation.commands.bench.report import FigureReport
from trt_segmentation.untrusted.output_files import check_file, write_json

__all__ = ['FigureReport', 'run']


def run(title: str, measure: Callable[[FigureReport, bool], None],
        options: Sequence[argparse.ArgumentParser] = ()) -> None:
    """Run a benchmark: parse its options, measure, print the table, and write the JSON file.

    :param measure: function that adds the rows to the report. Its second argument is True if the
        user gave ``--quick``.
    """
    parser = argparse.ArgumentParser(description=title, parents=options)
    parser.add_argument('--quick', action='store_true', help='measure less, in under 40 s')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to this file')
    args = parser.parse_args()
    if args.json:
        check_file(args.json, '--json')
    report = FigureReport(title)
    measure(report, args.quick)
    Console(width=None if sys.stdout.isatty() else 120).print(report.table())
    if args.json:
        write_json(args.json, report.tree(), '--json')
