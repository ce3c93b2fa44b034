# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes text safe for a terminal. The text comes from a user or from an untrusted file."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
import os
from pathlib import Path


def printable(text: str) -> str:
    """Replace each control character by its Python escape sequence. Line breaks stay.

    A terminal executes some control characters. For example, it renames its window, or it sends
    text to the shell as if the user had typed this text.
    """
    return ''.join(letter if letter.isprintable() or letter == '\n'
                   else letter.encode('unicode_escape').decode() for letter in text)


def one_line(text: str) -> str:
    """Replace each control character and each line break by its Python escape sequence."""
    return printable(text).replace('\n', '\\n')


def unprintable(text: str) -> str:
    """Return the code of the first unprintable character, such as U+001B; empty if there is none.

    Control and invisible characters, surrogates, and all spaces except U+0020 are unprintable.
    """
    return next((f'U+{ord(letter):04X}' for letter in text if not letter.isprintable()), '')


def short(value: object, most: int = 80) -> str:
    """Return the ``repr`` of a value as one printable line, cut to ``most`` characters."""
    text = repr(value)
    return text if len(text) <= most else f'{text[:most]}…'


def count_noun(count: int, noun: str) -> str:
    """Return a number and a noun, such as ``1 image`` or ``2 images``."""
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return ``, did you mean 'NAME'?`` for the most similar name; empty if none is similar."""
    near = get_close_matches(word, list(names), n=1)
    return f', did you mean {near[0]!r}?' if near else ''


def suggest_path(path: Path, others: Iterable[str] = ()) -> str:
    """Return the text of :func:`did_you_mean` for a missing path and the names in its folder.

    :param others: more names that the user may mean.
    """
    try:
        return did_you_mean(path.name, [*os.listdir(path.parent), *others])
    except OSError:
        return ''
