# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The loss, the steps and the tests of a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
import math
from pathlib import Path
import platform
import time
from typing import Any

import cv2
import numpy as np
from scenes import DEVICE, HEIGHT, normalise, Scenes, WIDTH
import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate, kl_div
import torchvision

from trt_segmentation.street import CLASSES

Batches = Iterator[tuple[torch.Tensor, torch.Tensor]]
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""A function of logits, truths and images. It returns a scalar."""

DECAY = 0.998
"""In each step, the mean weights keep this fraction of their old value."""


@dataclass
class Budget:
    """The length of a training: ``steps``, or if this is 0, ``seconds`` with all tests."""

    steps: int = 0
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def used(self, step: int) -> float:
        """Return the used fraction of the budget. It is 1 at the end."""
        return step / self.steps if self.steps else (time.monotonic() - self.began) / self.seconds


class Learner:
    """A network in training, its mean weights and its test results.

    :ivar mean: a network with the exponential mean of the weights and batch statistics. This
        network, and not ``net``, is tested and exported.
    :ivar log: one entry for each test.
    :param rise: number of steps in which the learning rate rises to ``rate``.
    """

    weight_decay = 0.01
    clip = 0.0
    """Largest norm of the gradients; 0 for no limit."""

    def __init__(self, net: nn.Module, loss: Loss, rate: float, rise: int = 200) -> None:
        self.net = net.to(DEVICE, memory_format=torch.channels_last)
        self.mean = deepcopy(self.net).eval()
        self.loss, self.rate, self.steps, self.last = loss, rate, 0, torch.zeros(())
        self._rise = rise
        self.log: list[dict[str, Any]] = []
        self._means, self._weights = ([values for values in some.state_dict().values()
                                       if values.is_floating_point()]
                                      for some in (self.mean, self.net))
        self._optimizer = torch.optim.AdamW(net.parameters(), lr=rate,
                                            weight_decay=self.weight_decay)

    def schedule(self, used: float) -> float:
        """Return the factor of the learning rate. It falls to 0 towards the end of the budget."""
        return min(1, self.steps / self._rise) * math.pow(1 - min(used, 0.999), 0.9)

    def learn(self, x: torch.Tensor, y: torch.Tensor, used: float) -> None:
        """Take one step. ``used`` is the used fraction of the budget."""
        for group in self._optimizer.param_groups:
            group['lr'] = self.rate * self.schedule(used)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == 'cuda'):
            logits = self.net(x)
        self.last = self.loss(logits, y, x)
        self._optimizer.zero_grad(set_to_none=True)
        self.last.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        self._optimizer.step()
        self.steps += 1
        # The decay is smaller at first. Otherwise the first weights spoil the mean of a short run.
        follow = max(1 - DECAY, 9 / (self.steps + 9))
        with torch.no_grad():
            torch._foreach_lerp_(self._means, self._weights, follow)

    def test(self, tests: Mapping[str, Scenes], seconds: float) -> str:
        """Test the network, add an entry to the log, and return a line to print."""
        iou = {condition: test_iou(self.mean, scenes) for condition, scenes in tests.items()}
        self.log.append({'step': self.steps, 'seconds': round(seconds, 1),
                         'loss': round(self.last.item(), 4),
                         'iou': {c: [round(v, 4) for v in iou[c]] for c in iou}})
        means = {c: round(float(np.mean(v)), 4) for c, v in iou.items()}
        return f'step {self.steps}, {seconds:.0f} s, loss {self.last.item():.3f}, {means}'


def fit(learners: Mapping[str, Learner], batches: Batches, budget: Budget,
        tests: Mapping[str, Scenes], count: int, tested: Callable[[], None] = lambda: None,
        tune: bool = True) -> None:
    """Train several networks on the same batches.

    :param count: number of tests. They are spread evenly over the budget. The last test is at
        the end of the budget.
    :param tested: called after every test.
    :param tune: whether cuDNN tries several algorithms for each shape. That can take a minute.
    """
    torch.backends.cudnn.benchmark = tune
    done = 0
    for step, (x, y) in enumerate(batches):
        used = budget.used(step)
        for learner in learners.values():
            learner.learn(x, y, used)
        if step % 20 == 0 and DEVICE == 'cuda':
            torch.cuda.synchronize()        # the budget must include the time of the GPU
        if (used := budget.used(step + 1)) >= (done + 1) / count:
            done = int(used * count + 1e-9)
            for name, learner in learners.items():
                print(f'{name}:', learner.test(tests, time.monotonic() - budget.began), flush=True)
            tested()
        if used >= 1:
            return


def supervised(weight: torch.Tensor) -> Loss:
    """Return a loss: the cross-entropy, plus 1, minus the soft Jaccard index (IoU).

    Pixels whose truth is 255 are ignored.
    """
    def loss(logits: torch.Tensor, truth: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        logits = interpolate(logits.float(), size=truth.shape[-2:], mode='bilinear',
                             align_corners=False)
        probability = logits.softmax(1) * (truth != 255)[:, None]
        is_class = [truth == c for c in range(len(CLASSES))]
        both = torch.stack([(p * mask).sum() for p, mask in zip(probability.unbind(1), is_class)])
        union = probability.sum((0, 2, 3)) + torch.stack([m.sum() for m in is_class]) - both
        jaccard = (1 - (both + 1) / (union + 1)).mean()
        return cross_entropy(logits, truth, weight, ignore_index=255) + jaccard
    return loss


def consistent(loss: Loss, mild: int, scenes: int, share: float) -> Loss:
    """Return a loss: ``loss`` plus the divergence between two stylings of the same scenes.

    :param mild: number of images at the start of a batch that have one styling only.
    :param scenes: number of scenes with two stylings. All first stylings come before the second.
    :param share: weight of the divergence.
    """
    def both(logits: torch.Tensor, truth: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        first, second = (logits[start:start + scenes].float().log_softmax(1)
                         for start in (mild, mild + scenes))
        mean = torch.logaddexp(first, second) - math.log(2)
        apart = sum(kl_div(mean, one, reduction='none', log_target=True).sum(1).mean()
                    for one in (first, second))
        return loss(logits, truth, x) + share * apart / 2
    return both


def test_iou(net: nn.Module, scenes: Scenes) -> list[float]:
    """Return the IoU of each class, measured at the input size of the network."""
    table = torch.zeros(len(CLASSES) ** 2, dtype=torch.int64, device=DEVICE)
    with torch.no_grad():
        for images, truths in zip(scenes.images.split(25), scenes.truths.split(25)):
            logits = interpolate(net(normalise(images)), size=(HEIGHT, WIDTH), mode='bilinear',
                                 align_corners=False)
            index = truths.long() * len(CLASSES) + logits.argmax(1)
            table += torch.bincount(index.flatten(), minlength=len(table))
    confusion = table.view(len(CLASSES), -1).double()
    hit = confusion.diag()
    iou: list[float] = (hit / (confusion.sum(0) + confusion.sum(1) - hit)).tolist()
    return iou


def plot(path: Path, curves: Mapping[str, tuple[list[int], list[float]]], ylabel: str) -> None:
    """Plot the mean IoU over the training. ``curves`` maps a label to its steps and values."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, axis = pyplot.subplots(figsize=(7, 4), layout='constrained')
    for label, (steps, values) in curves.items():
        axis.plot(steps, values, marker='o', label=label)
    axis.set(xlabel='training step', ylabel=ylabel, ylim=(0, 1))
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(path, dpi=120)


def versions() -> dict[str, str]:
    """Return the versions of the software that can change a figure, and the GPU."""
    gpu = torch.cuda.get_device_name() if DEVICE == 'cuda' else 'none'
    return {'python': platform.python_version(), 'torch': torch.__version__,
            'torchvision': torchvision.__version__, 'numpy': np.__version__,
            'opencv': cv2.__version__, 'gpu': gpu}
