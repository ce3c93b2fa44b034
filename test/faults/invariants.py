# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Rules that must hold after every fault. The tests of this folder check them.

- The process lives, or it exits with a code other than 0 and one clear line.
- Frames in = frames out + frames dropped, and each drop has a reason.
- A published label map is right: it has the stamp, the content and the size of an image that was
  sent. It is published once, on the topic of that image's camera.
- Memory, threads, open files and shared memory segments are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import gc
import os
from pathlib import Path
from typing import Any

from faults.numbered import FIRST_SECOND, read
from sensor_msgs.msg import Image

from trt_segmentation.memory import give_back_freed_memory


def check_label_maps(maps: Iterable[Image], camera: int = 0,
                    sent: dict[int, Image] | None = None) -> list[int]:
    """Check the label maps of one camera's topic.

    :param sent: the images by their number. A test gives them only if their sizes differ.
    :returns: the numbers of the label maps, in the order of arrival.
    """
    numbers = []
    for got in maps:
        number = got.header.stamp.nanosec
        assert got.header.stamp.sec == FIRST_SECOND + camera, 'a stamp of no image'
        assert got.header.frame_id == f'camera {camera}'
        assert read(got) == (number, camera), f'the stamp is of image {number}, camera {camera}'
        assert (got.encoding, got.step) == ('mono8', got.width)
        if sent is not None:
            assert number in sent, f'no image {number} was sent'
            assert (got.height, got.width) == (sent[number].height, sent[number].width)
        numbers.append(number)
    assert len(set(numbers)) == len(numbers), 'an image has two label maps'
    return numbers


def wait_for_counts(rig: Any, camera: str | None = None) -> Any:
    """Wait until no frame is in flight. Check the counts and the reasons, and return them."""
    rig.until(lambda: rig.snapshot(camera).in_flight == 0)
    counts = rig.snapshot(camera)
    assert counts.frames_in == counts.frames_out + sum(counts.dropped.values())
    assert all(counts.dropped)
    return counts


def check_said_once(log: str, text: str) -> None:
    """Check that the log has one line with the text, and no traceback."""
    lines = [line for line in log.splitlines() if text in line]
    assert len(lines) == 1, f'{len(lines)} lines with {text!r} in:\n{log}'
    assert 'Traceback' not in log, log


@dataclass(frozen=True)
class Held:
    """The resources that a process holds."""

    memory: int
    """Resident bytes that no other process shares."""
    threads: int
    files: int
    segments: int
    """The number of mapped shared memory segments."""

    @classmethod
    def measure(cls, pid: int | str = 'self') -> Held:
        """Measure a process. If it is this process, first free its garbage."""
        if pid == 'self':
            gc.collect()
            give_back_freed_memory()
        folder = Path(f'/proc/{pid}')
        _, resident, shared = (folder / 'statm').read_text().split()[:3]
        mapped = {line.split()[-1] for line in (folder / 'maps').read_text().splitlines()
                  if '/dev/shm/' in line}
        return cls((int(resident) - int(shared)) * os.sysconf('SC_PAGE_SIZE'),
                   len(os.listdir(folder / 'task')), len(os.listdir(folder / 'fd')), len(mapped))

    def growth_over(self, before: Held, memory: int, others: int = 0) -> str:
        """Name the resources that grew by more than allowed. The text is empty if there are none.

        :param memory: the allowed growth in bytes. Allocators keep some freed memory.
        :param others: the allowed growth of each of threads, files and segments.
        """
        allowed = {'memory': memory, 'threads': others, 'files': others, 'segments': others}
        more = {kind: getattr(self, kind) - getattr(before, kind) for kind in allowed}
        return ', '.join(f'{count:+} {kind}' for kind, count in more.items()
                         if count > allowed[kind])
