# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Import TensorRT or TensorRT-RTX, and keep its log lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import logging
import threading
from typing import Any

from ..errors import EngineError
from ..installed.pip_names import pip_install

try:
    import tensorrt as trt
    # The type stubs for mypy can leave an empty package named tensorrt. Such an empty
    # package has no Builder.
    trt.Builder  # noqa: B018
except (ImportError, AttributeError):
    try:
        import tensorrt_rtx as trt  # type: ignore[no-redef]
    except ImportError as error:
        raise EngineError(
            'neither tensorrt nor tensorrt_rtx can be imported here. Run '
            f'`{pip_install("tensorrt-cu13")}`. For a GeForce or RTX card, the package '
            'tensorrt-rtx-cu13 works too. On a Jetson, use the tensorrt that JetPack installs'
        ) from error

__all__ = ['BACKEND', 'LIBRARY', 'LOGGER', 'BuildLog', 'datatype', 'sides', 'trt']

logger = logging.getLogger(__name__)

BACKEND = trt.__name__.rpartition('.')[2]
"""Name of the imported library: ``tensorrt`` or ``tensorrt_rtx``."""
LIBRARY = f'{"TensorRT-RTX" if BACKEND == "tensorrt_rtx" else "TensorRT"} {trt.__version__}'
"""Name and version of the imported library, for messages."""


class BuildLog:
    """Keeps TensorRT's log lines. TensorRT gives the reason of a failure only in its log.

    Each line of severity INFO or above is also a debug message of Python's ``logging``.

    Call TensorRT in a ``with`` block of this object. In the block, the object gets the lines of
    the calling thread, and the lines of TensorRT's own threads. Logging a line may raise an
    exception, such as KeyboardInterrupt. TensorRT ignores such an exception, so the end of the
    block raises it again.

    :param warn: a function that is called with the text of each warning.
    :ivar error: the first exception that was raised while a line was logged; None if there was
        none.
    :ivar lines: the last 2000 lines of severity INFO or above.
    :ivar errors: the errors since the last call of :meth:`take_reason`.
    :ivar listing: the list of layers that TensorRT logs at the end of a build.
    """

    def __init__(self, warn: Callable[[str], None] = lambda line: None) -> None:
        self.error: BaseException | None = None
        self.lines: deque[str] = deque(maxlen=2000)
        self.errors: list[str] = []
        self.listing = ''
        self._warn = warn

    def __enter__(self) -> BuildLog:
        LOGGER.attach(self)
        return self

    def __exit__(self, *_: object) -> None:
        LOGGER.detach(self)
        error, self.error = self.error, None
        if error is not None:
            raise error

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Keep a line. Any thread may call this method."""
        if severity == trt.ILogger.Severity.VERBOSE:
            if msg.startswith('Layers:'):
                self.listing = msg
            return
        self.lines.append(msg)
        logger.debug('%s: %s', severity.name, msg)
        if severity == trt.ILogger.Severity.WARNING:
            self._warn(msg)
        elif severity != trt.ILogger.Severity.INFO:
            self.errors.append(msg)

    def take_reason(self) -> str:
        """Return all errors since the last call of this method, as one text."""
        errors, self.errors = self.errors, []
        return '; '.join(errors) or 'TensorRT gave no reason'


class ProcessLogger(trt.ILogger):
    """The only logger that TensorRT gets in this process. It passes each line to BuildLogs.

    A BuildLog gets lines while it is attached. If no BuildLog gets a warning or an error, this
    logger passes the line to Python's ``logging``.

    TensorRT uses the first logger of a process and ignores every other logger. The plugin registry
    of TensorRT keeps a pointer to this logger until the process ends. So there is one logger,
    :data:`LOGGER`, and it is never freed.
    """

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self._lock = threading.Lock()
        self._attached: tuple[BuildLog, ...] = ()
        self._thread = threading.local()

    def attach(self, log: BuildLog) -> None:
        """Start passing lines to a BuildLog.

        The BuildLog gets the lines of this thread. It also gets the lines of every thread that has
        attached no BuildLog, such as a thread of TensorRT.
        """
        self._thread.logs = [*getattr(self._thread, 'logs', []), log]
        with self._lock:
            self._attached = (*self._attached, log)

    def detach(self, log: BuildLog) -> None:
        """Stop passing lines to a BuildLog. Call this in the thread that attached the BuildLog."""
        self._thread.logs.remove(log)
        with self._lock:
            attached = list(self._attached)
            attached.remove(log)
            self._attached = tuple(attached)

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Pass a line to the BuildLogs. TensorRT calls this method from any thread."""
        logs = getattr(self._thread, 'logs', [])[-1:] or self._attached
        for log in logs:
            try:
                log.log(severity, msg)
            except BaseException as error:      # TensorRT would ignore this exception
                log.error = log.error or error
        severities = trt.ILogger.Severity
        if not logs and severity not in (severities.INFO, severities.VERBOSE):
            logger.warning('%s: %s', LIBRARY, msg)


LOGGER = ProcessLogger()
"""The logger of every builder, parser and runtime of this process."""
# The parser and the runtime look up TensorRT's standard plugins, for operators such as
# ScatterElements, RoiAlign and DeformConv. Without this call, there are no standard plugins.
trt.init_libnvinfer_plugins(LOGGER, '')


def datatype(dtype: trt.DataType) -> str:
    """Return the short name of a TensorRT type, such as fp32, fp16 or int8."""
    return {'FLOAT': 'fp32', 'HALF': 'fp16'}.get(dtype.name, dtype.name.lower())


def sides(shape: Any) -> tuple[int, ...]:
    """Return a shape as a tuple of integers. -1 means a dynamic dimension."""
    return tuple(shape)     # trt.Dims is a sequence, but its stubs do not say so
