# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the texts of config/seg.yaml and docs/parameters.md from the table of parameters."""

from __future__ import annotations

from textwrap import wrap

from .setting import EXCHANGED, LIVE, NEVER, UNCONFIGURED
from .table import SETTINGS


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
             'docs/parameters.md`. Set parameters in a', 'file, on the command line, or with '
             '`ros2 param set`. The file `config/seg.yaml` has all parameters.',
             'Without a ROS install, use [docs/recipes/node_control.py]'
             '(your_camera.md#run-the-node-without-a-ros-install)', 'instead of `ros2`.', '',
             'If the node cannot use a value, the node says why, and keeps the old value. Some '
             'values depend on',
             'the size of the images or on `camera_info`. Before the node has received an image '
             'and `camera_info`,',
             'it cannot check these values, so it accepts them. An image may then not fit such a '
             'value. The node',
             'drops this image as a *bad frame*, the log says why, and `/diagnostics` shows WARN.',
             '', 'If a value is wrong when the node starts, the process ends, or the transition '
             '`configure` fails. The', 'log says why.', '',
             '| name | default | values | changes | meaning |', '|---|---|---|---|---|']
    when = {LIVE: 'live', EXCHANGED: 'unconfigured, active', UNCONFIGURED: 'unconfigured',
            NEVER: 'start-up'}
    for setting in SETTINGS:
        values = ', '.join(setting.choices) or setting.span or setting.pattern[1]
        values += f', at most {setting.most}' if setting.most else ''
        lines.append(f'| `{setting.name}` | `{setting.yaml}` | {values} | '
                     f'{when[setting.change]} | {setting.description} |')
    return '\n'.join([*lines, '', 'These are the words of the column *changes*:', '', *(
        f'- {word}: the value {text}.' for text, word in when.items())]) + '\n'
