# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the segmentation node, once: declared, checked and documented from here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
import re
import sys
from textwrap import wrap
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from ..engines import ENGINES, PRECISION_CHOICES
from .transport.choose import TRANSPORTS

LIVE = 'takes effect at once'
UNCONFIGURED = 'can change only while the node is unconfigured'
NEVER = 'can be set only at start-up'

START_PERIODS = 5
"""The log waits this many times ``stale_after`` for a camera that has not advertised its topic
yet: drivers take seconds to start."""

LONGEST_TEXT = 4096
"""Characters of a string: a path of Linux has no more."""


@dataclass(frozen=True)
class Setting:
    """One parameter of a node.

    :param change: when it may change: :data:`LIVE`, :data:`UNCONFIGURED` or :data:`NEVER`.
    :param low: least value of a number.
    :param high: largest value of a number.
    :param choices: the only values of a string; empty where any will do.
    :param pattern: of every item of a list of strings, and what it is in words.
    :param most: items of a list at most.
    """

    name: str
    default: bool | int | float | str | tuple[str, ...]
    description: str
    change: str = LIVE
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    pattern: tuple[str, str] = ('', '')
    most: int = 0

    @property
    def constraints(self) -> str:
        """In words: choices, items at most, and when it may change."""
        return ((f'one of {", ".join(self.choices)}; ' if self.choices else '')
                + (f'{self.most} at most; ' if self.most else '') + self.change)

    @property
    def span(self) -> str:
        """In words: the range of a number; '' of anything else."""
        number = isinstance(self.default, (int, float)) and not isinstance(self.default, bool)
        return f'{self.low:g} to {self.high:g}' if number else ''

    @property
    def yaml(self) -> str:
        """The default as YAML writes it."""
        if isinstance(self.default, tuple):
            return '[' + ', '.join(self.default) + ']'
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return str(self.default) or "''"

    def descriptor(self) -> ParameterDescriptor:
        """What ``ros2 param describe`` shows and rclpy checks numbers by."""
        kinds = {bool: ParameterType.PARAMETER_BOOL, int: ParameterType.PARAMETER_INTEGER,
                 float: ParameterType.PARAMETER_DOUBLE, str: ParameterType.PARAMETER_STRING,
                 tuple: ParameterType.PARAMETER_STRING_ARRAY}
        kind = type(self.default)
        descriptor = ParameterDescriptor(
            name=self.name, type=kinds[kind], description=self.description,
            additional_constraints=self.constraints, read_only=self.change == NEVER,
            # an empty list in YAML has no type, and rclpy would take it for one of bytes
            dynamic_typing=kind is tuple)
        if kind is float:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=self.low, to_value=self.high)]
        elif kind is int:
            descriptor.integer_range = [
                IntegerRange(from_value=int(self.low), to_value=int(self.high))]
        return descriptor


