# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Libraries with plugins, on a simulated TensorRT."""

import ctypes
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import segmentation_networks
from simulated_engines import make_plan
import simulated_tensorrt

from trt_segmentation.builder.settings import BuildOptions, Recipe
from trt_segmentation.engines.gpu_identity import GpuIdentity
from trt_segmentation.errors import EngineError, GraphError


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Write libblur.so. The simulation knows its plugin Blur; ctypes only notes the path."""
    path = tmp_path / 'libblur.so'
    path.write_bytes(b'code')
    path.chmod(0o644)
    opened = []

    def open_library(name, mode):
        opened.append((name, mode))
        return SimpleNamespace(getCreators=None)
    monkeypatch.setattr(ctypes, 'CDLL', open_library)
    monkeypatch.setattr(simulated_tensorrt, 'LIBRARIES', {'libblur.so': ['Blur']})
    return SimpleNamespace(path=path, opened=opened)


@pytest.fixture
def load(trt):
    from trt_segmentation.engines import tensorrt_plugins
    return tensorrt_plugins.load_plugins


def test_library_is_loaded_once_with_a_line(load, library):
    lines = []
    assert load([library.path, library.path], lines.append) == 2 * load([library.path])
    assert library.opened == [(str(library.path), ctypes.RTLD_GLOBAL)]
    assert lines == [f'loaded the plugins Blur from {library.path}']


def test_library_that_registers_itself_is_not_asked_for_plugins(load, library, monkeypatch):
    def register_blur(name, mode):
        simulated_tensorrt.PROCESS.plugins.append('Blur')
        return SimpleNamespace(getCreators=None)
    monkeypatch.setattr(ctypes, 'CDLL', register_blur)
    monkeypatch.setattr(simulated_tensorrt, 'LIBRARIES', {})
    load([library.path])
    assert simulated_tensorrt.PROCESS.plugins.count('Blur') == 1


def test_refused_libraries_are_named_with_the_reason(load, library, monkeypatch):
    with pytest.raises(EngineError, match=r'gone\..* cannot be loaded: .*No such file'):
        load([library.path.with_name('gone.so')])
    library.path.chmod(0o666)
    with pytest.raises(EngineError, match=r'other users can change .*chmod go-w'):
        load([library.path])
    library.path.chmod(0o644)
    assert library.opened == []
    monkeypatch.setattr(simulated_tensorrt, 'LIBRARIES', {})
    with pytest.raises(EngineError, match=r'refuses the plugin library .*Unable to load library'):
        load([library.path])
    monkeypatch.setattr(ctypes, 'CDLL', lambda name, mode: SimpleNamespace())
    with pytest.raises(EngineError, match=r'registers no plugin .*Build the library for'):
        load([library.path])


def test_file_that_is_no_library_is_refused(load, library, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(EngineError, match=r'the plugin library .*libblur\.so cannot be loaded'):
        load([library.path])


@pytest.fixture
def blur(tmp_path, card):
    """Return the card of a network whose last node is the plugin Blur."""
    model = segmentation_networks.lraspp()
    model.graph.node[-1].output[0] = 'sharp'
    model.graph.node.append(onnx.helper.make_node(
        'Blur', ['sharp'], ['logits'], name='blur', domain='robot'))
    model.opset_import.append(onnx.helper.make_opsetid('robot', 1))
    return replace(card, model=segmentation_networks.save(model, tmp_path / 'blur.onnx'))


def test_network_with_a_plugin_is_built_and_loaded(trt, card, blur, library):
    from trt_segmentation.builder.prepare import read_graph
    recipe = Recipe('fp32')
    with pytest.raises(GraphError, match='first load a TensorRT plugin of this name'):
        read_graph(blur, recipe, trt.build.OperatorSupport())
    with_plugin = replace(blur, plugins=(library.path,))
    trt.open(make_plan(trt, card), with_plugin).close()     # this loads the library
    graph = read_graph(with_plugin, recipe, trt.build.OperatorSupport())
    plan, _ = trt.open_engine.build_graph(graph, recipe, BuildOptions())
    trt.open(plan, with_plugin).close()


def test_plan_depends_on_the_bytes_of_its_plugins(trt, card, library, monkeypatch):
    from trt_segmentation.engines import tensorrt_plugins

    def digest(plugins: tuple[Path, ...]) -> str:
        key = trt.open_engine.make_engine_key(
            replace(card, plugins=plugins), Recipe('fp32'), BuildOptions(), None,
            GpuIdentity('RTX 4090', 'sm_89', '580'))
        return str(key.digest)
    without, first = digest(()), digest((library.path,))
    library.path.write_bytes(b'new code')
    assert digest((library.path,)) == first     # this process still runs the old code
    monkeypatch.setattr(tensorrt_plugins, '_loaded', {})
    simulated_tensorrt.PROCESS.plugins.remove('Blur')
    assert len({without, first, digest((library.path,))}) == 3
