# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Texts that tell how to start a node and how to set its parameters. This file needs no ROS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from ...errors import ModelCardError

if TYPE_CHECKING:
    from .setting import Setting

ABOUT = {
    'seg_node': 'Segments camera images with an ONNX network. Input: image. Outputs: label map, '
                'overlay and others.',
    'street_camera': 'Publishes rendered street images and camera_info, like a camera driver.'}

EXAMPLES = {
    'seg_node': '-p model:=/path/to/model.yaml -r image:=/camera/image_raw',
    'street_camera': '-p condition:=night -p fps:=10.0 -r image:=/camera/image_raw'}


def own_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that are not for ROS.

    These are all arguments before ``--ros-args``, and all arguments after a later ``--``. A word
    between ``--ros-args`` and ``--`` is not for ROS either if the word follows no option, such as
    ``alpha:=0.5`` without ``-p``.
    """
    own, ros, takes_value = [], False, False
    for argument in arguments:
        if argument == '--ros-args':
            ros, takes_value = True, False
        elif ros and (takes_value or argument.startswith('-')):
            ros = takes_value or argument != '--'
            takes_value = not takes_value and not argument.startswith(('--enable-', '--disable-'))
        else:
            own.append(argument)
    return own


def help_text(executable: str, settings: Iterable[Setting] | None) -> str:
    """Return the text of ``--help``.

    :param settings: the node's parameters. None if ROS is missing, because the
        parameters are then unknown.
    """
    lines = [f'usage: {executable} [--help] [--version] [--ros-args ROS_ARGUMENTS]', '',
             *_wrap(ABOUT[executable]), '', 'ROS arguments:',
             '  -p NAME:=VALUE        set a parameter',
             '  --params-file FILE    set the parameters that are in a YAML file',
             '  -r FROM:=TO           rename a topic; `-r __node:=front` renames the node',
             '  --log-level LEVEL     debug, info, warn, error or fatal',
             '', 'example:', f'  {executable} --ros-args {EXAMPLES[executable]}',
             '', 'parameters:']
    if settings is None:
        lines.append('  The parameters cannot be listed, because rclpy is missing.')
    for setting in settings or ():
        words = f' One of {", ".join(setting.choices)}.' if setting.choices else ''
        lines += [f'  {setting.name}:={setting.yaml}',
                  *_wrap(setting.description + words, '      ')]
    lines += ['', 'exit codes:', '  0    stopped by Ctrl-C, SIGTERM or SIGHUP'
              + (', or all frames were sent' if executable == 'street_camera' else ''),
              '  2    could not start; the last line of the log says why',
              '  70   too many errors in a row, or no clean end; start the node again']
    if executable == 'seg_node':
        lines.append('  75   only a new process can use the GPU; start the node again')
    return '\n'.join(lines)


def refusal(executable: str, argument: str) -> str:
    """Return one line that refuses an unknown argument."""
    example = argument if ':=' in argument else 'NAME:=VALUE'
    return (f'{executable}: error: unknown argument {argument!r}. To set a parameter, run '
            f'{executable} --ros-args -p {example}. See {executable} --help')


def advise_after(error: Exception, node: str, transition: str) -> str:
    """Return what the user can do after a transition of a node failed with an error.

    :param node: full name of the node.
    """
    run = f'run: ros2 lifecycle set {node} {transition}. Or start the node again'
    if isinstance(error, ModelCardError):
        return (f'If `model` is wrong, run: ros2 param set {node} model CARD. Then {run} with '
                '--ros-args -p model:=CARD')
    return f'Correct this, then {run}'


def _wrap(text: str, indent: str = '') -> list[str]:
    return fill(text, 90, initial_indent=indent, subsequent_indent=indent,
                break_on_hyphens=False).splitlines()