SETTINGS = (
    Setting('model', 'street', 'Model card: an installed name, or the path of a .yaml file.',
            UNCONFIGURED),
    Setting('engine', 'auto', 'What runs the network; auto takes the best that works here.',
            UNCONFIGURED, choices=ENGINES),
    Setting('precision', 'auto', 'What TensorRT computes in, auto being fp16; ONNX Runtime runs '
            'the file as it is, which is auto.', UNCONFIGURED, choices=PRECISION_CHOICES),
    Setting('gpu', 0, 'Index of the GPU, as CUDA counts; means nothing on the CPU.',
            UNCONFIGURED, high=63),
    Setting('networks', 1, 'Copies of the network at work at once on a GPU: more frames a second '
            'where one leaves much of it idle, for more of its memory; means nothing on the CPU.',
            UNCONFIGURED, low=1, high=4),
    Setting('engine_cache', '', 'Folder that TensorRT engines are kept in; empty: '
            '~/.cache/trt_segmentation, or as XDG_CACHE_HOME says.', UNCONFIGURED),
    Setting('workspace_mib', 1024, 'Scratch memory TensorRT may use for a layer, MiB. Another '
            'value is another engine; so with optimization_level.', UNCONFIGURED, low=1,
            high=65536),
    Setting('optimization_level', 3, 'How long TensorRT looks for fast kernels when it builds.',
            UNCONFIGURED, high=5),
    Setting('cameras', (), 'Cameras on this engine: CAMERA/image in, '
            'CAMERA/segmentation/label_map and so on out. Empty: one camera, image in, '
            '~/label_map and so on out.',
            UNCONFIGURED, pattern=(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*',
                                   'a topic name such as front or front/left'), most=64),
    Setting('max_batch', 0, 'Frames of different cameras the network gets at once at most; 0: '
            "the model's own batch, 1 where its file leaves that open. On a GPU runs of more than "
            'it was configured with are split.', high=64),
    Setting('batch_wait_ms', 0.0, 'Milliseconds a frame waits for those of other cameras; 0: a '
            'batch is what waits when the engine is free.', high=1000.0),
    Setting('transport', 'auto', 'How images travel: direct takes and publishes them past Python '
            'messages, typed is the usual rclpy way; auto is direct where that can be had.',
            UNCONFIGURED, choices=TRANSPORTS),
    Setting('image_transport', 'raw', 'Subscribe to IMAGE, or to IMAGE/compressed (JPEG, PNG).',
            UNCONFIGURED, choices=('raw', 'compressed')),
    Setting('autostart', True, 'Configure and activate at start-up, with no lifecycle manager.',
            NEVER),
    Setting('frame_log', '', 'File to write one JSON object a frame to: stamp_ns, done_ns and its '
            'timings, or the reason it was dropped for. A new file, a frame log from before (it '
            'is appended to), /dev/stdout or /dev/stderr.', UNCONFIGURED),
    Setting('alpha', 0.5, 'Weight of the class colours in the overlay.', high=1.0),
    Setting('palette', (), 'Colours of the overlay, one #rrggbb a class; empty: those of the '
            'model card.', pattern=(r'#[0-9A-Fa-f]{6}', '#rrggbb'), most=65535),
    Setting('overlay_rate', 0.0, 'Overlays a second and camera at most; 0: one for every frame.',
            high=1000.0),
    Setting('confidence', False, 'Publish confidence, where it has a subscriber.'),
    Setting('diagnostics_period', 1.0, 'Seconds between two /diagnostics messages.', NEVER,
            low=0.1, high=60.0),
    Setting('log_throttle', 5.0, 'Least seconds between two warnings of one kind and camera.',
            high=3600.0),
    Setting('stale_after', 2.0, 'Seconds without an image before log and diagnostics warn. The '
            f'log waits {START_PERIODS} times as long for a topic that nobody has published yet.',
            low=0.1, high=3600.0),
    Setting('latency_warn_ms', 200.0,
            'Diagnostics WARN above this p95 from taking an image to its answers published.',
            high=60000.0),
    Setting('latency_error_ms', 1000.0, 'Diagnostics ERROR above this p95 of the same.',
            high=60000.0),
    Setting('age_warn_ms', 500.0,
            'Diagnostics WARN above this p95 age of an image when its label map is published.',
            high=60000.0),
    Setting('age_error_ms', 2000.0, 'Diagnostics ERROR above this p95 age.', high=60000.0),
)
"""The node's own parameters; ``use_sim_time`` and ``qos_overrides.*`` are every ROS node's."""


def declare(node: Node, settings: Iterable[Setting],
            configured: Callable[[], bool] = lambda: False,
            refuse: Callable[[str, Any], str] = lambda name, value: '') -> None:
    """Declare parameters on a node and check every value, the start-up ones too.

    :param configured: asked at every change: whether the node is past unconfigured.
    :param refuse: asked about every value that is right by the table: why it cannot be, or ''.
    :raises rclpy.exceptions.ParameterException: when a start-up value is refused; says why.
    """
    by_name = {setting.name: setting for setting in settings}

    def check(changes: list[Parameter]) -> SetParametersResult:
        # rclpy has checked type, range and read_only already
        for change in changes:
            setting = by_name.get(change.name)
            if setting and (reason := _deletion(node, change)
                            or refusal(setting, change.value, configured())
                            or refuse(change.name, change.value)):
                return SetParametersResult(successful=False, reason=f'{change.name}: {reason}')
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
    for setting in by_name.values():
        default = setting.default
        node.declare_parameter(
            setting.name, list(default) if isinstance(default, tuple) else default,
            setting.descriptor())


