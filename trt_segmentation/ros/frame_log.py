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

from collections.abc import Mapping
import json
from pathlib import Path
import time
from typing import IO


class FrameLog:
    """Appends a line for each frame answered or dropped; one thread, or a caller's lock.

    Answered: ``{"stamp_ns", "done_ns", "timings": {stage: ms}}``. Dropped: ``{"stamp_ns",
    "done_ns", "dropped": reason}``. ``done_ns`` is the system clock when it was done with.

    :param path: file to write anew; '' for no log at all.
    :raises OSError: when it cannot be written.
    """

    def __init__(self, path: str) -> None:
        # line buffered: a process that is killed leaves whole lines
        self._file: IO[str] | None = \
            Path(path).expanduser().open('w', buffering=1, encoding='utf-8') if path else None

    def answered(self, stamp_ns: int, timings: Mapping[str, float]) -> None:
        """Note a frame that was answered and its milliseconds by stage."""
        self._write(stamp_ns, timings={k: round(v, 3) for k, v in timings.items()})

    def dropped(self, stamp_ns: int, reason: str) -> None:
        """Note a frame that gets no answer."""
        self._write(stamp_ns, dropped=reason)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file:
            self._file.close()
        self._file = None

    def _write(self, stamp_ns: int, **what: object) -> None:
        if self._file:
            self._file.write(json.dumps(
                {'stamp_ns': stamp_ns, 'done_ns': time.time_ns(), **what}) + '\n')
