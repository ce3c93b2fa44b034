# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Text of files and messages nobody vouches for, on its way to a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with control characters spelled out, lines kept.

    A terminal acts on some: it moves the cursor, renames its window, or answers as if typed.
    """
    return ''.join(letter if letter.isprintable() or letter == '\n'
                   else letter.encode('unicode_escape').decode() for letter in text)


def one_line(text: str) -> str:
    """As :func:`printable`, with line breaks spelled out too."""
    return printable(text).replace('\n', '\\n')


def unprintable(text: str) -> str:
    """The code of the first character that cannot be printed, such as U+001B; '' if all can.

    Control characters, surrogates, invisible characters, and spaces other than the plain one.
    """
    return next((f'U+{ord(letter):04X}' for letter in text if not letter.isprintable()), '')


def short(value: object, most: int = 80) -> str:
    """A value as Python writes it, cut to ``most`` characters; always one printable line."""
    text = repr(value)
    return text if len(text) <= most else f'{text[:most]}…'
