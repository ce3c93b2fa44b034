# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Every name, argument and value of the simulated TensorRT exists in the real TensorRT."""

import enum
import inspect
import re

import pytest
import simulated_tensorrt as simulated

real = pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')

CLASSES = {name: value for name, value in vars(simulated).items()
           if inspect.isclass(value) and value.__module__ == simulated.__name__
           and not name.startswith('_')}
ENUMS = {name: value for name, value in CLASSES.items() if issubclass(value, enum.Enum)}
MEMBERS = [(name, member) for name, cls in CLASSES.items() if name not in ENUMS
           for member in vars(cls) if not member.startswith('_')]
FUNCTIONS = [(name, member) for name, member in MEMBERS
             if inspect.isfunction(inspect.getattr_static(CLASSES[name], member))]
CONSTRUCTED = {'ILogger', 'IProgressMonitor', 'Builder', 'OnnxParser', 'Runtime'}


def signatures(function):
    """Return the argument names of every overload. They are in the docstring of pybind11."""
    name = function.__name__
    lines = re.findall(rf'^\s*(?:\d+\. )?{name}\((.*)\) -> ', function.__doc__, re.MULTILINE)
    return [re.findall(r'(?:^|, )(\w+): ', line) for line in lines]


def test_there_is_something_to_check():
    assert len(CLASSES) >= 20 and len(ENUMS) >= 8 and len(FUNCTIONS) >= 40


@pytest.mark.parametrize('name', CLASSES)
def test_class_is_real(name):
    assert inspect.isclass(getattr(real, name))


# The left out enum has EXPLICIT_BATCH = 0 in TensorRT 10. TensorRT-RTX has no such member.
@pytest.mark.parametrize('name', sorted(set(ENUMS) - {'NetworkDefinitionCreationFlag'}))
def test_enum_has_the_real_values(name):
    members = getattr(real, name).__members__
    for member in ENUMS[name]:
        assert member.name in members
        if isinstance(member, int):
            assert int(members[member.name]) == member


def test_severities_are_real():
    members = real.ILogger.Severity.__members__
    assert {m.name: int(m) for m in simulated.ILogger.Severity} == {
        name: int(value) for name, value in members.items()}


@pytest.mark.parametrize('name,member', MEMBERS)
def test_member_is_real(name, member):
    assert hasattr(getattr(real, name), member)


@pytest.mark.parametrize('name,member', FUNCTIONS)
def test_arguments_are_real(name, member):
    ours = list(inspect.signature(getattr(CLASSES[name], member)).parameters)
    theirs = signatures(getattr(getattr(real, name), member))
    assert ours in theirs


@pytest.mark.parametrize('name', ['init_libnvinfer_plugins', 'get_plugin_registry'])
def test_functions_of_the_module_are_real(name):
    ours = list(inspect.signature(getattr(simulated, name)).parameters)
    assert ours in signatures(getattr(real, name))


@pytest.mark.parametrize('name', sorted(CONSTRUCTED))
def test_constructor_is_real(name):
    ours = list(inspect.signature(CLASSES[name].__init__).parameters)
    assert ours in signatures(getattr(real, name).__init__)


@pytest.mark.parametrize('name', sorted(set(CLASSES) - set(ENUMS)))
def test_properties_are_real_properties(name):
    for member, value in vars(CLASSES[name]).items():
        if isinstance(value, property):
            assert not callable(inspect.getattr_static(getattr(real, name), member))
