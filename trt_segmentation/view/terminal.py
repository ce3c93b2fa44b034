# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Standard output and error of a command: readable on any terminal, quiet if nobody reads."""

from __future__ import annotations

import codecs
from collections.abc import Callable
import os
import signal
import sys

BROKEN_PIPE = 128 + signal.SIGPIPE
"""Exit code if the reader of a pipe has gone, as the shell gives it to ``yes | head``."""

_ASCII = {'→': '->', '×': 'x', '–': '-', '—': '-', '−': '-', '…': '...', '≥': '>=', '≤': '<=',
          'µ': 'u', '·': '.', '°': ' degrees'}


def on_any_terminal(command: Callable[[], int]) -> int:
    """Run a command with streams that replace what their encoding lacks, instead of failing.

    :returns: its exit code; :data:`BROKEN_PIPE`, and no message, if its output is read no more;
        2 if its output cannot be written.
    """
    codecs.register_error('trt_seg', _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, 'reconfigure', None):  # a test's StringIO has none
            reconfigure(errors='trt_seg')
    try:
        try:
            return command()
        finally:
            if sys.stdout:  # None if the shell has closed it
                sys.stdout.flush()  # here, since an error in Python's own flush cannot be caught
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich has caught it and dropped the rest
            return BROKEN_PIPE
        raise
    except OSError as error:  # of print, as to a full disk
        _drop_output()
        print(f'error: the output cannot be written: {error}', file=sys.stderr)
        return 2


def _drop_output() -> None:
    """Send what is still buffered to nowhere, since it cannot be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs: our own signs have an ASCII form, others become escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start:error.end]
    return (''.join(_ASCII.get(sign) or sign.encode('ascii', 'backslashreplace').decode()
                    for sign in text), error.end)
