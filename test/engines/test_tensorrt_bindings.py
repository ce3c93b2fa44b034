# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Our calls of TensorRT, and our simulation, agree with NVIDIA's real Python bindings.

./dev installs the bindings of three versions of TensorRT into .venv/bindings. Each version is
imported in a process of its own, with libraries that have nine empty functions. Nothing can be
built or run so, but all classes, arguments and enums can be read. TensorRT-RTX is read too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
import copy
import inspect
import json
from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import pytest
import real_bindings
import simulated_tensorrt
import tensorrt_calls

LISTING_PROGRAM = Path(__file__).parents[1] / 'bindings_listing.py'
RTX = 'RTX'
ALL = (*real_bindings.VERSIONS, RTX)

NOT_EVERYWHERE = {
    'BuilderFlag.REQUIRE_USER_ALLOCATION': [RTX],
    'ComputeCapability': [RTX],
    'DynamicShapesKernelSpecializationStrategy': [RTX],
    'DynamicShapesKernelSpecializationStrategy.EAGER': [RTX],
    'IBuilderConfig.num_compute_capabilities': [RTX],
    'IBuilderConfig.set_compute_capability': [RTX],
    'ICudaEngine.create_runtime_config': ['10.13', '11.4', RTX],
    'IExecutionContext.is_stream_capturable': [RTX],
    'IRuntimeCache.deserialize': [RTX],
    'IRuntimeCache.serialize': [RTX],
    'IRuntimeConfig.create_runtime_cache': [RTX],
    'IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy': [RTX],
    'IRuntimeConfig.set_execution_context_allocation_strategy': ['10.13', '11.4', RTX],
    'IRuntimeConfig.set_runtime_cache': [RTX],
}
"""Each name that the package uses and that not every version has, with the versions that have it.

A check in the package must exclude the other versions.
"""


def read_listing(version: str, folder: Path) -> dict[str, Any]:
    """Import one version in a process of its own and return its listing."""
    if version == RTX:
        pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    done = real_bindings.run(version, folder, LISTING_PROGRAM) if version != RTX else (
        subprocess.run([sys.executable, LISTING_PROGRAM, 'tensorrt_rtx'], capture_output=True,
                       text=True, timeout=60))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope='module', params=ALL)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


LISTINGS: dict[str, dict[str, Any]] = {}


def listing_of(version: str, factory: pytest.TempPathFactory) -> dict[str, Any]:
    if version not in LISTINGS:
        LISTINGS[version] = read_listing(version, factory.mktemp('libraries'))
    return LISTINGS[version]


@pytest.fixture(scope='module')
def listing(version: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return listing_of(version, tmp_path_factory)


@pytest.fixture(scope='module')
def listings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return {version: listing_of(version, tmp_path_factory) for version in ALL}


def analyse(listing: dict[str, Any], version: str,
            texts: dict[str, str] | None = None) -> tensorrt_calls.Findings:
    backend = 'tensorrt_rtx' if version == RTX else 'tensorrt'
    return tensorrt_calls.Analysis(texts or tensorrt_calls.sources(), listing, backend).run()


FINDINGS: dict[str, tensorrt_calls.Findings] = {}


def findings_of(version: str, factory: pytest.TempPathFactory) -> tensorrt_calls.Findings:
    if version not in FINDINGS:
        FINDINGS[version] = analyse(listing_of(version, factory), version)
    return FINDINGS[version]


@pytest.fixture(scope='module')
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tensorrt_calls.Findings]:
    return {version: findings_of(version, tmp_path_factory) for version in ALL}


def has(listing: dict[str, Any], name: str) -> bool:
    """Whether the bindings have a class, function, method, property or enum member."""
    owner, _, member = name.rpartition('.')
    cls = listing['classes'].get(owner, {'members': {}, 'enum': {}})
    return (name in listing['classes'] or name in listing['functions']
            or name in listing['values'] or member in cls['members'] or member in cls['enum'])


# --- the bindings ------------------------------------------------------------------------------

def test_the_bindings_are_those_of_this_version(version: str, listing: dict[str, Any]) -> None:
    assert listing['version'].startswith('1.' if version == RTX else f'{version}.')
    methods = {f'{name}.{member}': found for name, cls in listing['classes'].items()
               for member, found in cls['members'].items() if found['kind'] == 'method'}
    assert len(listing['classes']) > 150 and len(methods) > 700
    assert {name for name, found in methods.items() if not found['signatures']} <= {
        'ErrorCode.name'}


def test_the_bindings_are_not_in_the_import_path() -> None:
    assert not [path for path in sys.path if Path(path).resolve().is_relative_to(
        real_bindings.FOLDER)]


# --- the package -------------------------------------------------------------------------------

