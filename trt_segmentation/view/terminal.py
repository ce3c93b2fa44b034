# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Print to any terminal, and end quietly if the reader of the output has gone."""

from __future__ import annotations

import codecs
from collections.abc import Callable
import os
import signal
import sys

BROKEN_PIPE = 128 + signal.SIGPIPE
"""Exit code if the reader of a pipe has gone; the shell gives ``yes | head`` the same code."""

_ASCII = {'→': '->', '×': 'x', '–': '-', '—': '-', '−': '-', '…': '...', '≥': '>=', '≤': '<=',
          'µ': 'u', '·': '.', '°': ' degrees'}


def on_any_terminal(command: Callable[[], int]) -> int:
    """Run a command; replace the characters that the encoding of stdout or stderr lacks.

    :returns: the exit code of the command; :data:`BROKEN_PIPE`, without a message, if the reader
        of its output has gone; 2 if its output cannot be written.
    """
    codecs.register_error('trt_seg', _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, 'reconfigure', None):  # the StringIO of a test has none
            reconfigure(errors='trt_seg')
    try:
        try:
            return command()
        finally:
            if sys.stdout:  # None if the shell has closed it
                sys.stdout.flush()  # here, because errors of the flush at exit cannot be caught
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich has caught the error
            return BROKEN_PIPE
        raise
    except OSError as error:  # raised by print, for example if the disk is full
        _drop_output()
        print(f'error: the output cannot be written: {error}', file=sys.stderr)
        return 2


def _drop_output() -> None:
    """Send the buffered output to /dev/null, because it cannot be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Replace characters, as an error handler of codecs: our signs by ASCII, others by escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start:error.end]
    return (''.join(_ASCII.get(sign) or sign.encode('ascii', 'backslashreplace').decode()
                    for sign in text), error.end)
