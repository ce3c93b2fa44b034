# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run the command that has the given options. Most commands are imported only when they run."""

from __future__ import annotations

from pathlib import Path

from .bench.options import BenchOptions
from .build_options import BuildCommandOptions, check_build_packages
from .cache import CacheOptions, run_cache
from .demo.options import DemoOptions
from .doctor.options import DoctorOptions
from .evaluate_options import EvaluateOptions
from .inspect_options import InspectOptions, run_inspect
from .label.options import LabelOptions
from .replay_options import ReplayOptions
from .segment.options import SegmentOptions


def run_command(options: object) -> int:
    """Run the command that has these options, and return the exit code.

    :raises TypeError: if no command has options of this class.
    """
    match options:
        case SegmentOptions():
            from .segment.run import run_segment
            return run_segment(options)
        case InspectOptions():
            return run_inspect(options)
        case BuildCommandOptions():
            check_build_packages()
            from .build import run_build
            return run_build(options)
        case CacheOptions():
            return run_cache(options)
        case ReplayOptions():
            from .replay import run_replay
            return run_replay(options)
        case LabelOptions():
            from .label.run import run_label
            return run_label(options)
        case EvaluateOptions():
            from .evaluate import run_evaluate
            return run_evaluate(options)
        case DemoOptions():
            from .demo.run import run_demo
            return run_demo(options)
        case BenchOptions():
            from .bench.run import run_bench
            return run_bench(options)
        case DoctorOptions(out=Path()):
            from .issue_report.run import write_report
            return write_report(options)
        case DoctorOptions():
            from .doctor.run import run_doctor
            return run_doctor(options)
    raise TypeError(f'no command has options of the type {type(options).__name__}')
