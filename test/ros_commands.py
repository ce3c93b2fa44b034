# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks that the names in ros2 commands exist, such as arguments, parameters and topics."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
import re
import shlex
import sys
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import yaml

ROOT = Path(__file__).parents[1]
DRIVERS = {'usb_cam', 'v4l2_camera', 'realsense2_camera', 'zed_wrapper'}
"""Packages of camera drivers. Their names in docs/your_camera.md were checked by hand."""
TRANSITIONS = {'configure', 'activate', 'deactivate', 'cleanup', 'shutdown'}
LAUNCH_MODULES = ('launch', 'launch.actions', 'launch.event_handlers', 'launch.events',
                  'launch.events.process', 'launch.launch_description_entity',
                  'launch.launch_description_sources', 'launch_ros', 'launch_ros.actions')


class _Anything(ModuleType):
    """Replaces a module of launch. Each class of the module only keeps its arguments."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: SimpleNamespace(args=args, **options)


def declared(launch_file: str) -> dict[str, list[str]]:
    """Return the arguments of a launch file with their choices. [] allows any value."""
    path = ROOT / 'launch' / launch_file
    assert path.is_file(), f'there is no {launch_file}'
    spec = spec_from_file_location('documented_launch', path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    with patch.dict(sys.modules, {name: _Anything(name) for name in LAUNCH_MODULES}):
        spec.loader.exec_module(module)
    found = {one.args[0]: list(getattr(one, 'choices', ()))
             for one in getattr(module, 'ARGUMENTS', ())}
    return found if launch_file == 'seg.launch.py' else {**declared('seg.launch.py'), **found}


def settings(executable: str) -> dict[str, Any]:
    from trt_segmentation.ros import street_camera
    from trt_segmentation.ros.parameters import table
    of = {'seg_node': table, 'street_camera': street_camera}
    return {setting.name: setting for setting in of[executable].SETTINGS}


def check(command: str, folder: Path, topics: set[str]) -> None:
    """Assert that the names in a ``ros2`` command exist.

    :param folder: the folder of files that the command names.
    :param topics: the topics of cameras and of the node.
    """
    words = shlex.split(command.replace('$PWD', str(folder)))
    verb = words[1:3]
    checks = {'launch': _launch, 'run': _run}
    if words[1] in checks:
        checks[words[1]](words[2:], folder)
    elif verb == ['param', 'set']:
        node, name, value = words[3:]
        _parameter(node, name, value, 'seg_node')
    elif verb == ['lifecycle', 'set']:
        assert words[3] == '/trt_segmentation' and words[4] in TRANSITIONS
    elif words[1] == 'topic':
        assert words[2] in ('list', 'echo', 'hz', 'info', 'bw')
        named = [word for word in words[3:] if word.startswith('/')]
        assert named or words[2] == 'list'
        assert set(named) <= topics, f'not all are topics of the node or of a camera: {named}'
    elif verb == ['service', 'call']:
        manager = words[3].split('/')[1]
        assert f"name='{manager}'" in (ROOT / 'launch' / 'nav2.launch.py').read_text('utf-8')
    elif words[1] == 'security':
        _security(words[2:])
    else:
        raise AssertionError(f'this test has no check for {command}')


def _security(words: list[str]) -> None:
    assert words[0] in ('create_keystore', 'create_enclave', 'create_permission')
    policy = (Path(__file__).parents[1] / 'config' / 'sros2_policy.xml').read_text('utf-8')
    assert all(f'path="{word}"' in policy for word in words[2:] if word.startswith('/tr'))
    assert words[0] != 'create_permission' or words[-1].endswith('/config/sros2_policy.xml')


def _launch(words: list[str], folder: Path) -> None:
    package, launch_file, *arguments = words
    if package in DRIVERS:
        return
    assert package == 'trt_segmentation'
    known = declared(launch_file)
    for argument in arguments:
        name, _, value = argument.partition(':=')
        assert name in known, f'{launch_file} has no argument {name}: {sorted(known)}'
        assert value and (not known[name] or value in known[name]), argument
        if name == 'params_file':
            check_parameters((folder / value).read_text(encoding='utf-8'))
        if name == 'model':
            from trt_segmentation.model.card import find_card
            find_card(folder / value if value.endswith('.yaml') else value)


def _run(words: list[str], folder: Path) -> None:
    package, executable, *arguments = words
    if package in DRIVERS:
        return
    assert package == 'trt_segmentation'
    assert f"f'{executable} = " in (ROOT / 'setup.py').read_text(encoding='utf-8')
    assert arguments[:1] in ([], ['--ros-args'])
    for flag, value in zip(arguments[1::2], arguments[2::2], strict=True):
        name, _, to = value.partition(':=')
        if flag == '-p':
            _parameter('/trt_segmentation', name, to, executable=executable)
        elif flag == '--enclave':
            _security(['create_enclave', '', value])
        else:
            assert flag == '-r' and to
            assert re.fullmatch(r'__node|__ns|(\w+/)?(image|camera_info)', name), value


def _parameter(node: str, name: str, value: str, executable: str) -> None:
    assert node == '/trt_segmentation'
    check_value(settings(executable), name, yaml.safe_load(value))


def check_value(known: dict[str, Any], name: str, value: Any) -> None:
    """Assert that a parameter exists and accepts the value."""
    assert name in known, f'no parameter {name}'
    setting = known[name]
    kind = list if isinstance(setting.default, tuple) else type(setting.default)
    assert isinstance(value, kind), f'{name}: {value!r} is no {kind.__name__}'
    assert not setting.choices or value in setting.choices, f'{name}: {value!r}'
    assert not setting.span or setting.low <= value <= setting.high, f'{name}: {value!r}'


def check_parameters(text: str) -> None:
    """Assert that a parameter file has only parameters of the node."""
    tree = yaml.safe_load(text)['/**']['ros__parameters']
    known = settings('seg_node')
    for name, value in tree.items():
        if name not in ('qos_overrides', 'use_sim_time'):
            check_value(known, name, value)
