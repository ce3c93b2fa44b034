# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a command so that its output works on any terminal and in any pipe."""

from __future__ import annotations

import codecs
from collections.abc import Callable
import os
import signal
import sys

BROKEN_PIPE = 128 + signal.SIGPIPE
"""Exit code if the program that reads the output has ended, as in ``trt_seg … | head``. Shells
report the same code for a program that SIGPIPE ended."""

_ASCII = {'→': '->', '×': 'x', '–': '-', '—': '-', '−': '-', '…': '...', '≥': '>=', '≤': '<=',
          'µ': 'u', '·': '.', '°': ' degrees'}


def on_any_terminal(command: Callable[[], int]) -> int:
    """Run a command, and replace characters that stdout or stderr cannot encode.

    :param command: function that returns an exit code. If the function raises an OSError, this
        error counts as an error of writing the output.
    :returns: the exit code of the command; 2 if the output cannot be written; or
        :data:`BROKEN_PIPE`, without a message, if the program that reads the output has ended.
    """
    codecs.register_error('trt_seg', _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        # The StringIO of a test has no reconfigure().
        if reconfigure := getattr(stream, 'reconfigure', None):
            reconfigure(errors='trt_seg')
    try:
        try:
            return command()
        finally:
            if sys.stdout:  # None if the shell closed stdout
                sys.stdout.flush()  # an error of a flush at exit could not be caught
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # the library rich raised SystemExit
            return BROKEN_PIPE
        raise
    except OSError as error:  # for example, the disk is full
        _drop_output()
        print(f'error: the output cannot be written: {error}', file=sys.stderr)
        return 2


def _drop_output() -> None:
    """Send the buffered output to /dev/null, because the output cannot be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Replace characters by ASCII or by escapes. This is an error handler of the module codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start:error.end]
    return (''.join(_ASCII.get(sign) or sign.encode('ascii', 'backslashreplace').decode()
                    for sign in text), error.end)
