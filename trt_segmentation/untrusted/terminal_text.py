# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes text from a user or from an untrusted file safe to print on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def printable(text: str) -> str:
    """Return the text with control characters as escape codes. Line breaks stay.

    A terminal obeys some control characters: it moves the cursor, renames its window, or sends
    text back as if the user had typed it.
    """
    return ''.join(letter if letter.isprintable() or letter == '\n'
                   else letter.encode('unicode_escape').decode() for letter in text)


def one_line(text: str) -> str:
    """Return the text with control characters and line breaks as escape codes."""
    return printable(text).replace('\n', '\\n')


def unprintable(text: str) -> str:
    """Return the code of the first character that cannot be printed, such as U+001B.

    Characters that cannot be printed are control characters, surrogates, invisible characters,
    and every kind of space except U+0020. The result is empty if all characters can be printed.
    """
    return next((f'U+{ord(letter):04X}' for letter in text if not letter.isprintable()), '')


def short(value: object, most: int = 80) -> str:
    """Return the ``repr`` of a value as one printable line, cut to ``most`` characters."""
    text = repr(value)
    return text if len(text) <= most else f'{text[:most]}…'


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return ``, did you mean 'NAME'?`` with the most similar name; empty if none is similar."""
    near = get_close_matches(word, list(names), n=1)
    return f', did you mean {near[0]!r}?' if near else ''