def test_each_call_fits_the_bindings(version: str,
                                     tmp_path_factory: pytest.TempPathFactory) -> None:
    found = findings_of(version, tmp_path_factory)
    assert not found.problems, '\n'.join(sorted(found.problems))
    assert not found.lost, f'of which class are the objects? {sorted(found.lost)}'
    assert len(found.uses) >= 100


def test_the_plugin_registry_is_followed(version: str, listing: dict[str, Any]) -> None:
    text = ('import tensorrt as trt\n'
            'def names():\n'
            '    return [c.name for c in trt.get_plugin_registry().all_creators]\n')
    found = analyse(listing, version, {'registry.py': text})
    assert (found.problems, found.lost) == (set(), set())
    assert 'IPluginRegistry.all_creators' in found.uses


def test_no_use_of_the_module_is_left_out(
        findings: dict[str, tensorrt_calls.Findings]) -> None:
    """Each ``trt.NAME`` in the source is followed in one version at least."""
    wanted = tensorrt_calls.reads_of_the_module(tensorrt_calls.sources())
    read = set().union(*(found.read for found in findings.values()))
    assert len(wanted) >= 30 and not wanted - read


def test_a_name_that_not_every_version_has_is_known(
        listings: dict[str, dict[str, Any]],
        findings: dict[str, tensorrt_calls.Findings]) -> None:
    used = set().union(*(found.uses for found in findings.values()))
    have = {name: [v for v in ALL if has(listings[v], name)] for name in used}
    assert {name: versions for name, versions in have.items()
            if len(versions) < len(ALL)} == NOT_EVERYWHERE


def test_a_name_means_the_same_in_all_versions(
        listings: dict[str, dict[str, Any]],
        findings: dict[str, tensorrt_calls.Findings]) -> None:
    """A method is a method everywhere, and a result has the same type."""
    for name in set().union(*(found.uses for found in findings.values())):
        owner, _, member = name.rpartition('.')
        means = set()
        for listing in listings.values():
            found = listing['classes'].get(owner, {'members': {}})['members'].get(member)
            if found is not None:
                returns = {s['returns'] for s in found.get('signatures', ())}
                means.add((found['kind'], found.get('type', ' or '.join(sorted(returns)))))
        assert len(means) <= 1, f'{name} differs between versions: {means}'


def test_a_default_is_the_same_in_all_versions(
        listings: dict[str, dict[str, Any]],
        findings: dict[str, tensorrt_calls.Findings]) -> None:
    """A call that leaves out an argument must mean the same in all versions."""
    left_out = set().union(*(found.left_out for found in findings.values()))
    assert ('OnnxParser.parse', 'path') in left_out
    for function, parameter in left_out:
        owner, _, name = function.rpartition('.')
        defaults = {p['default'] for listing in listings.values() if has(listing, function)
                    for s in (listing['classes'][owner]['members'][name]['signatures']
                              if owner else listing['functions'][name])
                    for p in s['parameters'] if p['name'] == parameter}
        assert len(defaults) == 1, f'{function}: {parameter} is {defaults}'


@pytest.mark.parametrize('name', [
    'Builder.create_network', 'EngineInspector.get_engine_information',
    'IExecutionContext.execute_async_v3', 'ILogger.Severity', 'ITensor.dtype',
    'ParserError.desc', 'TensorIOMode.INPUT', 'IRuntimeCache.serialize'])
def test_a_name_that_is_gone_is_found(listings: dict[str, dict[str, Any]], name: str) -> None:
    """Take a name out of the bindings, as a later version may."""
    version = RTX if 'Cache' in name else '11.4'
    listing = copy.deepcopy(listings[version])
    owner, _, member = name.rpartition('.')
    if listing['classes'].pop(name, None) is None:
        cls = listing['classes'][owner]
        assert (cls['members'].pop(member, None) is not None) | (
            cls['enum'].pop(member, None) is not None)
    found = analyse(listing, version)
    assert any(f'{owner} has no {member}' in problem for problem in found.problems)


# --- the analysis finds mistakes ---------------------------------------------------------------

