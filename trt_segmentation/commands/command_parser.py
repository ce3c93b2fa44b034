# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A parser of command lines: errors in one line, with the nearest name for a misspelt one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import math
import re
import sys
from typing import Any, NoReturn

from ..untrusted.terminal_text import did_you_mean


class CommandParser(argparse.ArgumentParser):
    """As argparse's, but a wrong command line is one line on stderr and exit code 2."""

    def parse_known_args(  # type: ignore[override]
            self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """Parse; an option or argument that this command does not know is an error."""
        given = list(sys.argv[1:] if args is None else args)
        self._refuse_unknown_options(given)
        parsed, extra = super().parse_known_args(given, namespace)
        if extra:
            self.error(f'one argument too many: {extra[0]!r}')
        return parsed, extra

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        stop = '' if message.endswith('?') else '.'
        self.exit(2, f'{self.prog}: error: {message}{stop} See {self.prog} --help\n')

    def _refuse_unknown_options(self, given: Sequence[str]) -> None:
        # before argparse looks: it would first ask for what the misspelt option was to be
        known = list(self._option_string_actions)
        for word in given:
            option = word.partition('=')[0]
            if word == '--' or (self._subparsers and not word.startswith('-')):
                return  # what follows is a value, or belongs to the command
            if _is_option(option) and not any(name.startswith(option) for name in known):
                self.error(f'there is no option {option}{did_you_mean(option, known)}')

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            near = did_you_mean(str(value), names)
            raise argparse.ArgumentError(action, f'{value!r} is not known{near or ";"} '
                                         f'expected one of {", ".join(names)}')


class VersionAction(argparse.Action):
    """Prints the version, which is looked up only then, and exits."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from ..installed.version import version
        print(f'{parser.prog} {version()}')
        parser.exit()


def number(text: str) -> float:
    """Parse a number; NaN, which no range holds, of any other text."""
    try:
        return float(text)
    except ValueError:
        return float('nan')


def whole_number(text: str, least: int) -> int:
    """Parse a whole number of at most nine digits.

    :raises argparse.ArgumentTypeError: if it is none, or less than ``least``.
    """
    if not re.fullmatch(r'[0-9]{1,9}', text) or int(text) < least:
        raise argparse.ArgumentTypeError(f'{text} is not a whole number of {least} or more')
    return int(text)


def _is_option(word: str) -> bool:
    if not word.startswith('-') or word == '-' or ' ' in word:
        return False
    return math.isnan(number(word))  # any other, such as -1, is a value
