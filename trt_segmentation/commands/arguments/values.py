# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Convert the text of an argument to a value.

For a wrong text, every function except :func:`number` raises ArgumentTypeError.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
import re


def number(text: str) -> float:
    """Convert text to a float. If the text is not a number, return NaN, which is in no range."""
    try:
        return float(text)
    except ValueError:
        return float('nan')


def whole_number(text: str, least: int) -> int:
    """Convert text to an integer from ``least`` to 999,999,999."""
    if not re.fullmatch(r'[0-9]{1,9}', text) or int(text) < least:
        raise ArgumentTypeError(f'{text} is not an integer from {least} to 999999999')
    return int(text)


def count(text: str) -> int:
    """Convert text to an integer of 1 or more."""
    return whole_number(text, 1)


def counts(text: str) -> tuple[int, ...]:
    """Convert integers that are separated by commas. Return them sorted, without duplicates."""
    return tuple(sorted({count(part) for part in text.split(',')}))


def index(text: str) -> int:
    """Convert text to an integer of 0 or more."""
    return whole_number(text, 0)


def byte_count(text: str) -> int:
    """Convert a number of bytes. The suffix K, M or G means KiB, MiB or GiB."""
    units = {'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
    digits, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    if not digits.isdigit() or not int(digits):
        raise ArgumentTypeError(f'{text!r} is not a size such as 512M or 2G')
    return int(digits) * unit


def fraction(text: str) -> float:
    """Convert a number from 0 to 1."""
    if not 0 <= (value := number(text)) <= 1:
        raise ArgumentTypeError(f'{text} is not a fraction from 0 to 1')
    return value


def positive(text: str) -> float:
    """Convert a finite number above 0."""
    if not 0 < (value := number(text)) < float('inf'):
        raise ArgumentTypeError(f'{text} is not a number above 0')
    return value


def label_range(text: str) -> range:
    """Convert a label value such as 11, or a range such as 0-6. The largest value is 65535."""
    first, dash, last = text.partition('-')
    last = last if dash else first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= 65535):
        raise ArgumentTypeError(f'{text!r} is neither a value such as 11 nor a range such as 0-6. '
                                'Values must be from 0 to 65535')
    return range(int(first), int(last) + 1)


def image_size(text: str) -> tuple[int, int]:
    """Convert the size of an image in pixels, such as 1920x1080, to width and height."""
    width, _, height = text.partition('x')
    if not (width.isdigit() and height.isdigit()):
        raise ArgumentTypeError(f'{text!r} is not a size such as 1920x1080')
    return int(width), int(height)
