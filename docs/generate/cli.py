# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write docs/cli.md from the parser of trt_seg: python docs/generate/cli.py > docs/cli.md"""

from __future__ import annotations

import argparse

EXIT_CODES = [
    ('0', 'The command did what you asked.'),
    ('1', 'The command checked something, and the result is not as expected.'),
    ('2', 'The command could not do what you asked. One line says why.'),
    ('130', 'Ctrl-C stopped the command. If another signal stopped it, the exit code is 128 plus '
            'the number of the signal.'),
    ('141', 'The program that reads the output has ended, as in `trt_seg doctor | head -1`.'),
]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table. Bars in cells and ``<`` outside code are escaped."""
    return ['| ' + ' | '.join(_cell(text) for text in row) + ' |'
            for row in (head, ('---',) * len(head), *rows)] + ['']


def _cell(text: str) -> str:
    # The parts at odd positions are between two backticks, so they are code.
    parts = text.replace('|', '\\|').split('`')
    return '`'.join(part if index % 2 else part.replace('<', '&lt;')
                    for index, part in enumerate(parts))


def cli_text() -> str:
    """Return the text of docs/cli.md."""
    from trt_segmentation.commands.cli import parser
    lines = ['# Commands', '', '`docs/generate/cli.py` writes this page. `trt_seg COMMAND --help` '
             'prints the same text.', '',
             *table(('exit code', 'meaning'), EXIT_CODES),
             '`python -m trt_segmentation` is the same command as `trt_seg`. On a terminal that '
             'knows only ASCII,', '`trt_seg` prints other characters as escape sequences.', '']
    (commands,) = (action for action in parser()._actions
                   if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or '' for choice in commands._choices_actions}
    for name, command in commands.choices.items():
        about = command.description or helps[name]
        lines += [f'## trt_seg {name}', '', sentence(about), '', '```text', usage(command), '```',
                  '']
        if rows := [option(action) for action in command._actions if action.dest != 'help']:
            lines += table(('argument', 'default', 'meaning'), rows)
    return '\n'.join(lines)


def sentence(text: str) -> str:
    """Return the text with a capital letter at the start and a full stop at the end."""
    return text[0].upper() + text[1:].rstrip('.') + '.'


def usage(command: argparse.ArgumentParser) -> str:
    """Return the usage. The usage that argparse writes depends on the version of Python."""
    shown = [shape(action) for action in command._actions
             if action.required and action.dest != 'help']
    optional = any(not action.required for action in command._actions if action.dest != 'help')
    return ' '.join([command.prog, *shown, *(['[OPTIONS]'] if optional else [])])


def shape(action: argparse.Action) -> str:
    """Return the name and the values of an argument, as a user writes them."""
    choices = '{' + ','.join(map(str, action.choices or [])) + '}'
    values = '' if action.nargs == 0 else str(
        action.metavar or (choices if action.choices else action.dest.upper()))
    if isinstance(action, argparse.BooleanOptionalAction):
        return ' / '.join(action.option_strings)
    more = ' …' if action.nargs == '+' else ''
    return ' '.join(filter(None, [', '.join(action.option_strings), values])) + more


def option(action: argparse.Action) -> tuple[str, str, str]:
    """Return one row of the table: the argument, its default and its meaning."""
    default = '1G' if action.default == 1 << 30 else action.default
    if isinstance(default, tuple):
        default = 'x'.join(map(str, default))
    shown = '' if action.nargs == 0 or default in (None, [], '') else f'`{default}`'
    words = action.help or ''
    # Some versions of argparse add the text '(default: %(default)s)' to a help text.
    for default_told in ('(%(default)s)', '(default: %(default)s)', '(default: yes)',
                         f'({default})'):
        words = words.replace(default_told, '')
    words = words.replace('default: ', 'not given: ')
    words = words % vars(action) if '%(' in words else words
    return f'`{shape(action)}`', shown, words.strip()


if __name__ == '__main__':
    print(cli_text(), end='')
