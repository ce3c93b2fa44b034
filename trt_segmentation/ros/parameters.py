# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The table of the node's parameters. It is used to declare, check and document them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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

from ..builder.settings import BuildOptions
from ..engines import ENGINES, PRECISION_CHOICES
from ..untrusted.terminal_text import did_you_mean
from .transport.choose import TRANSPORTS
from .transport.messages import MESSAGE_TYPES

LIVE = 'takes effect at once'
UNCONFIGURED = 'can change only while the node is unconfigured'
NEVER = 'can be set only at start-up'

START_PERIODS = 5
"""If nobody publishes the image topic, the log warns after ``stale_after`` × this number.

A camera driver may need several seconds to start.
"""

LONGEST_TEXT = 4096
"""Largest number of characters in a string. Linux does not allow a longer path."""


@dataclass(frozen=True)
class Setting:
    """One parameter of a node.

    :param change: when the parameter may change: :data:`LIVE`, :data:`UNCONFIGURED` or
        :data:`NEVER`.
    :param low: smallest value, if the parameter is a number. ``high`` is the largest value.
    :param choices: the allowed values of a string. Empty if every string is allowed.
    :param pattern: regular expression that every item of a list must match, and its description.
    :param most: largest number of items, if the parameter is a list.
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
        """The constraints in words: choices, number of items, and when a change is allowed."""
        return ((f'one of {", ".join(self.choices)}; ' if self.choices else '')
                + (f'at most {self.most} items; ' if self.most else '') + self.change)

    @property
    def span(self) -> str:
        """The range of a number in words. Empty if the parameter is not a number."""
        number = isinstance(self.default, (int, float)) and not isinstance(self.default, bool)
        return f'{self.low:g} to {self.high:g}' if number else ''

    @property
    def yaml(self) -> str:
        """The default value in YAML."""
        if isinstance(self.default, tuple):
            return '[' + ', '.join(self.default) + ']'
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return str(self.default) or "''"

    def descriptor(self) -> ParameterDescriptor:
        """Return the descriptor for ``ros2 param describe``. rclpy checks the range in it."""
        kinds = {bool: ParameterType.PARAMETER_BOOL, int: ParameterType.PARAMETER_INTEGER,
                 float: ParameterType.PARAMETER_DOUBLE, str: ParameterType.PARAMETER_STRING,
                 tuple: ParameterType.PARAMETER_STRING_ARRAY}
        kind = type(self.default)
        descriptor = ParameterDescriptor(
            name=self.name, type=kinds[kind], description=self.description,
            additional_constraints=self.constraints, read_only=self.change == NEVER,
            # In YAML, an empty list has no type, so rclpy must not compare the types.
            dynamic_typing=kind is tuple)
        if kind is float:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=self.low, to_value=self.high)]
        elif kind is int:
            descriptor.integer_range = [
                IntegerRange(from_value=int(self.low), to_value=int(self.high))]
        return descriptor


SETTINGS = (
    Setting('model', 'street', 'Name of an installed model card, or path of a model card (.yaml).',
            UNCONFIGURED),
    Setting('engine', 'auto', "Library that runs the network. 'auto' chooses the best library "
            'that works on this machine.', UNCONFIGURED, choices=ENGINES),
    Setting('precision', 'auto', "Number format in which TensorRT computes. 'auto' means fp16. "
            "ONNX Runtime allows only 'auto', because it runs the model file unchanged.",
            UNCONFIGURED, choices=PRECISION_CHOICES),
    Setting('gpu', 0, 'CUDA index of the GPU. Not used if the network runs on the CPU.',
            UNCONFIGURED, high=63),
    Setting('networks', 1, 'Number of copies of the network that run on the GPU at the same time. '
            'If one copy leaves the GPU partly idle, two copies process more frames per second, '
            'but need more GPU memory. Not used on the CPU.', UNCONFIGURED, low=1, high=4),
    Setting('engine_cache', '', 'Folder for built TensorRT engines and for the tuned options of '
            'ONNX Runtime. If empty, the folder is $XDG_CACHE_HOME/trt_segmentation, or '
            '~/.cache/trt_segmentation if XDG_CACHE_HOME is not set.', UNCONFIGURED),
    Setting('tune', True, 'Whether the node tunes ONNX Runtime when it first opens a network on a '
            'GPU: it measures several options, and then uses the fastest. This takes about half a '
            'minute, once. Not used for TensorRT or on the CPU.', UNCONFIGURED),
    Setting('workspace_mib', BuildOptions.workspace >> 20, 'Largest scratch memory of a TensorRT '
            'layer in MiB. A change rebuilds the engine.', UNCONFIGURED, low=1, high=65536),
    Setting('optimization_level', BuildOptions.level, 'How long TensorRT searches for fast '
            'kernels: 0 is short, 5 is long. A change rebuilds the engine.', UNCONFIGURED, high=5),
    Setting('cameras', (), 'Names of the cameras. For each camera, the node subscribes to '
            'CAMERA/image, and publishes CAMERA/segmentation/label_map and the other results. If '
            'the list is empty, there is one camera without a name: the node subscribes to image, '
            'and publishes ~/label_map and the other results.', UNCONFIGURED,
            pattern=(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*',
                     'a topic name such as front or front/left'), most=64),
    Setting('max_batch', 0, 'Largest number of frames in one batch. A batch has at most one frame '
            'per camera. 0 means the batch size of the model file, or 1 if this size is dynamic. '
            'On a GPU, a batch that is too large for the prepared memory is split.', high=64),
    Setting('batch_wait_ms', 0.0, 'Longest time in milliseconds that a frame waits for frames of '
            'other cameras. 0 means no wait: a batch holds the frames that have come when the '
            'engine becomes free.', high=1000.0),
    Setting('transport', 'auto', "How images travel. 'direct' receives and publishes images "
            "without Python messages. 'typed' uses Python messages, as rclpy usually does. 'auto' "
            "is 'direct' if direct works here, else 'typed'.", UNCONFIGURED, choices=TRANSPORTS),
    Setting('image_transport', 'raw', "With 'raw', the node subscribes to the image topic IMAGE. "
            "With 'compressed', it subscribes to IMAGE/compressed (JPEG or PNG). With 'foxglove' "
            "or 'ffmpeg', it subscribes to IMAGE/foxglove or IMAGE/ffmpeg (H.264 or H.265 video).",
            UNCONFIGURED, choices=tuple(MESSAGE_TYPES)),
    Setting('autostart', True, 'Whether the node configures and activates itself at start-up, '
            'without a lifecycle manager.', NEVER),
    Setting('frame_log', '', 'Log file with one JSON object per frame. The object has stamp_ns, '
            'done_ns, and the timings or the reason why the frame was dropped. The log may be a '
            'new or empty file, /dev/stdout, /dev/stderr, or an earlier frame log, to which the '
            'node appends.', UNCONFIGURED),
    Setting('alpha', 0.5, 'Weight of the class colours in the overlay. With 0, the overlay shows '
            'only the image. With 1, it shows only the colours.', high=1.0),
    Setting('palette', (), 'Colours of the overlay, one #rrggbb per class. [] means the colours '
            'of the model card.', pattern=(r'#[0-9A-Fa-f]{6}', '#rrggbb'), most=65535),
    Setting('half_overlay', False, 'Whether the overlay has only every second row and column of '
            'the image. Such an overlay has a quarter of the bytes.'),
    Setting('overlay_rate', 0.0, 'Largest number of overlays per second for each camera. 0 means '
            'an overlay for every frame.', high=1000.0),
    Setting('confidence', False, 'Whether the node publishes the confidence of each pixel. It '
            'does so only while the confidence topic has a subscriber.'),
    Setting('diagnostics_period', 1.0, 'Seconds between two /diagnostics messages.', NEVER,
            low=0.1, high=60.0),
    Setting('log_throttle', 5.0, 'Shortest time in seconds between two warnings of the same kind '
            'about the same camera.', high=3600.0),
    Setting('stale_after', 2.0, 'After this many seconds without an image, the log and the '
            f'diagnostics warn. If the topic has no publisher, the log waits {START_PERIODS} '
            'times as long.', low=0.1, high=3600.0),
    Setting('latency_warn_ms', 200.0, 'If the p95 latency is above this many ms, diagnostics show '
            'WARN. Latency is the time from receiving an image to publishing its results.',
            high=60000.0),
    Setting('latency_error_ms', 1000.0, 'If the p95 latency is above this many ms, diagnostics '
            'show ERROR.', high=60000.0),
    Setting('age_warn_ms', 500.0, 'If the p95 age is above this many ms, diagnostics show WARN. '
            'Age is the time from the stamp of an image until the node publishes its label map.',
            high=60000.0),
    Setting('age_error_ms', 2000.0, 'If the p95 age is above this many ms, diagnostics show '
            'ERROR.', high=60000.0),
)
"""The node's own parameters. rclpy adds ``use_sim_time`` and ``qos_overrides.*``."""


