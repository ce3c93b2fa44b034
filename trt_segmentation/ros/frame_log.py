# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What became of every frame, one JSON object a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
import json
from pathlib import Path
import threading
import time
from typing import IO

from ..outputs import check_file, KEY, MARKER


class FrameLog:
    """Appends a line for each frame answered or dropped; any thread.

    Answered: ``{"stamp_ns", "done_ns", "timings": {stage: ms}}``. Dropped: ``{"stamp_ns",
    "done_ns", "dropped": reason}``. The first line also has
    ``written_by``. ``done_ns`` is the system clock when it was done with; ``stamp_ns`` is null
    where the message had no header to read it from. ``camera`` is there where cameras have
    names. A file that cannot be written any more, on a full disk say, is
    given up with one warning: the frames matter more.

    :param path: file to write; an earlier frame log is replaced; '' for no log at all.
    :param warn: told of the file that is given up.
    :raises OSError: if the file cannot be opened, or is there and is no frame log.
    """

    def __init__(self, path: str, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._lock = threading.Lock()
        self._marker = {KEY: MARKER}
        if path:
            check_file(Path(path).expanduser(), 'frame_log')
        # line buffered: a process that is killed leaves whole lines
        self._file: IO[str] | None = \
            Path(path).expanduser().open('w', buffering=1, encoding='utf-8') if path else None

    @property
    def on(self) -> bool:
        """Whether anything is written."""
        return self._file is not None

    def answered(self, camera: str, stamp_ns: int, timings: Mapping[str, float]) -> None:
        """Note a frame that was answered and its milliseconds by stage."""
        self._write(camera, stamp_ns, timings={k: round(v, 3) for k, v in timings.items()})

    def dropped(self, camera: str, stamp_ns: int | None, reason: str) -> None:
        """Note a frame that gets no answer."""
        self._write(camera, stamp_ns, dropped=reason)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            file, self._file = self._file, None
            if file:
                try:
                    file.close()
                except OSError as error:
                    self._tell(file, error)

    def _write(self, camera: str, stamp_ns: int | None, **what: object) -> None:
        entry = {'camera': camera} if camera else {}
        with self._lock:
            if not self._file:
                return
            try:
                self._file.write(json.dumps({
                    **self._marker, **entry, 'stamp_ns': stamp_ns, 'done_ns': time.time_ns(),
                    **what}) + '\n')
                self._marker = {}
            except OSError as error:
                file, self._file = self._file, None
                with suppress(OSError):  # it tries to write what is left, which fails again
                    file.close()
                self._tell(file, error)

    def _tell(self, file: IO[str], error: OSError) -> None:
        self._warn(f'frame_log: cannot write {file.name}: {error.strerror or error}. It ends '
                   'here, and frames are answered as before; to have it again make room or set '
                   'another file, then deactivate, clean up, configure and activate')
