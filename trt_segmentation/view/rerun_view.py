# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Images, label maps and latencies in Rerun's viewer, or in a file for it; no ROS needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rerun as rr
import rerun.blueprint as rrb

from ..errors import ViewError
from ..frame import Frame, Segmentation, UNLABELLED
from ..host.decode_raw import decode
from ..model.card import ModelCard
from ..untrusted.output_files import check_file

TIMELINE = 'stamp'
IMAGE, LABEL_MAP, LATENCY = 'camera/image', 'camera/label_map', 'latency'
OPACITY = 0.5
"""Of the label map over the image."""

PATIENCE = 10.0
"""Seconds that closing waits for a viewer to take what it was sent."""

PORT = 9876
"""Where viewers listen, as Rerun has it."""

VIEWER = (sys.executable, '-m', 'rerun', '--bind', '127.0.0.1', '--expect-data-soon')
"""Rerun's own spawn() has the viewer listen to the whole network, cameras and all."""

START_SECONDS = 30.0
"""How long a viewer may take to listen."""


def check_view(spawn: bool, path: Path | None) -> None:
    """Refuse what a :class:`RerunView` could not do, before anything else has begun.

    :raises ViewError: where there is no display for a viewer, or a file would be replaced.
    :raises OutputError: if the file could not be written.
    """
    if spawn and sys.platform == 'linux' and not (
            os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        raise ViewError('--view: there is no display here for a viewer (neither DISPLAY nor '
                        'WAYLAND_DISPLAY is set); write a file with --save-view FILE.rrd and '
                        'open it elsewhere with `rerun FILE.rrd`')
    if path is not None and path.suffix != '.rrd':
        raise ViewError(f'--save-view {path}: the viewer knows its files by the ending .rrd; '
                        f'give {path.with_suffix(".rrd")}')
    if path is not None and os.path.lexists(path):
        raise ViewError(f'--save-view {path}: it exists already; give another file')
    if path is not None:
        check_file(path, '--save-view')


def open_viewer(command: Sequence[str], port: int) -> None:
    """Start a viewer that outlives this process, unless one listens already.

    :raises ViewError: when it ends, or does not listen in time.
    """
    if _listens(port):
        return
    viewer = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
    end = time.monotonic() + START_SECONDS
    while not _listens(port):
        time.sleep(0.05)
        if (code := viewer.poll()) is not None:
            raise ViewError(f'the viewer ended with exit code {code}; write a file with '
                            '--save-view FILE.rrd instead')
        if time.monotonic() > end:
            os.killpg(viewer.pid, signal.SIGKILL)  # what starts the viewer, and the viewer
            viewer.wait()
            raise ViewError(f'the viewer did not listen on port {port} within {START_SECONDS:g} '
                            's; write a file with --save-view FILE.rrd instead')


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(('127.0.0.1', port)) == 0


class RerunView:
    """What is shown of one camera; one thread logs and closes.

    Everything is copied or encoded in the call, so that memory may be reused after it. Times
    are the frames' stamps.

    :param spawn: open a viewer, or show it in one that is open.
    :param path: .rrd file to write, in a folder that is there.
    :raises ViewError: as :func:`check_view`, and when the viewer does not start.
    """

    def __init__(self, card: ModelCard, spawn: bool = False, path: Path | None = None) -> None:
        check_view(spawn, path)
        self._stream = rr.RecordingStream('trt_segmentation')
        if spawn:
            open_viewer(VIEWER, PORT)
        self._stream.set_sinks(
            *([rr.GrpcSink()] if spawn else []), *([rr.FileSink(path)] if path else []),
            default_blueprint=_layout())
        self._stream.log('camera', _context(card), static=True)

    def __enter__(self) -> RerunView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, answer: Segmentation) -> None:
        """Show a frame with its label map and the milliseconds of its stages."""
        stamp_ns = answer.frame.stamp_ns
        self.image(answer.frame)
        self.labels(stamp_ns, answer.labels)
        self.timings(stamp_ns, answer.timings)

    def image(self, frame: Frame) -> None:
        """Show a frame, as JPEG: raw images fill a viewer's memory within minutes.

        :raises FrameError: when it cannot be decoded.
        """
        fine, jpeg = cv2.imencode('.jpg', decode(frame).bgr())
        if fine:
            self._log(frame.stamp_ns, IMAGE, rr.EncodedImage(
                contents=jpeg.tobytes(), media_type='image/jpeg'))

    def labels(self, stamp_ns: int, labels: npt.NDArray[Any]) -> None:
        """Show a label map: (height, width) uint8 or uint16."""
        self._log(stamp_ns, LABEL_MAP, rr.SegmentationImage(np.array(labels), opacity=OPACITY))

    def timings(self, stamp_ns: int, timings: Mapping[str, float]) -> None:
        """Plot milliseconds by stage."""
        for stage, ms in timings.items():
            self._log(stamp_ns, f'{LATENCY}/{stage}', rr.Scalars(ms))

    def close(self) -> None:
        """Finish the file, or wait until the viewer has what was sent; a viewer stays open."""
        try:
            self._stream.flush(timeout_sec=PATIENCE)
        except (RuntimeError, ValueError, OSError) as error:
            # the user has closed the viewer, which is no fault of what was shown
            print(f'view: {error}', file=sys.stderr)
        self._stream.disconnect()

    def _log(self, stamp_ns: int, path: str, what: rr.AsComponents) -> None:
        self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, 'ns'))
        self._stream.log(path, what)


def _context(card: ModelCard) -> rr.AnnotationContext:
    """Names and colours of the classes; what is unlabelled is transparent."""
    classes = [rr.AnnotationInfo(index, name, color.tolist())
               for index, (name, color) in enumerate(zip(card.classes, card.palette))]
    nothing = UNLABELLED[card.label_dtype]
    return rr.AnnotationContext([*classes, rr.AnnotationInfo(nothing, 'unlabelled', (0, 0, 0, 0))])


def _layout() -> rrb.Blueprint:
    """The image under its label map, the image alone, and the latencies below."""
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(
                rrb.Spatial2DView(origin='camera', name='label map over image'),
                rrb.Spatial2DView(origin='camera', contents=IMAGE, name='image')),
            rrb.TimeSeriesView(origin=LATENCY, name='latency, ms'), row_shares=[3, 2]),
        collapse_panels=True)