def declare(node: Node, settings: Iterable[Setting],
            configured: Callable[[], bool] = lambda: False,
            refuse: Callable[[str, Any], str] = lambda name, value: '') -> None:
    """Declare parameters on a node, and check every value now and at every later change.

    :param configured: called at every change. Returns whether the node is configured.
    :param refuse: called with the name and the value of every change that the table allows.
        Returns the reason why the value cannot be used. Empty if the value can be used.
    :raises rclpy.exceptions.ParameterException: if a start-up value is refused. The error gives
        the reason.
    """
    by_name = {setting.name: setting for setting in settings}

    def check(changes: list[Parameter]) -> SetParametersResult:
        # rclpy has already checked type, range and read_only
        for change in changes:
            setting = by_name.get(change.name)
            if setting and (reason := _refuse_deletion(node, change)
                            or find_refusal(setting, change.value, configured())
                            or refuse(change.name, change.value)):
                return SetParametersResult(successful=False, reason=f'{change.name}: {reason}')
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
    for setting in by_name.values():
        default = setting.default
        node.declare_parameter(
            setting.name, list(default) if isinstance(default, tuple) else default,
            setting.descriptor())
    _warn_of_unknown_names(node, [*by_name, 'use_sim_time'])


def _warn_of_unknown_names(node: Node, known: list[str]) -> None:
    """Warn of start-up parameters that the node does not have. rclpy ignores them silently."""
    for name in node._parameter_overrides:  # rclpy has no public access to the start-up values
        # overrides of QoS are declared later, with their topic
        if not node.has_parameter(name) and not name.startswith('qos_overrides.'):
            node.get_logger().warning(
                f'parameter {name!r} is ignored, because this node has no parameter of this name'
                f'{did_you_mean(name, known)}')


