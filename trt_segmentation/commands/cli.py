# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg``: everything that is done at a terminal, without ROS."""

from __future__ import annotations

# what a command needs is imported in it, so that --help is quick and a missing library is
# missed only by the command that uses it
import argparse
from collections.abc import Sequence
import sys
from typing import Any

from ..errors import SegmentationError
from ..installed.pip_names import advise_install
from ..untrusted.terminal_text import printable
from ..view.terminal import on_any_terminal
from .arguments import parser


def inspect(args: argparse.Namespace) -> int:
    """Print what a network takes and gives and a model card for it, or what a plan holds."""
    from .inspect_plan import inspect_plan, is_plan
    if args.file.is_dir():
        return _fail(f'{args.file} is a folder; give an ONNX file or a plan')
    if is_plan(args.file):
        print(inspect_plan(args.file))
    else:
        from ..errors import NotASegmentation
        from .inspect import inspect_model
        try:
            print(inspect_model(args.file))
        except NotASegmentation as error:
            print(error.described)
            return _fail(str(error), 1)
    return 0


def build(args: argparse.Namespace) -> int:
    """Build a TensorRT engine."""
    from .build import BuildCommandOptions, run_build
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                             for name, value in vars(args).items()}
    return run_build(BuildCommandOptions(**given))


def cache(args: argparse.Namespace) -> int:
    """List, verify or clear the engines kept."""
    from .cache import run_cache
    return run_cache(args.action, args.folder)


def doctor(args: argparse.Namespace) -> int:
    """Say what is installed, what is wrong and what to run."""
    from .doctor import run_doctor
    return run_doctor(args.selftest, args.json, args.gpu)


def replay(args: argparse.Namespace) -> int:
    """Segment a bag into another."""
    from .replay import run_replay
    return run_replay(
        args.bag, args.out, model=args.model, engine=args.engine, gpu=args.gpu,
        precision=args.precision, image_topic=args.image_topic, namespace=args.namespace,
        overlay=args.overlay, png=args.png, expect=args.expect, expect_topic=args.expect_topic,
        min_agreement=args.min_agreement, allow_missing=args.allow_missing,
        overwrite=args.overwrite, view=args.view, save_view=args.save_view)


def evaluate(args: argparse.Namespace) -> int:
    """Score a model."""
    from .evaluate import run_eval
    return run_eval(args.model, args.engine, args.street, args.condition, args.images,
                    args.labels, args.json, args.gpu, args.precision, args.ignore,
                    args.label_map)


def demo(args: argparse.Namespace) -> int:
    """Run camera, node and recorder."""
    from .demo.run import run_demo
    return run_demo(args.seconds, args.out, args.model, args.engine, args.view,
                    args.save_view)


def bench(args: argparse.Namespace) -> int:
    """Measure a model on this machine."""
    from .bench.run import BenchOptions, run_bench
    given = vars(args)
    quick = given.pop('quick')
    given['cameras'] = args.cameras or ([1, 4] if quick else [1, 2, 4, 8])
    given['seconds'] = args.seconds or (1.0 if quick else 10.0)
    return run_bench(BenchOptions(**given))


COMMANDS = {'inspect': inspect, 'build': build, 'cache': cache, 'replay': replay,
            'eval': evaluate, 'demo': demo, 'bench': bench, 'doctor': doctor}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: the exit code: 0, 1 when what was checked is not as it should be, 2 when the
        command could not be done, 128 + signal when it was stopped.
    """
    return on_any_terminal(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    given = sys.argv[1:] if argv is None else argv
    top = parser()
    if not given:
        top.print_help(sys.stderr)
        top.exit(2)
    args = top.parse_args(given)
    command = COMMANDS[vars(args).pop('command')]
    try:
        return command(args)
    except ModuleNotFoundError as error:
        missing = error.name or ''
        if missing.startswith('trt_segmentation'):
            raise
        return _fail(f'{error}; {advise_install(missing)}')
    except BrokenPipeError:
        raise
    except (SegmentationError, OSError) as error:
        return _fail(_reason(error))
    except KeyboardInterrupt:
        return _fail('stopped', 130)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f'{error.filename}: {error.strerror}'  # without Python's [Errno 21]
    return str(error)


def _fail(text: str, code: int = 2) -> int:
    print(f'trt_seg: error: {printable(text)}', file=sys.stderr)
    return code


if __name__ == '__main__':
    sys.exit(main())
