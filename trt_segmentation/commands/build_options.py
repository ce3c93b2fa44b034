# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg build``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
import os
from pathlib import Path

from ..engines import PRECISIONS
from ..errors import GraphError
from .arguments.options import add_gpu, add_label_values, Commands, set_command
from .arguments.values import byte_count, count, fraction


@dataclass(frozen=True)
class BuildCommandOptions:
    """Every option of ``trt_seg build``.

    :param model: path of a model card, or the name of an installed card.
    :param shapes: input sizes. :class:`.Recipe` explains ``shapes``, ``batch``, ``precision``,
        ``simplify`` and ``cut_resize``.
    :param workspace: scratch memory of a layer, in bytes. :class:`.BuildOptions` explains
        ``workspace``, ``level`` and ``arch``.
    :param keep_fp16: name patterns of the nodes that stay FP16.
    :param calibrate: recordings on which ranges are measured; () uses the ranges of an earlier
        build.
    :param topic: image topic of the bags; None if each bag has only one image topic.
    :param frames: number of frames that are chosen for the calibration.
    :param method: how ranges are computed: entropy, minmax or percentile.
    :param hold_out: recordings on which accuracy is measured. () means the frames that
        calibration did not use or, without calibration, street scenes.
    :param hold_out_labels: one folder of label maps for each recording of ``hold_out``; ``-`` if
        a recording has no label maps.
    :param ignore: values in ``hold_out_labels`` that are not scored.
    :param label_map: class id of each value in ``hold_out_labels``; see
        :func:`.label_values.load_value_map`.
    :param hold_out_frames: number of frames of each recording of ``hold_out``.
    :param compare: whether the report has every precision, or only the precision that is built.
    :param max_miou_drop: largest accepted loss of mean IoU against FP32, 0 to 1; None for no
        limit.
    :param search: change layers from INT8 back to FP16 until the loss is below ``max_miou_drop``.
    :param report: folder for the pictures and numbers of the report; None for the usual folder.
    :param out: file for the plan; None writes the plan to the cache. A ROS node with the same
        workspace and level finds the plan in the cache.
    :param gpu: index of the GPU, as CUDA counts.
    :param cache: folder of the cache; empty for the usual folder.
    """

    model: str
    precision: str = 'fp16'
    shapes: str = ''
    batch: str = ''
    workspace: int = 1 << 30
    level: int = 3
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
    cut_resize: bool = False

    def check(self) -> None:
        """Refuse options that contradict each other, before any long work begins.

        Also refuse an ``out`` that cannot be written, or an existing file that is no plan of
        this package.

        :raises GraphError: if options contradict each other; the message names the options.
        :raises OutputError: if ``out`` cannot be written; the message names the file.
        """
        self._check_calibration()
        self._check_accuracy()
        self._check_destination()

    def _changed(self, *names: str) -> list[str]:
        """Return the names of the options that have another value than the default."""
        default = BuildCommandOptions(self.model)
        return [name for name in names if getattr(self, name) != getattr(default, name)]

    def _check_calibration(self) -> None:
        if self.precision not in ('int8', 'mixed'):
            for name in self._changed('calibrate', 'keep_fp16', 'search'):
                raise GraphError(f'{_option(name)} is for int8 and mixed, not for '
                                 f'{self.precision}')
        if not self.calibrate:
            for name in self._changed('frames', 'method'):
                raise GraphError(f'{_option(name)} is for measuring ranges; give recordings with '
                                 '--calibrate')
        if self.topic and not (self.calibrate or self.hold_out):
            raise GraphError('--topic names a topic of a bag; give bags with --calibrate or '
                             '--hold-out')
        if self.search and self.max_miou_drop is None:
            raise GraphError('--search needs a limit to stop at: --max-miou-drop')
        if self.search and not self.calibrate:
            raise GraphError('--search needs frames to rank layers on: --calibrate')

    def _check_accuracy(self) -> None:
        if self.precision == 'fp32' and not self.cut_resize:
            for name in self._changed('compare', 'hold_out', 'max_miou_drop', 'report'):
                raise GraphError(f'{_option(name)} compares a precision with fp32, so it is not '
                                 'for fp32')
        if self.hold_out_labels and not self.hold_out:
            raise GraphError('--hold-out-labels gives label maps of images; give the images with '
                             '--hold-out')
        if self.hold_out_labels and len(self.hold_out_labels) != len(self.hold_out):
            raise GraphError(
                f'--hold-out-labels has {len(self.hold_out_labels)} folders, --hold-out '
                f'{len(self.hold_out)}; give one folder of label maps for each, in the same '
                'order, and - if there is none')
        if (self.ignore or self.label_map) and not self.hold_out_labels:
            raise GraphError('--ignore and --map are for label maps: --hold-out-labels')

    def _check_destination(self) -> None:
        from ..untrusted.output_files import check_file
        from ..untrusted.signed_files import load_signed, sidecar_path
        special = self._changed('shapes', 'batch', 'arch', 'simplify')
        if special and self.out is None:
            raise GraphError(
                f'{", ".join(special)}: no node looks for such an engine in the cache; write a '
                'plan file with --out FILE')
        if self.out and os.path.lexists(self.out) and load_signed(self.out)[0] is None:
            raise GraphError(f'--out {self.out} exists already and no build wrote it; name '
                             'another file')
        if self.out:
            check_file(sidecar_path(self.out), '--out')
        if self.cache and self.out is not None:
            raise GraphError('--cache and --out exclude each other: a plan goes to the cache or '
                             'to a file')


