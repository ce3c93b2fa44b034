# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The command-line parser of ``trt_seg``.

An error message has one line. For a misspelt name, the message suggests the most similar name.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import math
import sys
from typing import Any, NoReturn

from ..untrusted.terminal_text import did_you_mean
from .arguments.values import number


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser that reports wrong arguments in one line on stderr. The exit code is 2."""

    def parse_known_args(  # type: ignore[override]
            self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """Parse the arguments. Refuse unknown options and extra arguments."""
        given = list(sys.argv[1:] if args is None else args)
        self._refuse_unknown_options(given)
        parsed, extra = super().parse_known_args(given, namespace)
        if extra:
            self.error(f'unexpected argument {extra[0]!r}')
        return parsed, extra

    def error(self, message: str) -> NoReturn:
        """Print the message in one line, and exit with code 2."""
        stop = '' if message.endswith('?') else '.'
        self.exit(2, f'{self.prog}: error: {message}{stop} See {self.prog} --help\n')

    def _refuse_unknown_options(self, given: Sequence[str]) -> None:
        # This check comes before the checks of argparse. If the user misspelt a required option,
        # argparse would only report that the required option is missing.
        known = list(self._option_string_actions)
        for word in given:
            option = word.partition('=')[0]
            if word == '--' or (self._subparsers and not word.startswith('-')):
                return  # the remaining words are values or arguments of the command
            if _is_option(option) and not any(name.startswith(option) for name in known):
                self.error(f'there is no option {option}{did_you_mean(option, known)}')

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            near = did_you_mean(str(value), names)
            raise argparse.ArgumentError(action, f'{value!r} is not known{near or ";"} '
                                         f'expected one of {", ".join(names)}')


class VersionAction(argparse.Action):
    """An action of the parser that prints the version and exits."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from ..installed.version import version
        print(f'{parser.prog} {version()}')
        parser.exit()


def _is_option(word: str) -> bool:
    # A number such as -1 is a value and not an option.
    return word.startswith('-') and word != '-' and ' ' not in word and math.isnan(number(word))
