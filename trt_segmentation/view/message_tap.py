# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Shows the messages of a running node in a Rerun view. The caller passes each message."""

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
"""Largest number of messages in the queue. An image and its label map are a pair. At most the same
number of messages wait outside the queue for the other message of their pair."""


class MessageTap:
    """Shows messages in a separate thread, so that the receiver never waits for the view.

    An image is shown together with its label map. An image without a label map is not shown.

    :param view: a view that is already open. :meth:`close` closes this view.
    :param topics: maps each topic to its content. Only ``image`` and ``labels`` are shown.
    :param frame_log: frame log of the node, with the times of each frame. The node may create
        this file later.
    """

    def __init__(self, view: RerunView, topics: Mapping[str, str], frame_log: Path) -> None:
        self.left_out = 0
        """Number of messages that are not in the view, because the view was too slow. If an image
        is left out, its label map is left out and counted too."""
        self.bad: list[str] = []
        """One line for each message that could not be shown."""
        self._view = view
        self._topics = {topic: what for topic, what in topics.items()
                        if what in ('image', 'labels')}
        self._log = _LogTail(frame_log)
        # Maps a stamp to an image or a label map that waits for the other message of this stamp.
        self._halves: dict[int, Recorded] = {}
        self._waiting: Queue[tuple[str, bytes]] = Queue(WAITING)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name='view', daemon=True)
        self._thread.start()

    def __call__(self, topic: str, data: bytes) -> None:
        """Receive a sensor_msgs/Image as serialized bytes (CDR), and return at once."""
        if topic not in self._topics:
            return
        try:
            self._waiting.put_nowait((topic, data))
        except Full:
            self.left_out += 1

    def close(self) -> None:
        """Show the waiting messages and the last lines of the frame log, then close the view."""
        self._ended.set()
        self._thread.join()
        self._view.close()

    def _show(self) -> None:
        while True:
            # If the flag were read after the queue, a message between the two reads would be lost.
            ended = self._ended.is_set()
            try:
                topic, data = self._waiting.get(timeout=0.1)
            except Empty:
                if ended:
                    break
            else:
                self._pair(topic, data)
            self._show_timings()
        self._show_timings()
        for half in self._halves.values():
            self._forget(half)

    def _pair(self, topic: str, data: bytes) -> None:
        """Show an image and its label map as soon as both have arrived."""
        message = Recorded(topic, IMAGE, 0, 0, data)
        stamp_ns = message.stamp_ns or 0
        # A label map over a later image would look wrong. So an image waits for its label map.
        if (other := self._halves.pop(stamp_ns, None)) is None or other.topic == topic:
            self._halves[stamp_ns] = message
            if len(self._halves) > WAITING:
                self._forget(self._halves.pop(next(iter(self._halves))))
            return
        image, labels = (message, other) if self._topics[topic] == 'image' else (other, message)
        try:
            frame, found = image.frame(), labels.labels()
        except FrameError as error:
            self.bad.append(f'{stamp_text(stamp_ns)}: {error}')
            return
        self._view.show_image(frame)
        self._view.show_labels(stamp_ns, found)

    def _forget(self, half: Recorded) -> None:
        # The node may have dropped an image without a label map, so such an image is not counted.
        # A label map always has an image. If this image is missing, the view was too slow.
        self.left_out += self._topics[half.topic] == 'labels'

    def _show_timings(self) -> None:
        for line in self._log.read_new_lines():
            entry = json.loads(line)
            if 'timings' in entry:
                self._view.show_timings(entry['stamp_ns'], entry['timings'])
            elif entry.get('dropped') and entry['stamp_ns'] is not None:
                self._view.show_drop(entry['stamp_ns'])


class _LogTail:
    """Reads the complete lines that another program added to a file since the last read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def read_new_lines(self) -> list[str]:
        if not self._path.exists():
            return []
        with self._path.open('rb') as file:
            file.seek(self._position)
            whole, newline, _ = file.read().rpartition(b'\n')
        self._position += len(whole) + len(newline)
        return whole.decode('utf-8').splitlines()
