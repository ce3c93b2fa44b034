# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Report the kernels of an INT8 plan, and the nodes that did not become INT8.

A plan holds the bytes of a TensorRT engine. A kernel is a GPU program of the engine. Each kernel
computes one or more nodes of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engines.plan import (
    count_precisions,
    describe_precisions,
    find_kernels,
    from_json,
    Layer,
    Plan,
)
from ..untrusted.output_files import write_json

KERNELS_FILE = 'kernels.json'
"""Name of the file in the folder of the report."""


@dataclass(frozen=True)
class KernelReport:
    """The kernels of an int8 or mixed plan, compared with the kernels of the fp16 plan.

    :param precision: ``int8`` or ``mixed``.
    :param kernels: kernels of the plan.
    :param fp16: kernels of the fp16 plan of the same network.
    :param not_int8: the nodes that should be INT8 but are not INT8. A key is the name of a node,
        and its value is the precision of the node's kernel. The value is empty if the plan lists
        no kernel for the node.
    :param asked: number of the nodes that should be INT8.
    """

    precision: str
    kernels: Sequence[Layer]
    fp16: Sequence[Layer]
    not_int8: dict[str, str]
    asked: int

    @property
    def is_probably_slower(self) -> bool:
        """Whether the plan has more kernels than the fp16 plan. Each kernel start takes time."""
        return len(self.kernels) > len(self.fp16)

    def lines(self) -> list[str]:
        """The report as lines of text."""
        count, rival = len(self.kernels), len(self.fp16)
        found = [f'kernels: {count} with {self.precision} ({describe_precisions(self.kernels)}), '
                 f'{rival} with fp16 ({describe_precisions(self.fp16)})']
        if self.not_int8:
            names = ', '.join(f'{name} ({kind or "not listed"})'
                              for name, kind in self.not_int8.items())
            found.append(f'{len(self.not_int8)} of {self.asked} nodes that should be int8 are '
                         f'not: {names}')
        else:
            found.append(f'all {self.asked} nodes that should be int8 are int8')
        if self.is_probably_slower:
            found.append(f'warning: {self.precision} will probably be slower than fp16, because '
                         f'its plan has {count - rival} more kernels. Measure both precisions '
                         f'with `trt_seg bench`, or build fp16')
        return found

    def write(self, folder: Path) -> None:
        """Write kernels.json to a folder.

        :raises OutputError: if the file cannot be written.
        """
        tree: dict[str, Any] = {
            name: {'kernels': len(kernels), 'precisions': count_precisions(kernels)}
            for name, kernels in ((self.precision, self.kernels), ('fp16', self.fp16))}
        tree |= {'asked_for_int8': self.asked, 'not_int8': self.not_int8,
                 'probably_slower': self.is_probably_slower}
        write_json(folder / KERNELS_FILE, tree)


def compare_kernels(plan: Plan, fp16: Plan, asked: Sequence[str]) -> KernelReport | None:
    """Compare the kernels of an int8 or mixed plan with those of the fp16 plan.

    :param asked: names of the ONNX nodes that should be INT8.
    :returns: None if TensorRT did not list the kernels of a plan.
    """
    if any(about['layers_are'] != 'built' for about in (plan.about, fp16.about)):
        return None
    kernels, rival = (find_kernels(from_json(about['layers']))
                      for about in (plan.about, fp16.about))
    precisions: dict[str, set[str]] = {name: set() for name in asked}
    for kernel in kernels:
        for name in precisions.keys() & set(kernel.onnx):
            precisions[name].add(kernel.precision)
    not_int8 = {name: ', '.join(sorted(kinds)) for name, kinds in precisions.items()
                if 'int8' not in kinds}
    return KernelReport(str(plan.about['precision']), kernels, rival, not_int8, len(precisions))
