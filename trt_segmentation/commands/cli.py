# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The program ``trt_seg``, which runs all commands. Only the command ``demo`` needs ROS."""

from __future__ import annotations

# A command imports its libraries when it runs. So --help is quick, and a missing library stops
# only the commands that need this library.
import argparse
from collections.abc import Sequence
import sys

from ..errors import AccuracyLossError, NotASegmentation, SegmentationError
from ..installed.pip_names import advise_install
from ..untrusted.terminal_text import printable
from ..view.terminal import on_any_terminal
from . import build_options, cache, evaluate_options, inspect_options, replay_options
from .bench import options as bench_options
from .command_parser import CommandParser, VersionAction
from .demo import options as demo_options
from .doctor import options as doctor_options
from .label import options as label_options
from .run_command import run_command
from .segment import options as segment_options

COMMANDS = (segment_options, inspect_options, build_options, cache, replay_options,
            label_options, evaluate_options, demo_options, bench_options, doctor_options)
"""Modules of the commands, in the order of --help. Each one has a function ``add_command``."""


def parser() -> argparse.ArgumentParser:
    """Return the parser for all commands.

    If ``parsed`` is the result of ``parse_args()``, ``parsed.make_options(parsed)`` returns the
    options of the chosen command.
    """
    top = CommandParser(prog='trt_seg', description='Semantic segmentation of camera images.')
    top.add_argument('--version', action=VersionAction, nargs=0, dest=argparse.SUPPRESS,
                     default=argparse.SUPPRESS, help='print the version')
    commands = top.add_subparsers(title='commands', required=True, metavar='COMMAND')
    for module in COMMANDS:
        module.add_command(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :param argv: arguments without the program's name; None for the arguments of this process.
    :returns: the exit code: 0 for success, 1 if a check failed, 2 if the command failed, and
        128 + signal number if a signal stopped the command.
    """
    return on_any_terminal(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    given = sys.argv[1:] if argv is None else argv
    top = parser()
    if not given:
        top.print_help(sys.stderr)
        top.exit(2)
    parsed = top.parse_args(given)
    try:
        return run_command(parsed.make_options(parsed))
    except ModuleNotFoundError as error:
        missing = error.name or ''
        if missing.startswith('trt_segmentation'):
            raise
        return _fail(f'{error}; {advise_install(missing)}')
    except BrokenPipeError:
        raise
    except (AccuracyLossError, NotASegmentation) as error:
        return _fail(str(error), 1)
    except (SegmentationError, OSError) as error:
        return _fail(_reason(error))
    except KeyboardInterrupt as error:
        return _fail(f'stopped: {error}' if error.args else 'stopped', 130)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        # str(error) would begin with a number such as [Errno 21].
        return f'{error.filename}: {error.strerror}'
    return str(error)


def _fail(text: str, code: int = 2) -> int:
    print(f'trt_seg: error: {printable(text)}', file=sys.stderr)
    return code


if __name__ == '__main__':
    sys.exit(main())