GOOD = """
from functools import partial
from typing import Any
import tensorrt as trt

class Log(trt.ILogger):
    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        self.last = msg if severity != trt.ILogger.Severity.VERBOSE else ''

class Engine:
    def __init__(self, plan: bytes, stream: int) -> None:
        self._runtime: Any = trt.Runtime(Log())
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        self._contexts: dict[int, Any] = {}
        self._stream = stream

    def context(self, name: str) -> Any:
        if 1 not in self._contexts:
            self._contexts[1] = self._engine.create_execution_context(
                trt.ExecutionContextAllocationStrategy.STATIC)
        context = self._contexts[1]
        check(context.set_input_shape(name, (1, 3, 4, 4)))
        context.set_device_memory(4096, size=100)
        return context

    def run(self, name: str) -> None:
        for tensor in [self._engine.get_tensor_name(i)
                       for i in range(self._engine.num_io_tensors)]:
            self.context(name).set_tensor_address(tensor, 4096)
        enqueue(self.context(name), self._stream)

def enqueue(context: Any, stream: int) -> None:
    check(context.execute_async_v3(stream))

def check(is_done: bool) -> None:
    assert is_done

def build(builder: trt.Builder) -> Any:
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.max_aux_streams = 0
    if hasattr(trt, 'ComputeCapability'):
        config.num_compute_capabilities = 1
    return builder.build_serialized_network(builder.create_network(0), config)
"""


def test_good_code_has_no_problems(version: str, listing: dict[str, Any]) -> None:
    found = analyse(listing, version, {'good.py': GOOD})
    assert (found.problems, found.lost) == (set(), set())
    assert {'ILogger.log', 'IExecutionContext.execute_async_v3', 'Runtime.__init__',
            'ICudaEngine.num_io_tensors', 'ProfilingVerbosity.DETAILED'} <= found.uses


MISTAKES = [
    ('execute_async_v3(stream)', 'execute_async_v2(stream)',
     'IExecutionContext has no execute_async_v2'),
    ('execute_async_v3(stream)', 'execute_async_v3()',
     'IExecutionContext.execute_async_v3 takes (self: IExecutionContext, stream_handle: int)'),
    ('set_tensor_address(tensor, 4096)', 'set_tensor_address(4096, tensor)',
     'and not (4096, str)'),
    ('set_tensor_address(tensor, 4096)', 'set_tensor_address(tensor, 4096, 1)', 'and not'),
    ('size=100', 'bytes=100', 'and not (4096, bytes=100)'),
    ('Strategy.STATIC', 'Strategy.NEVER', 'ExecutionContextAllocationStrategy has no NEVER'),
    ('trt.ExecutionContextAllocationStrategy.STATIC', 'trt.ProfilingVerbosity.NONE', 'takes'),
    ('trt.ProfilingVerbosity', 'trt.Verbosity', 'the module has no Verbosity'),
    ('config.max_aux_streams = 0', 'config.max_aux_stream = 0', 'has no max_aux_stream'),
    ('config.max_aux_streams = 0', 'config.max_aux_streams = "0"', 'is of type int, and not'),
    ('config.max_aux_streams = 0', 'config.num_optimization_profiles = 0', 'cannot be set'),
    ('trt.Runtime(Log())', 'trt.Runtime(plan)', 'Runtime.__init__ takes'),
    ('def log(self, severity: trt.ILogger.Severity, msg: str)', 'def log(self, msg: str)',
     "ILogger.log is called with [['self', 'severity', 'msg']], but takes ['self', 'msg']"),
    ('def log(', 'def write(', 'Log has no method log of ILogger'),
    ('check(context.set_input_shape(name, (1, 3, 4, 4)))',
     'check(context.set_device_memory(1, 2))',
     'set_device_memory returns nothing, but its result is used'),
    ('check(context.execute', 'check(context.infer_shapes() or context.execute', ''),
    ('check(context.execute_async_v3(stream))', 'check(context.get_tensor_shape("a"))',
     'check takes bool as is_done, and not Dims'),
    ('assert is_done', 'assert is_done, f"{trt.Builder(Log()).create_network}"',
     'Builder.create_network is a method and is not called'),
    ("if hasattr(trt, 'ComputeCapability')", 'if config', 'has no num_compute_capabilities'),
    ("if hasattr(trt, 'ComputeCapability')", "if not hasattr(trt, 'ComputeCapability')",
     'has no num_compute_capabilities'),
]


@pytest.mark.parametrize(('old', 'new', 'message'), MISTAKES)
def test_a_mistake_is_found(listings: dict[str, dict[str, Any]], old: str, new: str,
                            message: str) -> None:
    assert GOOD.count(old) == 1
    found = analyse(listings['11.4'], '11.4', {'bad.py': GOOD.replace(old, new)})
    assert bool(message) == (len(found.problems) == 1), found.problems
    assert all(message in problem for problem in found.problems), found.problems


def test_an_object_of_unknown_class_is_found(listings: dict[str, dict[str, Any]]) -> None:
    text = GOOD + '\ndef lose(context):\n    context.set_input_shape(1)\n'
    found = analyse(listings['11.4'], '11.4', {'bad.py': text})
    assert [lost.partition(' ')[0] for lost in found.lost] == ['set_input_shape']


# --- the simulation ----------------------------------------------------------------------------

