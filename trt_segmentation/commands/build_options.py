# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg build``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
import os
from pathlib import Path

from ..builder.settings import BEST_METHOD, BuildOptions, METHODS, OPEN_BATCH, Recipe
from ..engines import PRECISIONS
from ..engines.nvidia_driver import ask_driver
from ..errors import EngineError, GraphError
from .arguments.options import add_gpu, add_label_values, Commands, set_options
from .arguments.values import byte_count, count, fraction, positive
from .doctor.libraries import absent
from .fleet.options import add_work, add_workers, CalibrationOptions


@dataclass(frozen=True)
class BuildCommandOptions(CalibrationOptions):
    """The options of ``trt_seg build``. The help text of each argument explains its option.

    :class:`.Recipe` explains ``shapes``, ``batch``, ``precision``, ``simplify`` and
    ``cut_resize``. :class:`.BuildOptions` explains ``workspace`` (bytes), ``level`` and ``arch``.

    :param hold_out_labels: one folder of label maps for each recording of ``hold_out``; ``-`` if
        a recording has no label maps.
    :param label_map: as in :class:`.EvaluateOptions`.
    :param max_miou_drop: largest accepted loss of mean IoU, 0 to 1; None for no limit.
    :param out: file for the plan (the built engine); None to write the plan to the cache.
    """

    model: str
    precision: str = Recipe.precision
    shapes: str = Recipe.sizes
    batch: str = Recipe.batch
    workspace: int = BuildOptions.workspace
    level: int = BuildOptions.level
    arch: str = BuildOptions.arch
    simplify: bool = Recipe.simplify
    keep_fp16: tuple[str, ...] = ()
    method: str = BEST_METHOD
    hold_out_labels: tuple[str, ...] = ()
    ignore: tuple[range, ...] = ()
    label_map: str | None = None
    compare: bool = False
    max_miou_drop: float | None = None
    search: bool = False
    report: Path | None = None
    out: Path | None = None
    gpu: int = 0
    cache: str = ''
    cut_resize: bool = False

    def check(self) -> None:
        """Check the options before any long work begins.

        :raises GraphError: if options contradict each other, or if ``out`` exists and is not a
            plan of this package.
        :raises OutputError: if ``out`` cannot be written.
        """
        self._check_calibration()
        self._check_workers()
        self._check_accuracy()
        self._check_destination()

    def _changed(self, *names: str) -> list[str]:
        default = BuildCommandOptions(self.model)
        return [name for name in names if getattr(self, name) != getattr(default, name)]

    def _check_calibration(self) -> None:
        if self.precision not in ('int8', 'mixed'):
            for name in self._changed('keep_fp16', 'search'):
                raise GraphError(f'{_option(name)} is for int8 and mixed, but --precision is '
                                 f'{self.precision}')
        if self.precision == 'fp32' and self.calibrate:
            raise GraphError('--calibrate is for fp16, int8 and mixed, but --precision is fp32')
        if not self.calibrate:
            for name in self._changed('frames', 'method'):
                raise GraphError(f'{_option(name)} is for a calibration; give recordings with '
                                 '--calibrate')
        if self.topic and not (self.calibrate or self.hold_out):
            raise GraphError('--topic is for bags; give bags with --calibrate or --hold-out')
        if self.search and self.max_miou_drop is None:
            raise GraphError('--search needs a limit of the accuracy loss; give the limit with '
                             '--max-miou-drop')
        if self.search and not self.calibrate:
            raise GraphError('--search needs recordings; give them with --calibrate')

    def _check_workers(self) -> None:
        if self.has_workers and not self.calibrate:
            raise GraphError('--workers and --ray are for a calibration; give recordings with '
                             '--calibrate')
        if self.has_workers and 'street' in self.calibrate:
            raise GraphError('workers read recordings only, so --calibrate street cannot be used '
                             'with --workers or --ray')
        for name in self._changed('every', 'cpus_per_worker', 'lease', 'retry', 'work'):
            if not self.has_workers:
                raise GraphError(f'{_option(name)} is for workers; give --workers or --ray')
        if self.ray is not None and self.work is None:
            raise GraphError('--ray needs a folder or URL that all machines see, for the '
                             'results of the workers; give it with --work')

    def _check_accuracy(self) -> None:
        if self.precision == 'fp32' and not self.cut_resize:
            for name in self._changed('compare', 'hold_out', 'max_miou_drop', 'report'):
                raise GraphError(f'{_option(name)} is for a comparison with fp32; give a '
                                 '--precision other than fp32')
        if self.hold_out_labels and not self.hold_out:
            raise GraphError('--hold-out-labels gives label maps of images; give the images with '
                             '--hold-out')
        if self.hold_out_labels and len(self.hold_out_labels) != len(self.hold_out):
            raise GraphError(
                f'--hold-out-labels has {len(self.hold_out_labels)} folders, and --hold-out has '
                f'{len(self.hold_out)} recordings; give one folder of label maps for each '
                'recording, in the same order, and - for a recording without label maps')
        if (self.ignore or self.label_map) and not self.hold_out_labels:
            raise GraphError('--ignore and --map are for label maps; give label maps with '
                             '--hold-out-labels')

    def _check_destination(self) -> None:
        from ..untrusted.output_files import check_file
        from ..untrusted.signed_files import load_signed, sidecar_path
        special = self._changed('shapes', 'batch', 'arch', 'simplify')
        if special and self.out is None:
            raise GraphError(
                f'{", ".join(map(_option, special))} cannot be used without --out FILE, because a '
                'node never looks in the cache for an engine with these options')
        if self.out and os.path.lexists(self.out) and load_signed(self.out)[0] is None:
            raise GraphError(f'--out {self.out} exists already, and `trt_seg build` did not write '
                             'it; name another file')
        if self.out:
            check_file(sidecar_path(self.out), '--out')
        if self.cache and self.out is not None:
            raise GraphError('--cache and --out exclude each other, because a plan goes to the '
                             'cache or to a file; give only one of them')


