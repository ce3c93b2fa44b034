# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Commands and options of ``trt_seg``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from ..engines import ENGINES, PRECISION_CHOICES, PRECISIONS
from .command_parser import CommandParser, number, VersionAction, whole_number


def parser() -> argparse.ArgumentParser:
    """Every command and option; ``command`` in what it parses is the command's name."""
    top = CommandParser(prog='trt_seg', description='Semantic segmentation of camera images.')
    top.add_argument('--version', action=VersionAction, nargs=0, dest=argparse.SUPPRESS,
                     default=argparse.SUPPRESS, help='print the version')
    commands = top.add_subparsers(title='commands', required=True, metavar='COMMAND',
                                  dest='command')
    _add_inspect(commands)
    _add_build(commands)
    _add_cache(commands)
    _add_replay(commands)
    _add_eval(commands)
    _add_demo(commands)
    _add_bench(commands)
    _add_doctor(commands)
    return top


Commands: TypeAlias = 'argparse._SubParsersAction[CommandParser]'


def _add_inspect(commands: Commands) -> None:
    command = commands.add_parser(
        'inspect', help='what an ONNX network takes and gives, with a model card for it; or the '
        'layers, precisions and memory of a built plan',
        description='What an ONNX network takes and gives, with a model card for it; or the '
        'layers, precisions and memory of a built plan. A network that is no segmentation gives '
        'exit code 1, one line on stderr that says why, and comments in place of a card.')
    command.add_argument('file', type=Path, metavar='MODEL.onnx | PLAN')


def _add_build(commands: Commands) -> None:
    command = commands.add_parser(
        'build', help='build a TensorRT engine, and report what its precision costs',
        description='Check, simplify, calibrate and build the network of a model card with '
        'TensorRT or TensorRT-RTX. Below fp32 it is compared with fp32 first, and figures are '
        'written to a folder. Without --out the plan goes to the cache, where a node with the '
        'same card, precision, workspace and level finds it.')
    command.add_argument('model', metavar='MODEL_CARD',
                         help='model card, or the name of an installed one')
    command.add_argument('--out', type=Path, metavar='PLAN',
                         help='write it here; with TensorRT-RTX that needs no GPU')
    command.add_argument('--cache', default='', metavar='DIR',
                         help="folder of the cache, a node's engine_cache "
                         '(~/.cache/trt_segmentation)')
    command.add_argument('--precision', choices=PRECISIONS,
                         default='fp16', help='mixed: INT8 backbone, FP16 head (%(default)s)')
    command.add_argument('--shapes', default='', metavar='HxW',
                         help='one size, or MIN/OPT/MAX where the network leaves it open')
    command.add_argument('--batch', default='', metavar='N', help='or MIN/OPT/MAX (1/1/8)')
    command.add_argument('--workspace', type=_bytes, default=1 << 30, metavar='1G',
                         help='scratch memory one layer may use')
    command.add_argument('--level', type=int, choices=range(6), default=3,
                         help='how long to look for fast kernels (%(default)s)')
    command.add_argument('--arch', default='', metavar='sm_89',
                         help='GPU to build for, with TensorRT-RTX (all it knows, or the one '
                         'here)')
    command.add_argument('--no-simplify', dest='simplify', action='store_false',
                         help='leave the graph as it was exported')
    command.add_argument('--gpu', type=_gpu, default=0, metavar='N', help='(%(default)s)')
    _add_calibration(command.add_argument_group('int8 and mixed'))
    _add_accuracy(command.add_argument_group('accuracy'))


def _add_calibration(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--calibrate', nargs='+', default=[], metavar='BAG|DIR|street',
                       help='recordings to measure ranges on; they are kept beside the network '
                       'and used again when this is not given')
    group.add_argument('--topic', metavar='T', help='images in the bags (the only ones)')
    group.add_argument('--frames', type=_count, default=300, metavar='N',
                       help='of them to calibrate on, chosen to cover light and time '
                       '(%(default)s)')
    group.add_argument('--method', choices=('entropy', 'minmax', 'percentile'),
                       default='entropy', help='(%(default)s)')
    group.add_argument('--keep-fp16', nargs='+', default=[], metavar='PATTERN',
                       help='nodes INT8 must not touch, such as "/head/*"')
    group.add_argument('--search', action='store_true',
                       help='put the layers that cost most back to FP16 until the loss is below '
                       '--max-miou-drop')


