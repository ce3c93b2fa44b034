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

"""What ``ros2 run`` and the console scripts start; says what is missing where ROS is."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
import sys

from ..pip_names import advice
from ..terminal import on_any_terminal
from ..version import version
from .usage import Described, help_text, own_arguments, refusal


def seg_node() -> int:
    """Run the segmentation node; the process's exit code."""
    return _main('seg_node', 'node')


def street_camera() -> int:
    """Run the street camera; the process's exit code."""
    return _main('street_camera', 'street_camera')


def _main(executable: str, module: str) -> int:
    own = own_arguments(sys.argv[1:])
    if '-h' in own or '--help' in own:
        text = help_text(executable, _settings(module))
        return on_any_terminal(lambda: print(text) or 0)
    if '--version' in own:
        return on_any_terminal(lambda: print(f'{executable} {version()}') or 0)
    if own:
        print(refusal(executable, own[0]), file=sys.stderr)
        return 2
    try:
        main = import_module(f'.{module}', __package__).main
    except ModuleNotFoundError as error:
        print(f'{executable}: error: {error}; {advice(error.name or "")}', file=sys.stderr)
        return 2
    return int(main())


def _settings(module: str) -> Iterable[Described] | None:
    """The parameters of a node; None if ROS, which their table needs, is missing."""
    table = 'parameters' if module == 'node' else module
    try:
        settings: Iterable[Described] = import_module(f'.{table}', __package__).SETTINGS
    except ModuleNotFoundError:
        return None
    return settings