def _option(name: str) -> str:
    return f'--{name.replace("_", "-")}'


def add_command(commands: Commands) -> None:
    """Add ``trt_seg build`` with its arguments."""
    parser = commands.add_parser(
        'build', help='build a TensorRT engine, and report what its precision costs',
        description='Check, simplify, calibrate and build the network of a model card with '
        'TensorRT or TensorRT-RTX. A precision below fp32 is compared with fp32 first, and the '
        'figures are written to a folder. Without --out the plan goes to the cache. A node with '
        'the same card, precision, workspace and level finds the plan there.')
    parser.add_argument('model', metavar='MODEL_CARD',
                        help='model card, or name of an installed card')
    parser.add_argument('--out', type=Path, metavar='PLAN',
                        help='write the plan to this file; with TensorRT-RTX this needs no GPU')
    parser.add_argument('--cache', metavar='DIR',
                        help='folder of the cache: the engine_cache of a node '
                        '(~/.cache/trt_segmentation)')
    parser.add_argument('--precision', choices=PRECISIONS,
                        help='mixed means an INT8 backbone and an FP16 head (%(default)s)')
    parser.add_argument('--shapes', metavar='HxW',
                        help='input size; or MIN/OPT/MAX if the network leaves the size open')
    parser.add_argument('--batch', metavar='N',
                        help='batch size; or MIN/OPT/MAX if the network leaves it open (1/1/8)')
    parser.add_argument('--workspace', type=byte_count, metavar='1G',
                        help='largest scratch memory of one layer')
    parser.add_argument('--level', type=int, choices=range(6),
                        help='how long TensorRT looks for fast kernels (%(default)s)')
    parser.add_argument('--arch', metavar='sm_89',
                        help='GPU architecture to build for, with TensorRT-RTX (all that it '
                        'knows, or the GPU of this machine)')
    parser.add_argument('--cut-resize', action='store_true',
                        help='leave out the Resize at the end of the network, and enlarge the '
                        'scores only once, to the size of the camera image; the report shows how '
                        'many labels change')
    parser.add_argument('--no-simplify', dest='simplify', action='store_false',
                        help='do not simplify the exported graph')
    add_gpu(parser)
    _add_calibration(parser.add_argument_group('int8 and mixed'))
    _add_accuracy(parser.add_argument_group('accuracy'))
    set_command(parser, BuildCommandOptions, _run)


def _add_calibration(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--calibrate', nargs='+', metavar='BAG|DIR|street',
                       help='recordings to measure ranges on. The ranges are kept beside the '
                       'network; a build without --calibrate uses them again')
    group.add_argument('--topic', metavar='T',
                       help='image topic of the bags (the only image topic)')
    group.add_argument('--frames', type=count, metavar='N',
                       help='number of frames to calibrate on; they are chosen to cover light and '
                       'time (%(default)s)')
    group.add_argument('--method', choices=('entropy', 'minmax', 'percentile'),
                       help='how ranges are computed (%(default)s)')
    group.add_argument('--keep-fp16', nargs='+', metavar='PATTERN',
                       help='nodes that must stay FP16, such as "/head/*"')
    group.add_argument('--search', action='store_true',
                       help='keep the layers that cost most in FP16 until the loss is below '
                       '--max-miou-drop')


def _add_accuracy(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--hold-out', nargs='+', metavar='BAG|DIR|street',
                       help='recordings to measure accuracy on, one for each condition (frames '
                       'that calibration left out; if there are none, street scenes)')
    group.add_argument('--hold-out-labels', nargs='+', metavar='DIR|-',
                       help='label maps of each --hold-out, in the same order; - for none')
    add_label_values(group)
    group.add_argument('--hold-out-frames', type=count, metavar='N',
                       help='frames of each --hold-out (%(default)s)')
    group.add_argument('--compare', action='store_true',
                       help='report fp16, int8 and mixed too, not only the built precision')
    group.add_argument('--max-miou-drop', type=fraction, metavar='X',
                       help='build nothing if the loss of mean IoU against fp32 is larger than '
                       'this; without label maps, if a larger fraction of pixels changes')
    group.add_argument('--report', type=Path, metavar='DIR',
                       help='folder for figures and numbers (CARD-PRECISION-report)')


def _run(options: BuildCommandOptions) -> int:
    from .build import run_build
    return run_build(options)