def simulated_classes() -> Iterator[tuple[str, ast.ClassDef]]:
    tree = ast.parse(Path(simulated_tensorrt.__file__).read_text(encoding='utf-8'))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith('_'):
            yield node.name, node
            yield from ((f'{node.name}.{inside.name}', inside) for inside in node.body
                        if isinstance(inside, ast.ClassDef))


SIMULATED = dict(simulated_classes())


def simulated_members(name: str) -> dict[str, ast.AST]:
    """Return the public methods, properties and attributes of a simulated class."""
    found: dict[str, ast.AST] = {}
    for node in ast.walk(SIMULATED[name]):
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(
                node.value, ast.Name) and node.value.id == 'self':
            found.setdefault(node.attr, node)
    return {name: node for name, node in found.items() if not name.startswith('_')}


def is_elsewhere(version: str, *names: str) -> bool:
    """Whether only other versions have one of these names."""
    return any(name in NOT_EVERYWHERE and version not in NOT_EVERYWHERE[name] for name in names)


def classes_here(version: str, listing: dict[str, Any]) -> list[str]:
    """Return the simulated classes that this version has."""
    missing = set(SIMULATED) - set(listing['classes'])
    expected = set() if version == RTX else {
        'DynamicShapesKernelSpecializationStrategy', 'IRuntimeCache'}
    assert missing == expected | ({'IRuntimeConfig'} if version == '10.3' else set())
    return sorted(set(SIMULATED) - missing)


def test_the_simulation_has_only_real_members(version: str, listing: dict[str, Any]) -> None:
    unreal = {f'{name}.{member}' for name in classes_here(version, listing)
              for member in simulated_members(name) if not has(listing, f'{name}.{member}')}
    assert not {name for name in unreal if not is_elsewhere(version, name)}
    assert sum(len(simulated_members(name)) for name in SIMULATED) >= 60


def test_simulated_enums_have_the_real_values(version: str, listing: dict[str, Any]) -> None:
    compared = 0
    for name in classes_here(version, listing):
        cls = getattr(simulated_tensorrt, name.partition('.')[0], None)
        for part in name.split('.')[1:]:
            cls = getattr(cls, part)
        for label, value in getattr(cls, '__members__', {}).items():
            assert label in listing['classes'][name]['enum'], f'{name}.{label}'
            # STRONGLY_TYPED is 1 in TensorRT 10, and 0 in TensorRT 11 and TensorRT-RTX.
            if isinstance(value, int) and (name != 'NetworkDefinitionCreationFlag'
                                           or version.startswith('10.')):
                assert listing['classes'][name]['enum'][label] == value, f'{name}.{label}'
                compared += 1
    assert compared >= 25


def test_simulated_methods_have_the_real_arguments(version: str, listing: dict[str, Any]) -> None:
    compared = 0
    for name in classes_here(version, listing):
        for label, node in simulated_members(name).items():
            real = listing['classes'][name]['members'].get(label)
            if not isinstance(node, ast.FunctionDef) or real is None:
                continue
            text = f'{name}.{label}'
            compared += 1
            if real['kind'] == 'property':
                assert tensorrt_calls.is_decorated(node, 'property'), text
                assert_type(node.returns, [real['type']], text)
                continue
            assert not tensorrt_calls.is_decorated(node, 'property'), text
            ours = [argument.arg for argument in node.args.args]
            fitting = [s for s in real['signatures']
                       if [p['name'] for p in s['parameters']] == ours]
            assert fitting, f'{text}: {ours} is none of {real["signatures"]}'
            assert_type(node.returns, [s['returns'] for s in fitting], text)
            defaults = node.args.defaults
            for parameter, default in zip(fitting[0]['parameters'][::-1], defaults[::-1]):
                assert parameter['default'] == ast.unparse(default), text
    assert compared >= 45


def assert_type(annotation: ast.expr | None, real: list[str], text: str) -> None:
    """A simulated result must be of the real type, as far as both are annotated."""
    ours = ast.unparse(annotation) if annotation else 'Any'
    ours = ours.removesuffix(' | None') if ours != 'None' else ours
    patterns = [re.escape(kind).replace('object', '.*') for kind in real]
    assert ours in ('Any', 'object') or any(re.fullmatch(pattern, ours) for pattern in patterns), (
        f'{text}: {ours} is not {real}')


def test_simulated_constructors_have_the_real_arguments(
        version: str, listing: dict[str, Any]) -> None:
    for name in ('ILogger', 'IProgressMonitor', 'Builder', 'OnnxParser', 'Runtime'):
        ours = list(inspect.signature(getattr(simulated_tensorrt, name).__init__).parameters)
        real = listing['classes'][name]['members']['__init__']['signatures']
        assert ours in [[p['name'] for p in s['parameters']] for s in real], name
