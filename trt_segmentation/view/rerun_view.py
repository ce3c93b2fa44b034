# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Shows images, label maps and latencies in the viewer Rerun, or writes them to an .rrd file."""

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
from .rerun_latency import latency_layout, LatencyView, TIMELINE
from .waterfall import FrameTime

IMAGE, LABEL_MAP = 'camera/image', 'camera/label_map'
OPACITY = 0.5
"""Opacity of the label map over the image, 0 to 1."""
FLUSH_SECONDS = 10.0
"""Longest time in seconds that close() waits until the viewer has received all data."""
PORT = 9876
"""TCP port on which a viewer listens. This number is Rerun's default."""
VIEWER = (sys.executable, '-m', 'rerun', '--bind', '127.0.0.1', '--expect-data-soon')
"""Command that starts a viewer for this machine only. If Rerun's function spawn() started the
viewer, other machines could read the images from the viewer."""
START_SECONDS = 30.0
"""Longest time in seconds until a new viewer listens on its port."""


def check_view(spawn: bool, path: Path | None) -> None:
    """Refuse a view that :class:`RerunView` cannot open.

    Call this function early, so that a command fails before it spends time on other work.

    :param spawn: whether a viewer is started.
    :param path: .rrd file to write; None for no file.
    :raises ViewError: if there is no display for a viewer, if the suffix of ``path`` is not .rrd,
        or if the file exists already.
    :raises OutputError: if the file cannot be written.
    """
    if spawn and sys.platform == 'linux' and not (
            os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        raise ViewError('--view: there is no display here for a viewer (neither DISPLAY nor '
                        'WAYLAND_DISPLAY is set). Write a file with --save-view FILE.rrd. Then '
                        'open the file on another machine with `rerun FILE.rrd`')
    if path is not None and path.suffix != '.rrd':
        raise ViewError(f'--save-view {path}: the viewer opens only files that end in .rrd; '
                        f'give {path.with_suffix(".rrd")}')
    if path is not None and os.path.lexists(path):
        raise ViewError(f'--save-view {path}: the file exists already; give another file')
    if path is not None:
        check_file(path, '--save-view')


def open_viewer(command: Sequence[str], port: int) -> None:
    """Start a viewer if no viewer listens on the port yet.

    The viewer stays open after this process ends.

    :param command: program and arguments that start a viewer.
    :raises ViewError: if the viewer ends at once, or does not listen within
        :data:`START_SECONDS`.
    """
    if _is_listening(port):
        return
    viewer = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
    end = time.monotonic() + START_SECONDS
    while not _is_listening(port):
        time.sleep(0.05)
        if (code := viewer.poll()) is not None:
            raise ViewError(f'the viewer ended with exit code {code}; write a file with '
                            '--save-view FILE.rrd instead')
        if time.monotonic() > end:
            os.killpg(viewer.pid, signal.SIGKILL)  # ends Rerun's launcher and the viewer
            viewer.wait()
            raise ViewError(f'the viewer did not listen on port {port} within {START_SECONDS:g} '
                            's; write a file with --save-view FILE.rrd instead')


def _is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(('127.0.0.1', port)) == 0


class RerunView:
    """The view of one camera. Call all methods from one thread.

    Every method copies or encodes its arguments before it returns, so the caller may reuse the
    memory. Times in the view are the stamps of the frames.

    :param spawn: whether a viewer shows the camera. A viewer that is already open is used.
    :param path: .rrd file to write, in a folder that exists; None for no file.
    :raises ViewError: if :func:`check_view` refuses the view, or if the viewer does not start.
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
        self._latency = LatencyView(self._stream)

    def __enter__(self) -> RerunView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, segmentation: Segmentation) -> None:
        """Show a frame with its label map and the milliseconds of its stages."""
        stamp_ns = segmentation.frame.stamp_ns
        self.show_image(segmentation.frame)
        self.show_labels(stamp_ns, segmentation.labels)
        self.show_timings(stamp_ns, segmentation.timings)

    def show_image(self, frame: Frame) -> None:
        """Show a frame as JPEG, because raw images fill the viewer's memory within minutes.

        :raises FrameError: if the frame cannot be decoded.
        """
        is_encoded, jpeg = cv2.imencode('.jpg', decode(frame).bgr())
        if is_encoded:
            self._log(frame.stamp_ns, IMAGE, rr.EncodedImage(
                contents=jpeg.tobytes(), media_type='image/jpeg'))

    def show_labels(self, stamp_ns: int, labels: npt.NDArray[Any]) -> None:
        """Show a label map.

        :param stamp_ns: stamp of the frame in nanoseconds.
        :param labels: (height, width) uint8 or uint16 class ids.
        """
        self._log(stamp_ns, LABEL_MAP, rr.SegmentationImage(np.array(labels), opacity=OPACITY))

    def show_timings(self, stamp_ns: int, timings: Mapping[str, float]) -> None:
        """Show the milliseconds of each stage of a segmented frame."""
        self._latency.add_frame(FrameTime(stamp_ns, timings))

    def show_drop(self, stamp_ns: int) -> None:
        """Show that a frame was dropped."""
        self._latency.add_drop(stamp_ns)

    def close(self) -> None:
        """Finish the file. Wait until the viewer, which stays open, has received all data."""
        try:
            self._stream.flush(timeout_sec=FLUSH_SECONDS)
        except (RuntimeError, ValueError, OSError) as error:
            # flush() fails if the user closed the viewer. This is not an error of the command.
            print(f'view: {error}', file=sys.stderr)
        self._stream.disconnect()

    def _log(self, stamp_ns: int, path: str, content: rr.AsComponents) -> None:
        self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, 'ns'))
        self._stream.log(path, content)


def _context(card: ModelCard) -> rr.AnnotationContext:
    """Return names and colours of the classes. Unlabelled pixels are transparent."""
    classes = [rr.AnnotationInfo(index, name, color.tolist())
               for index, (name, color) in enumerate(zip(card.classes, card.palette))]
    unlabelled = UNLABELLED[card.label_dtype]
    return rr.AnnotationContext([
        *classes, rr.AnnotationInfo(unlabelled, 'unlabelled', (0, 0, 0, 0))])


def _layout() -> rrb.Blueprint:
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(
                rrb.Spatial2DView(origin='camera', name='label map over image'),
                rrb.Spatial2DView(origin='camera', contents=IMAGE, name='image')),
            latency_layout(), row_shares=[3, 2]),
        collapse_panels=True)
