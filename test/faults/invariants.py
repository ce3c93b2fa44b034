# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever goes wrong; every test of this folder asks for it.

- The process lives, or exits non-zero with one clear line.
- Frames in = out + dropped, each drop under a reason.
- A published label map is right or absent: it answers an image that was sent, shows that image's
  content at that image's size, and is published once, on the topic of the camera that took it.
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

from trt_segmentation.ros.process.malloc import give_back_freed_memory


def right_or_absent(maps: Iterable[Image], camera: int = 0,
                    sent: dict[int, Image] | None = None) -> list[int]:
    """Check every label map heard of one camera; returns their numbers as they came.

    :param sent: the images by number, where their sizes differ.
    """
    numbers = []
    for got in maps:
        number = got.header.stamp.nanosec
        assert got.header.stamp.sec == FIRST_SECOND + camera, 'a stamp of no image of this camera'
        assert got.header.frame_id == f'camera {camera}'
        assert read(got) == (number, camera), f'stamped {number}, camera {camera}, but shows this'
        assert (got.encoding, got.step) == ('mono8', got.width)
        if sent is not None:
            assert number in sent, f'no image {number} was sent'
            assert (got.height, got.width) == (sent[number].height, sent[number].width)
        numbers.append(number)
    assert len(set(numbers)) == len(numbers), 'an image was answered twice'
    return numbers


def all_accounted_for(rig: Any, camera: str | None = None) -> Any:
    """Wait until no frame is on its way and return the counts; each drop has a reason."""
    rig.until(lambda: rig.snapshot(camera).in_flight == 0)
    counts = rig.snapshot(camera)
    assert counts.frames_in == counts.frames_out + sum(counts.dropped.values())
    assert all(counts.dropped)
    return counts


def said_in_one_line(log: str, text: str) -> None:
    """Check that a process said why it ended, in one line, and showed no stack."""
    lines = [line for line in log.splitlines() if text in line]
    assert len(lines) == 1, f'{len(lines)} lines with {text!r} in:\n{log}'
    assert 'Traceback' not in log, log


@dataclass(frozen=True)
class Held:
    """What a process has of the machine."""

    memory: int
    """Bytes resident that no other process shares; the shared segments are counted apart."""
    threads: int
    files: int
    segments: int
    """Shared memory segments of the middleware that are mapped."""

    @classmethod
    def by(cls, pid: int | str = 'self') -> Held:
        """Measure a process; this one after its garbage was collected."""
        if pid == 'self':
            gc.collect()
            give_back_freed_memory()
        folder = Path(f'/proc/{pid}')
        _, resident, shared = (folder / 'statm').read_text().split()[:3]
        mapped = {line.split()[-1] for line in (folder / 'maps').read_text().splitlines()
                  if '/dev/shm/' in line}
        return cls((int(resident) - int(shared)) * os.sysconf('SC_PAGE_SIZE'),
                   len(os.listdir(folder / 'task')), len(os.listdir(folder / 'fd')), len(mapped))

    def more_than(self, before: Held, memory: int, others: int = 0) -> str:
        """What is held that was not before, '' where it is no more than allowed.

        :param memory: bytes that are allowed, as allocators keep some.
        :param others: threads, files and segments that are allowed, of each.
        """
        allowed = {'memory': memory, 'threads': others, 'files': others, 'segments': others}
        more = {kind: getattr(self, kind) - getattr(before, kind) for kind in allowed}
        return ', '.join(f'{count:+} {kind}' for kind, count in more.items()
                         if count > allowed[kind])