def _add_accuracy(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--hold-out', nargs='+', default=[], metavar='BAG|DIR|street',
                       help='what to measure on, a condition each (frames that calibration left '
                       'out, else street scenes)')
    group.add_argument('--hold-out-labels', nargs='+', default=[], metavar='DIR|-',
                       help='label maps of each --hold-out, in the same order; - for none')
    _add_label_values(group)
    group.add_argument('--hold-out-frames', type=_count, default=48, metavar='N',
                       help='of each (%(default)s)')
    group.add_argument('--compare', action='store_true',
                       help='report fp16, int8 and mixed too, not only what is built')
    group.add_argument('--max-miou-drop', type=_fraction, metavar='X',
                       help='build nothing that loses more mean IoU to fp32 (without truth: '
                       'that changes a larger fraction of pixels)')
    group.add_argument('--report', type=Path, metavar='DIR',
                       help='figures and numbers (CARD-PRECISION-report)')


def _add_cache(commands: Commands) -> None:
    command = commands.add_parser('cache', help='the engines kept for the next start')
    command.add_argument('action', choices=('list', 'verify', 'clear'),
                         help='verify: exits 1 where one would not be loaded')
    command.add_argument('--folder', type=Path, metavar='DIR',
                         help='($XDG_CACHE_HOME/trt_segmentation)')


def _add_doctor(commands: Commands) -> None:
    command = commands.add_parser(
        'doctor', help='what is installed here, what is wrong and what to run',
        description='Exits 0 when images can be segmented here, 1 when something needed is '
        'wrong.')
    command.add_argument('--selftest', action='store_true',
                         help='open the demo model with every engine there is, compare with the '
                         'CPU and measure; builds TensorRT engines, which takes minutes')
    command.add_argument('--json', action='store_true', help='print JSON')
    command.add_argument('--gpu', type=_gpu, default=0, metavar='N', help='(%(default)s)')


def _add_replay(commands: Commands) -> None:
    command = commands.add_parser(
        'replay', help='segment every frame of a bag into another bag',
        description='Segment every frame of a rosbag2 (sqlite3 or MCAP; a folder or a file) into '
        'an MCAP bag, with the same stamps and frame ids. Exits 0, or 1 when a frame was bad or '
        'not as expected, or 2 when it could not be done.')
    command.add_argument('bag', type=Path, metavar='BAG')
    command.add_argument('--out', type=Path, required=True, metavar='BAG2',
                         help='folder to write')
    command.add_argument('--overwrite', action='store_true', help='replace BAG2')
    command.add_argument('--image-topic', metavar='T', help='default: the only one')
    command.add_argument('--namespace', default='segmentation',
                         help='of the topics written (%(default)s)')
    command.add_argument('--overlay', action=argparse.BooleanOptionalAction, default=True,
                         help='write overlays too (default: yes)')
    command.add_argument('--png', action='store_true',
                         help='label maps as PNG on label_map/compressed: smaller, lossless')
    _add_view(command)
    _add_model(command)
    _add_device(command)
    expect = command.add_argument_group('comparison')
    expect.add_argument('--expect', type=Path, metavar='BAG3',
                        help='compare label maps, by stamp, with those of this bag; stop at the '
                        'first difference')
    expect.add_argument('--expect-topic', metavar='T', help='label maps in it')
    expect.add_argument('--min-agreement', type=_fraction, default=1.0, metavar='X',
                        help='fraction of pixels of a frame that must be equal (%(default)s)')
    expect.add_argument('--allow-missing', action='store_true',
                        help='BAG3 may lack frames, as the recording of a live run does')


def _add_eval(commands: Commands) -> None:
    command = commands.add_parser(
        'eval', help='mean IoU, IoU by class and pixel accuracy',
        description='Score a model on street scenes it was not trained on, or on a folder of '
        'images and one of label maps (PNG of class ids, 255 unlabelled) of the same names.')
    _add_model(command)
    _add_device(command)
    command.add_argument('--street', type=_count, metavar='N',
                         help='scenes of each condition (100)')
    command.add_argument('--condition', type=lambda text: text.split(','), default=[],
                         metavar='day,night,…', help='default: all')
    command.add_argument('--images', type=Path, metavar='DIR')
    command.add_argument('--labels', type=Path, metavar='DIR')
    _add_label_values(command)
    command.add_argument('--json', type=Path, metavar='FILE', help='write the scores here')