def _deletion(node: Node, change: Parameter) -> str:
    """Why a parameter cannot be deleted, which rclpy allows where the type is dynamic."""
    # at start-up an empty list in a YAML file has no type either
    deletes = change.type_ == Parameter.Type.NOT_SET and node.has_parameter(change.name)
    return 'cannot be deleted; set [] for the default' if deletes else ''


def refusal(setting: Setting, value: Any, configured: bool = False) -> str:
    """Why a parameter cannot have a value, or ''; rclpy checks ranges and types of numbers."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f'it has {len(value)} characters; expected {LONGEST_TEXT} at most'
    if setting.choices and value not in setting.choices:
        near = get_close_matches(str(value), setting.choices, n=1)
        return (f'{value!r} is not known' + (f', did you mean {near[0]!r}?' if near else ';')
                + f' expected one of {", ".join(setting.choices)}')
    if isinstance(setting.default, tuple) and (reason := _bad_list(setting, value)):
        return reason
    if setting.change == UNCONFIGURED and configured:
        return (f'{setting.change}; deactivate and clean it up first '
                '(ros2 lifecycle set NODE deactivate, then cleanup)')
    return ''


def _bad_list(setting: Setting, value: Any) -> str:
    pattern, words = setting.pattern
    items = value or []  # an empty one in a YAML file comes as None
    if not isinstance(items, (list, tuple)):
        return f'{value!r} is not a list; expected [] or a list of strings'
    if len(items) > setting.most:
        return f'{len(items)} of them; expected {setting.most} at most'
    for item in items:
        if not isinstance(item, str) or not re.fullmatch(pattern, item):
            return f'{item!r} in it is not {words}'
    if setting.name == 'cameras' and len(set(items)) < len(items):
        return f'{", ".join(items)}: every camera needs a name of its own'
    return ''


def yaml_text() -> str:
    """config/seg.yaml: every parameter with its default and what it means."""
    lines = ['# Every parameter of the segmentation node, at its default.',
             '# Written by `python3 -m trt_segmentation.ros.parameters > config/seg.yaml`.',
             '/**:', '  ros__parameters:']
    for setting in SETTINGS:
        span = f'{setting.span}; ' if setting.span else ''
        for note in (setting.description, span + setting.constraints):
            lines += [f'    # {line}' for line in wrap(note, 90)]
        lines.append(f'    {setting.name}: {setting.yaml}')
    return '\n'.join(lines) + '\n'


def markdown_text() -> str:
    """docs/parameters.md: every parameter as a table's row."""
    lines = ['# Parameters of the segmentation node', '',
             'Written by `python3 -m trt_segmentation.ros.parameters --markdown > '
             'docs/parameters.md`. Set them in a file', '(`config/seg.yaml` has every one), on '
             'the command line, or with `ros2 param set`; a value that cannot be is', 'refused '
             'with the reason, and the old one stays.', '',
             '| name | default | values | changes | |', '|---|---|---|---|---|']
    when = {LIVE: 'live', UNCONFIGURED: 'unconfigured', NEVER: 'start-up'}
    for setting in SETTINGS:
        values = ', '.join(setting.choices) or setting.span or setting.pattern[1]
        values += f', {setting.most} at most' if setting.most else ''
        lines.append(f'| `{setting.name}` | `{setting.yaml}` | {values} | '
                     f'{when[setting.change]} | {setting.description} |')
    return '\n'.join([*lines, '', *(f'- {word}: {text}.' for text, word in when.items())]) + '\n'


if __name__ == '__main__':
    print(markdown_text() if sys.argv[1:] == ['--markdown'] else yaml_text(), end='')