def check_build_packages() -> None:
    """Look for all packages that ``trt_seg build`` needs.

    Without this check, a failed import would name only the first missing package.

    :raises EngineError: if a package is missing. The message has the command that installs all
        missing packages.
    """
    missing = absent('onnx', 'onnxslim', 'filelock', 'rich')
    if len(absent('tensorrt', 'tensorrt_rtx')) == 2:
        missing.append('TensorRT')
    if not missing:
        return
    advice = ("If TensorRT is installed, run pip install '.[tensorrt,tools]'. For a GPU of "
              "compute capability 7.5, 8.x or 12.x, you can also run pip install "
              "'.[tensorrt-rtx,tools]'"
              if ask_driver().gpus else "Without a GPU, only TensorRT-RTX can build a plan, with "
              "--out. Run pip install '.[tensorrt-rtx,tools]'")
    raise EngineError(f'trt_seg build needs packages that are not installed here: '
                      f'{", ".join(missing)}. {advice} in the folder of this repository')


def _option(name: str) -> str:
    return f'--{name.replace("_", "-")}'


def add_command(commands: Commands) -> None:
    """Add ``trt_seg build`` with its arguments."""
    parser = commands.add_parser(
        'build', help='build a TensorRT engine, and report its accuracy loss',
        description='Check, simplify and calibrate the network of a model card, and build a '
        'plan (an engine in a file) with TensorRT or TensorRT-RTX. Before the build, a precision '
        'below fp32 is compared with fp32 in a report. The plan goes to --out, or to the cache. A '
        'ROS node with the same card, precision, workspace and level uses the cached plan.')
    parser.add_argument('model', metavar='MODEL_CARD', help='path or name of a model card')
    parser.add_argument('--out', type=Path, metavar='PLAN',
                        help='write the plan to this file; TensorRT-RTX then needs no GPU. Nodes '
                        'do not load this plan; `trt_seg inspect` and your own programs can')
    parser.add_argument('--cache', metavar='DIR',
                        help='folder of the cache, as in the parameter engine_cache of the node '
                        '(default: ~/.cache/trt_segmentation)')
    parser.add_argument('--precision', choices=PRECISIONS,
                        help='mixed means an INT8 backbone and an FP16 head (%(default)s)')
    parser.add_argument('--shapes', metavar='HxW',
                        help='input size of the network, or MIN/OPT/MAX if this size is dynamic')
    parser.add_argument('--batch', metavar='N',
                        help='batch size, or MIN/OPT/MAX if the batch of the network is dynamic '
                        f'(default: {"/".join(map(str, OPEN_BATCH))})')
    parser.add_argument('--workspace', type=byte_count, metavar='1G',
                        help='largest scratch memory of one layer')
    parser.add_argument('--level', type=int, choices=range(6),
                        help='search for fast kernels: 0 is short, 5 is long (%(default)s)')
    parser.add_argument('--arch', metavar='sm_89',
                        help='GPU architecture of the plan, only with TensorRT-RTX (default: the '
                        'GPU of this machine, or all architectures if there is no GPU)')
    parser.add_argument('--cut-resize', action='store_true',
                        help='leave out the Resize at the end of the network. The scores are then '
                        'resized only once, to the size of the camera image. The report shows how '
                        'many labels change')
    parser.add_argument('--no-simplify', dest='simplify', action='store_false',
                        help='use the graph as it was exported')
    add_gpu(parser)
    _add_calibration(parser.add_argument_group('calibration'))
    _add_workers(parser.add_argument_group('workers, which choose the frames for the calibration'))
    _add_accuracy(parser.add_argument_group('accuracy'))
    set_options(parser, BuildCommandOptions)