def _add_label_values(group: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    group.add_argument('--ignore', nargs='+', type=_values, default=[], metavar='V|V-V',
                       help='values of the label maps to leave out, such as 11 or 0-6')
    group.add_argument('--map', dest='label_map', metavar='FILE',
                       help='their class id by value, as YAML; or cityscapes, ade20k')


def _add_demo(commands: Commands) -> None:
    command = commands.add_parser(
        'demo', help='street camera, segmentation node and recorder, with a report')
    command.add_argument('--seconds', type=_positive, default=10.0, help='(%(default)s)')
    command.add_argument('--out', type=Path, default=Path('demo-out'), metavar='DIR',
                         help='(%(default)s)')
    _add_view(command)
    _add_model(command)


def _add_bench(commands: Commands) -> None:
    command = commands.add_parser(
        'bench', help='latency, throughput, cameras and memory on this machine, as a page',
        description='Measure a model with images of your cameras, without ROS: one frame at a '
        'time, as many as go at once, and cameras at their own rate. Writes bench.json and '
        'bench.html, which opens in any browser without a network.')
    _add_model(command)
    _add_device(command)
    command.add_argument('--networks', type=_count, default=1, metavar='N',
                         help='copies of the network at work at once on a GPU (%(default)s)')
    command.add_argument('--max-batch', type=_count, default=1, metavar='N',
                         help='frames of different cameras the network gets at once at most on '
                         'a GPU, where its file leaves the batch open (%(default)s)')
    command.add_argument('--size', type=_size, default=(1920, 1080), metavar='WxH',
                         help='of the images (1920x1080)')
    command.add_argument('--encoding', default='bgr8', help='of the images (%(default)s)')
    command.add_argument('--cameras', type=_counts, metavar='N,N,…',
                         help='numbers of cameras to try (1,2,4,8)')
    command.add_argument('--fps', type=_positive, default=30.0, metavar='HZ',
                         help='frames a second of each camera (%(default)g)')
    command.add_argument('--seconds', type=_positive, metavar='S', help='of each measurement (10)')
    command.add_argument('--quick', action='store_true',
                         help='1 second each and 1 and 4 cameras, where not given')
    command.add_argument('--overlay', action=argparse.BooleanOptionalAction, default=True,
                         help='compute the overlay too (default: yes)')
    command.add_argument('--out', type=Path, default=Path('bench-out'), metavar='DIR',
                         help='folder for bench.json and bench.html (%(default)s)')
    command.add_argument('--json', type=Path, metavar='FILE', help='write the figures here too')
    command.add_argument('--compare', type=Path, metavar='OTHER.json',
                         help='figures of another run, drawn and listed beside these')


def _add_view(command: argparse.ArgumentParser) -> None:
    command.add_argument('--view', action='store_true',
                         help='show images, label maps and latencies in Rerun (rerun-sdk)')
    command.add_argument('--save-view', type=Path, metavar='FILE.rrd',
                         help='write them for `rerun FILE.rrd` instead, or too')


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument('--model', default='street', metavar='CARD',
                         help='model card, or the name of an installed one (%(default)s)')
    command.add_argument('--engine', choices=ENGINES, default='auto', help='(%(default)s)')


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument('--gpu', type=_gpu, default=0, metavar='N',
                         help='as CUDA counts (%(default)s)')
    command.add_argument('--precision', choices=PRECISION_CHOICES,
                         default='auto', help='of engine tensorrt (%(default)s is fp16)')


def _bytes(text: str) -> int:
    units = {'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    if not number.isdigit() or not int(number):
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 512M or 2G')
    return int(number) * unit


def _fraction(text: str) -> float:
    if not 0 <= (value := number(text)) <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not a fraction of 0 to 1')
    return value


def _positive(text: str) -> float:
    if not 0 < (value := number(text)) < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is not a number above 0')
    return value


def _values(text: str) -> range:
    first, dash, last = text.partition('-')
    last = last if dash else first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= 65535):
        raise argparse.ArgumentTypeError(f'{text!r} is not a value such as 11 or a range such as '
                                         '0-6, of 0 to 65535')
    return range(int(first), int(last) + 1)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition('x')
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 1920x1080')
    return int(width), int(height)


def _counts(text: str) -> list[int]:
    return sorted({_count(part) for part in text.split(',')})


def _count(text: str) -> int:
    return whole_number(text, 1)


def _gpu(text: str) -> int:
    return whole_number(text, 0)
