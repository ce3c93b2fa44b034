# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What every benchmark shares: its arguments, its table and its JSON file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
import sys

from rich.console import Console

from trt_segmentation.bench.report import Report
from trt_segmentation.outputs import check_file, write_json

__all__ = ['Report', 'run']


def run(title: str, measure: Callable[[Report, bool], None],
        options: Sequence[argparse.ArgumentParser] = ()) -> None:
    """Parse ``--quick`` and ``--json FILE``, measure, print the table, write the file.

    :param options: parsers, made with ``add_help=False``, of options that ``measure`` asks for.
    """
    parser = argparse.ArgumentParser(description=title, parents=options)
    parser.add_argument('--quick', action='store_true', help='fewer repeats, under 40 s')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here')
    args = parser.parse_args()
    if args.json:
        check_file(args.json, '--json')
    report = Report(title)
    measure(report, args.quick)
    Console(width=None if sys.stdout.isatty() else 120).print(report.table())
    if args.json:
        write_json(args.json, report.tree(), '--json')