def _add_calibration(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--calibrate', nargs='+', metavar='BAG|DIR|street',
                       help='recordings on which the ranges of the tensors are measured. The '
                       'ranges are stored beside the ONNX file. A later build without --calibrate '
                       'uses these ranges. With --workers or --ray, a recording can also be a '
                       'pattern, a URL or a folder of bags and videos. Graph nodes whose values '
                       'are too large for FP16 stay FP32')
    group.add_argument('--topic', metavar='T',
                       help='image topic of the bags (default: the only image topic; with '
                       'workers, every camera)')
    group.add_argument('--frames', type=count, metavar='N',
                       help='number of frames for the calibration; they are chosen from all kinds '
                       'of light and all times (%(default)s)')
    group.add_argument('--method', choices=(BEST_METHOD, *METHODS),
                       help='how ranges are computed. `auto` compares all methods on some of '
                       'the frames, and keeps sensitive layers FP16 (%(default)s)')
    group.add_argument('--keep-fp16', nargs='+', metavar='PATTERN',
                       help='graph nodes that must stay FP16, such as "/head/*"')
    group.add_argument('--search', action='store_true',
                       help='keep the most sensitive layers FP16, so that the accuracy loss is at '
                       'most --max-miou-drop')


def _add_workers(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--every', type=positive, metavar='S',
                       help='workers look at one frame in each S seconds (%(default)s)')
    add_work(group)
    add_workers(group, '--work', uses_gpus=False)


def _add_accuracy(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--hold-out', nargs='+', metavar='BAG|DIR|street',
                       help='recordings on which the accuracy is measured, such as one by day '
                       'and one at night. Without --hold-out the command uses frames that '
                       'calibration did not use, or street scenes if there are no such frames')
    group.add_argument('--hold-out-labels', nargs='+', metavar='DIR|-',
                       help='folder of label maps for each recording of --hold-out, in the same '
                       'order. Give - for a recording without label maps')
    add_label_values(group)
    group.add_argument('--hold-out-frames', type=count, metavar='N',
                       help='number of frames from each recording of --hold-out (%(default)s)')
    group.add_argument('--compare', action='store_true',
                       help='report all precisions, not only the built precision')
    group.add_argument('--max-miou-drop', type=fraction, metavar='X',
                       help='largest accepted loss of mean IoU against fp32; without label maps, '
                       'largest accepted fraction of changed pixels. If the loss is larger, no '
                       'plan is written, and the exit code is 1')
    group.add_argument('--report', type=Path, metavar='DIR',
                       help='folder for the report (default: CARD-PRECISION-report)')
