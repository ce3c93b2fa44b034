# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A view fed from the messages of a running node, beside whoever receives them."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
from queue import Empty, Full, Queue
import threading

from ..bags.reader import IMAGE, Recorded, stamp_text
from ..errors import FrameError
from .rerun_view import RerunView

WAITING = 32
"""Messages that may wait for the view, and images for their label maps; others are left out."""


class Tap:
    """Shows messages in a thread of its own: who hands them over never waits for the view.

    An image is shown with its label map; one that was never answered is not.

    :param view: closed by :meth:`close`.
    :param topics: what is on each topic; only ``image`` and ``labels`` are shown.
    :param frame_log: the node's, which says how long each frame took; it need not be there yet.
    """

    def __init__(self, view: RerunView, topics: Mapping[str, str], frame_log: Path) -> None:
        self.left_out = 0
        """Messages that came while too many waited."""
        self.bad: list[str] = []
        """What was wrong with messages that could not be shown."""
        self._view = view
        self._topics = {topic: what for topic, what in topics.items()
                        if what in ('image', 'labels')}
        self._log = _Tail(frame_log)
        self._halves: dict[int, Recorded] = {}  # by stamp, an image or a label map
        self._waiting: Queue[tuple[str, bytes]] = Queue(WAITING)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name='view', daemon=True)
        self._thread.start()

    def __call__(self, topic: str, data: bytes) -> None:
        """Take a sensor_msgs/Image as CDR; returns at once."""
        if topic not in self._topics:
            return
        try:
            self._waiting.put_nowait((topic, data))
        except Full:
            self.left_out += 1

    def close(self) -> None:
        """Show what waits and the rest of the frame log, and close the view."""
        self._ended.set()
        self._thread.join()
        self._view.close()

    def _show(self) -> None:
        while True:
            ended = self._ended.is_set()  # before looking: what was put before it is shown
            try:
                topic, data = self._waiting.get(timeout=0.1)
            except Empty:
                if ended:
                    break
            else:
                self._message(topic, data)
            self._timings()
        self._timings()

    def _message(self, topic: str, data: bytes) -> None:
        message = Recorded(topic, IMAGE, 0, 0, data)
        stamp_ns = message.stamp_ns or 0
        # a label map over a later image would look like a bad one: they are shown together
        if (other := self._halves.pop(stamp_ns, None)) is None or other.topic == topic:
            self._halves[stamp_ns] = message
            if len(self._halves) > WAITING:
                del self._halves[next(iter(self._halves))]
            return
        image, labels = (message, other) if self._topics[topic] == 'image' else (other, message)
        try:
            frame, found = image.frame(), labels.labels()
        except FrameError as error:
            self.bad.append(f'{stamp_text(stamp_ns)}: {error}')
            return
        self._view.image(frame)
        self._view.labels(stamp_ns, found)

    def _timings(self) -> None:
        for line in self._log.lines():
            entry = json.loads(line)
            if 'timings' in entry:
                self._view.timings(entry['stamp_ns'], entry['timings'])


class _Tail:
    """The whole lines that were added to a file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def lines(self) -> list[str]:
        if not self._path.exists():
            return []
        with self._path.open('rb') as file:
            file.seek(self._position)
            whole, newline, _ = file.read().rpartition(b'\n')
        self._position += len(whole) + len(newline)
        return whole.decode('utf-8').splitlines()
