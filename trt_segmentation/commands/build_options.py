# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What an engine build was asked for."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path

from ..builder.build import BuildOptions
from ..builder.prepare import Recipe
from ..errors import GraphError
from ..untrusted.output_files import check_file
from ..untrusted.signed_files import load_signed, sidecar_path


@dataclass(frozen=True)
class BuildCommandOptions:
    """Every option of ``trt_seg build``.

    :param model: model card, or the name of an installed one.
    :param calibrate: recordings to measure ranges on; () for those measured before.
    :param frames: how many of their frames to calibrate on.
    :param hold_out: recordings to measure accuracy on; () for frames that calibration left
        out or, without any, street scenes.
    :param hold_out_labels: folder of label maps for each of ``hold_out``, ``-`` for none.
    :param ignore: values of these label maps to leave out.
    :param label_map: map of these label maps, see :func:`.label_values.load_value_map`.
    :param compare: report every precision, not only the one built.
    :param max_miou_drop: what may be lost to FP32; None for no limit.
    :param search: put layers back to FP16 until the loss is below ``max_miou_drop``.
    :param report: folder for figures and numbers.
    :param out: plan to write; None for the cache, where a node of the same workspace and level
        finds it.
    :param cache: folder of the cache; '' for the usual one.
    """

    model: str
    precision: str = 'fp16'
    shapes: str = ''
    batch: str = ''
    workspace: int = BuildOptions.workspace
    level: int = BuildOptions.level
    arch: str = ''
    simplify: bool = True
    keep_fp16: tuple[str, ...] = ()
    calibrate: tuple[str, ...] = ()
    topic: str | None = None
    frames: int = 300
    method: str = 'entropy'
    hold_out: tuple[str, ...] = ()
    hold_out_labels: tuple[str, ...] = ()
    ignore: tuple[range, ...] = ()
    label_map: str | None = None
    hold_out_frames: int = 48
    compare: bool = False
    max_miou_drop: float | None = None
    search: bool = False
    report: Path | None = None
    out: Path | None = None
    gpu: int = 0
    cache: str = ''

    @property
    def recipe(self) -> Recipe:
        """What the graph is to be.

        Nodes kept FP16 are not in it but in the calibration, which a node reads too.
        """
        return Recipe(self.precision, self.shapes, self.batch, simplify=self.simplify)

    @property
    def options(self) -> BuildOptions:
        """What the builder is told."""
        return BuildOptions(self.workspace, self.level, arch=self.arch)

    def check(self) -> None:
        """Refuse options that contradict each other, before anything takes time.

        Refuses too an ``out`` that could not be written or that no build wrote.

        :raises GraphError: naming them.
        :raises OutputError: naming the file.
        """
        calibrated = self.recipe.needs_calibration
        for option, value in (('--calibrate', self.calibrate), ('--keep-fp16', self.keep_fp16),
                              ('--search', self.search)):
            if value and not calibrated:
                raise GraphError(f'{option} is for int8 and mixed, not for {self.precision}')
        self._check_reading()
        if self.hold_out_labels and len(self.hold_out_labels) != len(self.hold_out):
            raise GraphError(
                f'--hold-out-labels has {len(self.hold_out_labels)} folders, --hold-out '
                f'{len(self.hold_out)}; give one folder of label maps for each, in the same '
                f'order, and - for one without')
        if (self.ignore or self.label_map) and not self.hold_out_labels:
            raise GraphError('--ignore and --map are for label maps: --hold-out-labels')
        if self.search and self.max_miou_drop is None:
            raise GraphError('--search needs a bar to stop at: --max-miou-drop')
        if self.search and not self.calibrate:
            raise GraphError('--search needs frames to rank layers on: --calibrate')
        default = BuildCommandOptions(self.model)
        special = [name for name in ('shapes', 'batch', 'arch', 'simplify')
                   if getattr(self, name) != getattr(default, name)]
        if special and self.out is None:
            raise GraphError(
                f'{", ".join(special)}: no node looks for such an engine in the cache; name a '
                f'plan of your own with --out FILE')
        if self.out and os.path.lexists(self.out) and load_signed(self.out)[0] is None:
            raise GraphError(f'--out {self.out} is there already and no build wrote it; name '
                             'another file')
        if self.out:
            check_file(sidecar_path(self.out), '--out')
        if self.cache and self.out is not None:
            raise GraphError('--cache and --out: a plan goes to the one or the other')

    def _check_reading(self) -> None:
        """Refuse options that would be ignored, as nothing is read or compared."""
        default = BuildCommandOptions(self.model)
        for option, name in (('--compare', 'compare'), ('--hold-out', 'hold_out'),
                             ('--max-miou-drop', 'max_miou_drop'), ('--report', 'report')):
            if self.precision == 'fp32' and getattr(self, name) != getattr(default, name):
                raise GraphError(f'{option} compares a precision with fp32, so it is not for fp32')
        for option, name in (('--frames', 'frames'), ('--method', 'method')):
            if not self.calibrate and getattr(self, name) != getattr(default, name):
                raise GraphError(f'{option} is for measuring ranges; give recordings with '
                                 '--calibrate')
        if self.hold_out_labels and not self.hold_out:
            raise GraphError('--hold-out-labels are of images; give the images with --hold-out')
        if self.topic and not (self.calibrate or self.hold_out):
            raise GraphError('--topic is of a bag; give bags with --calibrate or --hold-out')
