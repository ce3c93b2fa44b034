# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""``trt_seg``: everything that is done at a terminal, without ROS."""

from __future__ import annotations

# what a command needs is imported in it, so that --help is quick and a missing library is
# missed only by the command that uses it
import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
from typing import TypeAlias

from .engines import ENGINES

PIP_NAMES = {
    'cv2': 'opencv-python-headless', 'yaml': 'PyYAML', 'PIL': 'Pillow',
    'rclpy': "'ros-jazzy-rclpy[fastrtps]' (or source a ROS 2 install)",
    'sensor_msgs': 'ros-jazzy-sensor-msgs (or source a ROS 2 install)',
}
"""Packages that pip knows by another name than Python."""


def inspect(args: argparse.Namespace) -> int:
    """Print what a network takes and gives, and a model card for it."""
    from .inspection import inspect_model
    print(inspect_model(args.model))
    return 0


def replay(args: argparse.Namespace) -> int:
    """Segment a bag into another."""
    from .replay import run_replay
    return run_replay(
        args.bag, args.out, model=args.model, engine=args.engine, image_topic=args.image_topic,
        namespace=args.namespace, overlay=args.overlay, png=args.png, expect=args.expect,
        expect_topic=args.expect_topic, min_agreement=args.min_agreement,
        allow_missing=args.allow_missing, overwrite=args.overwrite)


def evaluate(args: argparse.Namespace) -> int:
    """Score a model."""
    from .evaluation import run_eval
    return run_eval(args.model, args.engine, args.street, args.condition, args.images,
                    args.labels, args.json)


def demo(args: argparse.Namespace) -> int:
    """Run camera, node and recorder."""
    from .demo import run_demo
    return run_demo(args.seconds, args.out, args.model, args.engine)


def parser() -> argparse.ArgumentParser:
    """Every command and option."""
    top = argparse.ArgumentParser(
        prog='trt_seg', description='Semantic segmentation of camera images.')
    commands = top.add_subparsers(title='commands', required=True, metavar='COMMAND')
    _add_inspect(commands)
    _add_replay(commands)
    _add_eval(commands)
    _add_demo(commands)
    return top


Commands: TypeAlias = 'argparse._SubParsersAction[argparse.ArgumentParser]'


def _add_inspect(commands: Commands) -> None:
    command = commands.add_parser(
        'inspect', help='what an ONNX network takes and gives, and a model card for it')
    command.add_argument('model', type=Path, metavar='MODEL.onnx')
    command.set_defaults(run=inspect)


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
    _add_model(command)
    expect = command.add_argument_group('comparison')
    expect.add_argument('--expect', type=Path, metavar='BAG3',
                        help='compare label maps, by stamp, with those of this bag; stop at the '
                        'first difference')
    expect.add_argument('--expect-topic', metavar='T', help='label maps in it')
    expect.add_argument('--min-agreement', type=_fraction, default=1.0, metavar='X',
                        help='fraction of pixels of a frame that must be equal (%(default)s)')
    expect.add_argument('--allow-missing', action='store_true',
                        help='BAG3 may lack frames, as the recording of a live run does')
    command.set_defaults(run=replay)


def _add_eval(commands: Commands) -> None:
    command = commands.add_parser(
        'eval', help='mean IoU, IoU by class and pixel accuracy',
        description='Score a model on street scenes it was not trained on, or on a folder of '
        'images and one of label maps (PNG of class ids, 255 unlabelled) of the same names.')
    _add_model(command)
    command.add_argument('--street', type=_count, default=100, metavar='N',
                         help='scenes of each condition (%(default)s)')
    command.add_argument('--condition', type=lambda text: text.split(','), default=[],
                         metavar='day,night,…', help='default: all')
    command.add_argument('--images', type=Path, metavar='DIR')
    command.add_argument('--labels', type=Path, metavar='DIR')
    command.add_argument('--json', type=Path, metavar='FILE', help='write the scores here')
    command.set_defaults(run=evaluate)


def _add_demo(commands: Commands) -> None:
    command = commands.add_parser(
        'demo', help='street camera, segmentation node and recorder, with a report')
    command.add_argument('--seconds', type=float, default=10.0, help='(%(default)s)')
    command.add_argument('--out', type=Path, default=Path('demo-out'), metavar='DIR',
                         help='(%(default)s)')
    _add_model(command)
    command.set_defaults(run=demo)


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument('--model', default='street', metavar='CARD',
                         help='model card, or the name of an installed one (%(default)s)')
    command.add_argument('--engine', choices=ENGINES, default='auto', help='(%(default)s)')


def _fraction(text: str) -> float:
    if not 0 <= (value := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not a fraction of 0 to 1')
    return value


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f'{text} is not 1 or more')
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: the exit code: 0, 1 when what was checked is not as it should be, 2 when the
        command could not be done, 128 + signal when it was stopped.
    """
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except ModuleNotFoundError as error:
        missing = (error.name or '').partition('.')[0]
        if missing == __package__:
            raise
        return _fail(f'{error}; install it with: pip install {PIP_NAMES.get(missing, missing)}')
    except (ValueError, RuntimeError, OSError) as error:
        if not _expected(error):
            raise
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail('stopped', 130)


def _expected(error: Exception) -> bool:
    """Whether an error's text is for users; of any other the traceback is worth more."""
    return isinstance(error, OSError) or type(error).__module__.startswith(f'{__package__}.')


def _fail(text: str, code: int = 2) -> int:
    print(f'trt_seg: error: {text}', file=sys.stderr)
    return code


if __name__ == '__main__':
    sys.exit(main())
