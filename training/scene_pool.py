# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes that all cores draw while the training runs, and the batches made from them.

Job ``i`` always draws the same scenes. Its seeds are below ``TEST_SEED``. The order in which jobs
end depends on the machine, so two runs see the same scenes in slightly different orders.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
import mmap
import multiprocessing
import os
import queue
import threading
import time
from typing import Any

import cv2
from drawings.busy_street import Bank, BusyDrive
import numpy as np
from restyle import Restyler
from scenes import augment, DEVICE, HEIGHT, normalise_rgb, TEST_SEED, WIDTH
import torch
from torch.nn.functional import grid_sample

from trt_segmentation.street import CONDITIONS, Drive

JOB = 48
"""Number of scenes of a job."""
PLAIN = 16
"""Number of scenes of a job that are plain scenes, as the tests are. They come first."""
SIZES = ((HEIGHT, WIDTH), (448, 768), (448, 768))
_SLOTS = 512
_BYTES = HEIGHT * WIDTH * 4


def draw_job(job: int) -> Any:
    """Yield (is plain, image, codes) for every scene of a job."""
    for index in range(PLAIN // 2):
        seed = job * JOB + index
        drive = Drive(seed, CONDITIONS[seed % len(CONDITIONS)], 1280, 720)
        rng = np.random.Generator(np.random.PCG64([seed, 51]))
        for number in rng.integers(0, 18000, 2).tolist():
            scene = drive.frame(number)
            yield (True, cv2.resize(scene.image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR),
                   cv2.resize(scene.truth, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST))
    bank = Bank.paint(job)
    for index in range((JOB - PLAIN) // 4):
        drive = BusyDrive(job * JOB + PLAIN + index, bank, WIDTH, HEIGHT)
        for _ in range(4):
            yield (False, *drive.codes())


def _draw(memory: mmap.mmap, jobs: Any, free: Any, ready: Any) -> None:
    """Draw jobs until the training ends. A slot of the memory holds an image and its codes."""
    cv2.setNumThreads(1)
    os.nice(5)
    parent = os.getppid()
    slots = np.frombuffer(memory, np.uint8).reshape(_SLOTS, HEIGHT, WIDTH * 4)
    while True:
        with jobs.get_lock():
            job, jobs.value = jobs.value, jobs.value + 1
        if (job + 1) * JOB >= TEST_SEED:
            return
        for is_plain, image, codes in draw_job(job):
            slot = None
            while slot is None:
                try:
                    slot = free.get(timeout=2.0)
                except queue.Empty:
                    if os.getppid() != parent:      # the training was killed
                        return
            slots[slot, :, :WIDTH * 3] = image.reshape(HEIGHT, -1)
            slots[slot, :, WIDTH * 3:] = codes
            ready.put((slot, is_plain))


@dataclass(frozen=True)
class Mixture:
    """What a batch consists of.

    :param mild: fraction of a batch that consists of plain scenes with a mild augmentation.
    :param views: number of restyled versions of each scene that is not mild.
    """

    batch: int = 32
    mild: float = 0.3
    views: int = 1

    @property
    def mild_count(self) -> int:
        return round(self.batch * self.mild / 2) * 2

    @property
    def scene_count(self) -> int:
        return (self.batch - self.mild_count) // self.views


class ScenePool:
    """The newest scenes, on the device. Processes draw more until :meth:`stop`.

    The constructor starts the processes. Call it before anything uses the GPU.
    """

    def __init__(self, capacity: int) -> None:
        fork = multiprocessing.get_context('fork')
        self._memory = mmap.mmap(-1, _SLOTS * _BYTES)
        self._jobs, self._free, self._ready = fork.Value('q', 0), fork.Queue(), fork.Queue()
        for slot in range(_SLOTS):
            self._free.put(slot)
        self._workers = [fork.Process(
            target=_draw, args=(self._memory, self._jobs, self._free, self._ready), daemon=True)
            for _ in range(max(len(os.sched_getaffinity(0)) - 1, 1))]
        for worker in self._workers:
            worker.start()
        self._capacity, self.drawn = capacity, 0
        self._ended = threading.Event()
        self._copier = threading.Thread(target=self._copy, daemon=True)

    def allocate(self) -> None:
        """Allocate the memory of the pool on the device."""
        size = (self._capacity, HEIGHT, WIDTH)
        self.images = torch.empty((*size, 3), dtype=torch.uint8, device=DEVICE)
        self.codes = torch.empty(size, dtype=torch.uint8, device=DEVICE)
        self._plain = np.zeros(self._capacity, bool)
        self._slots = torch.from_numpy(
            np.frombuffer(self._memory, np.uint8).reshape(_SLOTS, HEIGHT, WIDTH * 4))

        # A stream of its own: otherwise every copy would wait for the training.
        self._stream = torch.cuda.Stream() if DEVICE == 'cuda' else None
        self._copier.start()

    def _copy(self) -> None:
        """Copy scenes that are ready to the device until the pool stops.

        Many scenes at once need few calls. Each call would hold up the thread that trains.
        """
        while not self._ended.wait(0.05):
            found: list[tuple[int, bool]] = []
            while len(found) < 64 and not self._ready.empty():
                found.append(self._ready.get())
            if not found:
                continue
            slots, plain = zip(*found)
            places = (self.drawn + np.arange(len(found))) % self._capacity
            with torch.cuda.stream(self._stream):
                index = torch.from_numpy(places).to(DEVICE)
                scenes = self._slots[list(slots)].to(DEVICE)
                self.images[index] = scenes[:, :, :WIDTH * 3].reshape(-1, HEIGHT, WIDTH, 3)
                self.codes[index] = scenes[:, :, WIDTH * 3:]
            if self._stream:
                self._stream.synchronize()
            self._plain[places] = plain
            self.drawn += len(found)
            for slot in slots:
                self._free.put(slot)

    def wait(self, count: int) -> None:
        while self.drawn < count:
            time.sleep(0.02)

    def stop(self) -> None:
        """End the processes that draw, and the copies."""
        self._ended.set()
        self._copier.join()
        for worker in self._workers:
            worker.terminate()

    def pick(self, count: int, plain: bool, rng: np.random.Generator) -> torch.Tensor:
        """Return the places of random scenes, or of random plain scenes."""
        drawn = self.drawn
        # The oldest scenes of a full pool may be replaced at any moment.
        first = max(drawn + _SLOTS - self._capacity, 0)
        if plain:
            places = rng.choice(np.flatnonzero(self._plain[:min(drawn, self._capacity)]), count)
        else:
            places = rng.integers(first, drawn, count) % self._capacity
        return torch.from_numpy(places).to(DEVICE)

    def class_weights(self, classes: int) -> torch.Tensor:
        """Return (classes,) weights with a mean of 1. Rare classes have larger weights."""
        codes = self.codes[:min(self.drawn, 1000)].flatten()
        share = torch.zeros(256, device=DEVICE)
        for part in codes.split(1 << 24):
            share += torch.bincount(part.int(), minlength=256)
        share = share[:250].view(-1, classes).sum(0)
        weight = (share / share.sum()).clamp(min=1e-3) ** -0.35
        return weight / weight.mean()


def warp(images: torch.Tensor, codes: torch.Tensor, size: tuple[int, int],
         random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Flip, zoom, stretch, turn and shift scenes. Return RGB from 0 to 1, and int64 codes.

    :param size: (height, width) of the result.
    """
    n = len(images)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(n, device=DEVICE, generator=random) * (high - low) + low
    shrink = size[1] / WIDTH
    # The part of the scene that is shown. The aspect is that of a 4:3 image stretched to 16:9.
    zoom = torch.exp(uniform(math.log(0.45), math.log(1.0)) * 1.0)
    zoom = torch.minimum(zoom * (0.7 + 0.6 * shrink), torch.ones_like(zoom))
    aspect = torch.exp(uniform(-0.05, 0.42))
    wide, high = zoom / aspect.sqrt(), (zoom * aspect.sqrt()).clamp(max=1.0)
    flip, turn, tilt = torch.sign(uniform(-1, 1)), uniform(-0.05, 0.05), uniform(-0.12, 0.12)
    y = torch.linspace(-1, 1, size[0], device=DEVICE).view(1, -1, 1)
    x = torch.linspace(-1, 1, size[1], device=DEVICE).view(1, 1, -1)
    w, h, flip, turn, tilt = (v.view(n, 1, 1) for v in (wide, high, flip, turn, tilt))
    depth = 1 + tilt * x
    u = w * flip * (x + turn * y) / depth
    v = h * (y - turn * x) / depth
    u = u + (1 - w) * uniform(-1, 1).view(n, 1, 1)
    v = v + (1 - h) * uniform(-1, 1).view(n, 1, 1)
    grid = torch.stack([u, v.expand_as(u)], -1)
    rgb = images.flip(-1).permute(0, 3, 1, 2).float() / 255
    rgb = grid_sample(rgb, grid, padding_mode='reflection', align_corners=False)
    found = grid_sample(codes[:, None].float(), grid, mode='nearest', padding_mode='reflection',
                        align_corners=False)
    return rgb, found[:, 0].long()


def to_truth(codes: torch.Tensor) -> torch.Tensor:
    """Return class ids. 255 is ignored."""
    return torch.where(codes == 255, codes, codes % 10)


class StyledBatches:
    """An endless iterator of normalised images and their truths, in the order mild, restyled.

    With two views, the second view of the restyled scenes follows the first. For ``plain`` and
    ``sizes``, see :class:`recipes.Recipe`.
    """

    def __init__(self, pool: ScenePool, mixture: Mixture, restyler: Restyler,
                 random: torch.Generator, seed: int, plain: bool = False,
                 sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
        self._pool, self._mixture, self._restyler = pool, mixture, restyler
        self._random, self._rng = random, np.random.Generator(np.random.PCG64(seed))
        self._plain, self._sizes = plain, sizes

    def __iter__(self) -> StyledBatches:
        return self

    def __next__(self) -> tuple[torch.Tensor, torch.Tensor]:
        mixture, pool = self._mixture, self._pool
        size = self._sizes[int(self._rng.integers(len(self._sizes)))]
        index = pool.pick(mixture.scene_count, self._plain, self._rng)
        x, codes = warp(pool.images[index], pool.codes[index], size, self._random)
        views = [normalise_rgb(self._restyler(x, codes)) for _ in range(mixture.views)]
        truths = [to_truth(codes)] * mixture.views
        if mixture.mild_count:
            index = pool.pick(mixture.mild_count, True, self._rng)
            plain, known = augment(pool.images[index], pool.codes[index].long(), self._random,
                                   size)
            views, truths = [plain, *views], [known, *truths]
        x = torch.cat(views).contiguous(memory_format=torch.channels_last)
        return x, torch.cat(truths)
