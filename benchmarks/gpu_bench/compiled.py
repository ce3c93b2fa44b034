# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled PyTorch: ``torch.compile`` of the network with all pre- and postprocessing.

The whole work of a frame on the GPU is one CUDA graph (mode ``reduce-overhead``). The copies use
pinned memory. Several settings are measured, and the fastest one counts. The mode ``max-autotune``
is not measured. On one H200, this mode took 414 s to compile LR-ASPP, and the result was slower
(2.42 ms).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from . import networks
from .measure import HEIGHT, pictures, Stages, Way, WIDTH

SETTINGS = {
    'channels last': {}, 'frozen': {'freezing': True},
    'frozen, enlarged once': {'freezing': True, 'cut': True}}
"""The measured settings, all with the memory format channels last.

``frozen``: weights are constants, so the compiler can merge batch normalisation into convolutions.
``enlarged once``: the logits are enlarged only once, from the stride of the network to the size of
the camera image.
"""
AHEAD = 3
"""Number of batches that are in work at the same time while the rate is measured."""


def settings_of(name: str) -> list[str]:
    enlarges = networks.read_name(name).family in networks.ENLARGING
    return [setting for setting, given in SETTINGS.items() if enlarges or 'cut' not in given]


def make_segment(name: str, freezing: bool = False,
                 cut: bool = False) -> Callable[[Any], tuple[Any, Any]]:
    """Compile a function from frames to label maps and overlays.

    The frames are (n, HEIGHT, WIDTH, 3) uint8 BGR on the GPU. The label maps are (n, HEIGHT,
    WIDTH) uint8, and the overlays have the shape of the frames.
    """
    import torch
    import torch._inductor.config as inductor
    from torch.nn.functional import interpolate
    inductor.freezing = freezing
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    shape = torch.channels_last
    parts, card = networks.read_name(name), networks.card(Path(), name)
    model = networks.build(name, cut).to(memory_format=shape)
    dtype = torch.float16 if parts.precision == 'fp16' else torch.float32
    mean, std, palette = networks.on_gpu(card, dtype)

    def segment(frames: Any) -> tuple[Any, Any]:
        image = frames.permute(0, 3, 1, 2).flip(1).to(dtype) / 255
        small = interpolate(image, (networks.HEIGHT, networks.WIDTH), mode='bilinear')
        logits = model(((small - mean) / std).contiguous(memory_format=shape))
        labels = interpolate(logits, (HEIGHT, WIDTH), mode='bilinear').argmax(1)
        overlay = (frames * 0.5 + palette[labels] * 0.5).round().to(torch.uint8)
        return labels.to(torch.uint8), overlay
    compiled: Callable[[Any], tuple[Any, Any]] = torch.compile(
        segment, mode='reduce-overhead', dynamic=False)
    return compiled


class CompiledFrames:
    """Sends frames from pinned memory through the compiled function."""

    def __init__(self, name: str, setting: str) -> None:
        import torch
        self._torch = torch
        self._batch = networks.read_name(name).batch
        self._segment = make_segment(name, **SETTINGS[setting])
        torch.cuda.empty_cache()
        image = (self._batch, HEIGHT, WIDTH, 3)

        def buffers(shape: tuple[int, ...], **where: Any) -> list[Any]:
            return [torch.empty(shape, dtype=torch.uint8, **where) for _ in range(AHEAD)]
        self._up, self._overlay_down = (buffers(image, pin_memory=True) for _ in range(2))
        self._labels_down = buffers(image[:3], pin_memory=True)
        self._frames, self._overlays = (buffers(image, device='cuda') for _ in range(2))
        self._labels = buffers(image[:3], device='cuda')
        for place in self._up:
            place.copy_(torch.from_numpy(np.stack([pictures(1)[0]] * self._batch)))
        torch._dynamo.mark_static_address(self._frames[0])
        self._streams = [torch.cuda.Stream() for _ in range(3)]
        self.stages: Stages = {'label map': []}

    def run(self, i: int) -> None:
        """Segment one batch, and wait for the label map and then for the overlay."""
        torch, began = self._torch, perf_counter()
        with torch.inference_mode():
            self._frames[0].copy_(self._up[0], non_blocking=True)
            labels, overlay = self._segment(self._frames[0])
            self._labels_down[0].copy_(labels, non_blocking=True)
            labelled = torch.cuda.current_stream().record_event()
            self._overlay_down[0].copy_(overlay, non_blocking=True)
            labelled.synchronize()
            self.stages['label map'].append((perf_counter() - began) * 1e3)
            torch.cuda.synchronize()

    def rate(self, seconds: float) -> float:
        """Measure frames per second with three streams and :data:`AHEAD` batches."""
        synchronize = self._torch.cuda.synchronize
        done: list[Any] = [None] * AHEAD
        with self._torch.inference_mode():
            for k in range(2 * AHEAD):      # records the CUDA graphs of all buffers
                self._enqueue(k % AHEAD)
                synchronize()
            count, began = 0, perf_counter()
            while perf_counter() - began < seconds or count < 20:
                k = count % AHEAD
                if done[k] is not None:
                    done[k].synchronize()
                done[k] = self._enqueue(k)
                count += 1
            synchronize()
        return count * self._batch / (perf_counter() - began)

    def _enqueue(self, k: int) -> Any:
        stream = self._torch.cuda.stream
        sending, computing, receiving = self._streams
        with stream(sending):
            self._frames[k].copy_(self._up[k], non_blocking=True)
        computing.wait_stream(sending)
        with stream(computing):
            # The next run overwrites these outputs, so they are copied first.
            for target, output in zip((self._labels[k], self._overlays[k]),
                                      self._segment(self._frames[k])):
                target.copy_(output)
        receiving.wait_stream(computing)
        with stream(receiving):
            self._labels_down[k].copy_(self._labels[k], non_blocking=True)
            self._overlay_down[k].copy_(self._overlays[k], non_blocking=True)
        return receiving.record_event()


def compiled(folder: Path, name: str, setting: str) -> Way:
    frames = CompiledFrames(name, setting)
    return Way(frames.run, frames.stages, frames.rate)
