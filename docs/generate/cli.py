# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write docs/cli.md from trt_seg's own parser: python docs/generate/cli.py > docs/cli.md"""

from __future__ import annotations

import argparse


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Markdown table; bars within cells are escaped, and ``<`` outside of code."""
    return ['| ' + ' | '.join(_cell(text) for text in row) + ' |'
            for row in (head, ('---',) * len(head), *rows)] + ['']


def _cell(text: str) -> str:
    # every second part is code, between two backticks
    parts = text.replace('|', '\\|').split('`')
    return '`'.join(part if index % 2 else part.replace('<', '&lt;')
                    for index, part in enumerate(parts))


def cli_text() -> str:
    """docs/cli.md."""
    from trt_segmentation.commands.cli import parser
    lines = ['# Commands', '', 'Written by `docs/generate/cli.py`. `trt_seg COMMAND --help` '
             'prints the same.', '',
             'Exit codes: 0; 1 where what was checked is not as it should be; 2 where it could '
             'not be', 'done, with one line that says why; 128 + signal where it was stopped: 130 '
             'by Ctrl-C, 141 if', 'nobody reads its output any more, as in `trt_seg doctor | '
             'head -1`.', '', '`python -m trt_segmentation` is the same command, and `trt_seg '
             '--version` prints the version.', 'Where the terminal knows only ASCII, other '
             'letters are printed as escapes.', '']
    (commands,) = (action for action in parser()._actions
                   if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or '' for choice in commands._choices_actions}
    for name, command in commands.choices.items():
        about = command.description or helps[name]
        lines += [f'## trt_seg {name}', '', sentence(about), '', '```text', usage(command), '```',
                  '']
        if rows := [option(action) for action in command._actions if action.dest != 'help']:
            lines += table(('argument', 'default', ''), rows)
    return '\n'.join(lines)


def sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    return text[0].upper() + text[1:].rstrip('.') + '.'


def usage(command: argparse.ArgumentParser) -> str:
    """Positional arguments and required options; argparse's own differs between Pythons."""
    shown = [shape(action) for action in command._actions
             if action.required and action.dest != 'help']
    optional = any(not action.required for action in command._actions if action.dest != 'help')
    return ' '.join([command.prog, *shown, *(['[OPTIONS]'] if optional else [])])


def shape(action: argparse.Action) -> str:
    """How an argument is written: its name and what follows it."""
    choices = '{' + ','.join(map(str, action.choices or [])) + '}'
    values = '' if action.nargs == 0 else str(
        action.metavar or (choices if action.choices else action.dest.upper()))
    if isinstance(action, argparse.BooleanOptionalAction):
        return ' / '.join(action.option_strings)
    more = ' …' if action.nargs == '+' else ''
    return ' '.join(filter(None, [', '.join(action.option_strings), values])) + more


def option(action: argparse.Action) -> tuple[str, str, str]:
    """One row: how it is written, its default, what it means."""
    default = '1G' if action.default == 1 << 30 else action.default
    if isinstance(default, tuple):
        default = 'x'.join(map(str, default))
    shown = '' if action.nargs == 0 or default in (None, [], '') else f'`{default}`'
    words = action.help or ''
    # the second is argparse's own addition, in some Pythons
    for default_told in ('(%(default)s)', '(default: %(default)s)', '(default: yes)',
                         f'({default})'):
        words = words.replace(default_told, '')
    words = words.replace('default: ', 'not given: ')
    words = words % vars(action) if '%(' in words else words
    return f'`{shape(action)}`', shown, words.strip()


if __name__ == '__main__':
    print(cli_text(), end='')