def _refuse_deletion(node: Node, change: Parameter) -> str:
    """Return why a parameter cannot be deleted. Empty if the change deletes no parameter."""
    # rclpy allows the deletion of a parameter with a dynamic type. At start-up, an empty list in a
    # YAML file looks like a deletion, but then the node does not have the parameter yet.
    deletes = change.type_ == Parameter.Type.NOT_SET and node.has_parameter(change.name)
    return 'cannot be deleted; set it to [] for the default' if deletes else ''


def find_refusal(setting: Setting, value: Any, configured: bool = False) -> str:
    """Return why a parameter cannot have a value. Empty if the value is accepted.

    Types and ranges of numbers are not checked here, because rclpy checks them.
    """
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f'it has {len(value)} characters; expected at most {LONGEST_TEXT}'
    if setting.choices and value not in setting.choices:
        return (f'{value!r} is not known{did_you_mean(str(value), setting.choices) or ";"} '
                f'expected one of {", ".join(setting.choices)}')
    if isinstance(setting.default, tuple) and (reason := _refuse_list(setting, value)):
        return reason
    if setting.change == UNCONFIGURED and configured:
        return (f'{setting.change}; deactivate and clean up the node first '
                '(ros2 lifecycle set NODE deactivate, then cleanup)')
    return ''


def _refuse_list(setting: Setting, value: Any) -> str:
    pattern, words = setting.pattern
    items = value or []  # an empty list in a YAML file arrives as None
    if not isinstance(items, (list, tuple)):
        return f'{value!r} is not a list; expected [] or a list of strings'
    if len(items) > setting.most:
        return f'it has {len(items)} items; expected at most {setting.most}'
    for item in items:
        if not isinstance(item, str) or not re.fullmatch(pattern, item):
            return f'its item {item!r} is not {words}'
    if setting.name == 'cameras' and len(set(items)) < len(items):
        return f'{", ".join(items)}: every camera needs a different name'
    return ''


def yaml_text() -> str:
    """Return the text of config/seg.yaml: every parameter with its default and its meaning."""
    lines = ['# Every parameter of the segmentation node, with its default value.',
             '# Written by `python3 -m trt_segmentation.ros.parameters > config/seg.yaml`.',
             '/**:', '  ros__parameters:']
    for setting in SETTINGS:
        span = f'{setting.span}; ' if setting.span else ''
        for note in (setting.description, span + setting.constraints):
            lines += [f'    # {line}' for line in wrap(note, 90)]
        lines.append(f'    {setting.name}: {setting.yaml}')
    return '\n'.join(lines) + '\n'


def markdown_text() -> str:
    """Return the text of docs/parameters.md: a table with one row per parameter."""
    lines = ['# Parameters of the segmentation node', '',
             'Written by `python3 -m trt_segmentation.ros.parameters --markdown > '
             'docs/parameters.md`. Set parameters in a', 'file (`config/seg.yaml` has all of '
             'them), on the command line, or with `ros2 param set`. The node refuses', 'a value '
             'that it cannot use, says why, and keeps the old value.', '',
             '| name | default | values | changes | meaning |', '|---|---|---|---|---|']
    when = {LIVE: 'live', UNCONFIGURED: 'unconfigured', NEVER: 'start-up'}
    for setting in SETTINGS:
        values = ', '.join(setting.choices) or setting.span or setting.pattern[1]
        values += f', at most {setting.most}' if setting.most else ''
        lines.append(f'| `{setting.name}` | `{setting.yaml}` | {values} | '
                     f'{when[setting.change]} | {setting.description} |')
    return '\n'.join([*lines, '', *(f'- {word}: {text}.' for text, word in when.items())]) + '\n'


if __name__ == '__main__':
    print(markdown_text() if sys.argv[1:] == ['--markdown'] else yaml_text(), end='')
