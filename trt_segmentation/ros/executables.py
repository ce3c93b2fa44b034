# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The commands ``seg_node`` and ``street_camera``. Without ROS, a command prints an error."""

from __future__ import annotations

from importlib import import_module
import sys
from typing import Any

from ..installed.pip_names import advise_install
from ..installed.version import version
from ..view.terminal import on_any_terminal
from .parameters.usage import help_text, own_arguments, refusal


def seg_node() -> int:
    """Run the segmentation node and return the exit code of the process."""
    return _run('seg_node', 'node')


def street_camera() -> int:
    """Run the street camera and return the exit code of the process."""
    return _run('street_camera', 'street_camera')


def _run(executable: str, module: str) -> int:
    own = own_arguments(sys.argv[1:])
    if '-h' in own or '--help' in own:
        text = help_text(executable, _load_settings(module))
        return on_any_terminal(lambda: print(text) or 0)
    if '--version' in own:
        return on_any_terminal(lambda: print(f'{executable} {version()}') or 0)
    if own:
        print(refusal(executable, own[0]), file=sys.stderr)
        return 2
    try:
        main = import_module(f'.{module}', __package__).main
    except ModuleNotFoundError as error:
        print(f'{executable}: error: {error}; {advise_install(error.name or "")}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:   # Ctrl-C during the imports; afterwards, the node handles signals
        return 0
    return int(main())


def _load_settings(module: str) -> Any:
    """Return the parameters of a node. None if ROS is missing, because `module` imports ROS."""
    table = 'parameters.table' if module == 'node' else module
    try:
        return import_module(f'.{table}', __package__).SETTINGS
    except ModuleNotFoundError:
        return None
