# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""engines/tensorrt.py runs on a simulated TensorRT that computes on the CPU."""

import ctypes
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import segmentation_networks
import simulated_tensorrt

from trt_segmentation.engines.plan import from_json, Plan
from trt_segmentation.errors import EngineError
from trt_segmentation.model.card import InputCard, ModelCard, spread_palette

CLASSES = segmentation_networks.CLASSES
STREAM = 77
SHAPES = ('64x96/64x96/128x192', '1/2/4')


class Memory:
    """Allocates aligned host memory. ``blocks`` contains the memory that is not freed yet."""

    def __init__(self):
        self.blocks = {}

    def allocate(self, size):
        block = ctypes.create_string_buffer(size + 256)
        address = -(-ctypes.addressof(block) // 256) * 256
        self.blocks[address] = block
        return address

    def free(self, address):
        del self.blocks[address]


@pytest.fixture
def trt():
    """Yield the package's TensorRT modules, imported with the simulation."""
    with simulated_tensorrt.imported():
        from trt_segmentation.builder import build, open_engine
        from trt_segmentation.engines import tensorrt
        yield SimpleNamespace(build=build, open_engine=open_engine, tensorrt=tensorrt)


@pytest.fixture
def model(tmp_path):
    return segmentation_networks.save(segmentation_networks.lraspp(), tmp_path / 'lraspp.onnx')


@pytest.fixture
def card(model):
    return ModelCard('lraspp', model, tuple('abcde'), spread_palette(CLASSES),
                     InputCard(height=64, width=96))


def make_plan(trt, card, sizes=SHAPES[0], batch=SHAPES[1]):
    from trt_segmentation.builder.prepare import read_graph
    from trt_segmentation.builder.settings import Recipe
    recipe = Recipe('fp32', sizes, batch)
    return trt.open_engine.build_graph(read_graph(card, recipe), recipe,
                                       trt.build.BuildOptions())[0]


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def engine(trt, card, memory):
    return trt.tensorrt.TensorRtEngine(make_plan(trt, card), card, 0, STREAM, memory.allocate,
                                       memory.free)


def run(engine, memory, image):
    """Run the engine on an (n, 3, 64, 96) float32 image, and return the network output."""
    tensor = memory.allocate(image.nbytes)
    ctypes.memmove(tensor, np.ascontiguousarray(image).ctypes.data, image.nbytes)
    shape = engine.output_shape(len(image))
    size = int(np.prod(shape)) * 4
    output = memory.allocate(size)
    engine.bind(len(image), tensor, output).enqueue(STREAM)
    return np.frombuffer(ctypes.string_at(output, size), np.float32).reshape(shape)


def noise(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 3, 64, 96)).astype(np.float32)


def expected(model, image):
    session = onnxruntime.InferenceSession(str(model), providers=['CPUExecutionProvider'])
    return session.run(None, {'image': image})[0]


@pytest.mark.parametrize('count', [1, 2, 4])
def test_outputs_are_those_of_the_network(engine, memory, model, count):
    image = noise(count)
    np.testing.assert_allclose(run(engine, memory, image), expected(model, image), atol=1e-4)


def test_batches_bound_at_once_keep_their_own_tensors(engine, memory, model):
    images = {count: noise(count, count) for count in (1, 3)}
    bound = {}
    for count, image in images.items():
        tensor, output = memory.allocate(image.nbytes), memory.allocate(count * 5 * 64 * 96 * 4)
        ctypes.memmove(tensor, image.ctypes.data, image.nbytes)
        bound[count] = engine.bind(count, tensor, output), output
    for count in (3, 1, 3):
        bound[count][0].enqueue(STREAM)
    for count, image in images.items():
        got = np.frombuffer(ctypes.string_at(bound[count][1], count * 5 * 64 * 96 * 4),
                            np.float32).reshape(count, 5, 64, 96)
        np.testing.assert_allclose(got, expected(model, image), atol=1e-4)


def test_contexts_share_one_block_of_activations(engine, memory):
    for count in (1, 2, 3):
        engine.output_shape(count)
    assert len(memory.blocks) == 1


def test_close_frees_everything_and_may_be_called_twice(engine, memory):
    engine.output_shape(1)
    assert memory.blocks
    engine.close()
    engine.close()
    assert not memory.blocks


def test_second_output_gets_memory_of_its_own(trt, tmp_path, card, memory):
    model = segmentation_networks.unet()
    model.graph.node.append(onnx.helper.make_node('Neg', ['logits'], ['aux']))
    model.graph.output.append(onnx.helper.make_tensor_value_info(
        'aux', 1, ['batch', CLASSES, 'height', 'width']))
    path = segmentation_networks.save(model, tmp_path / 'two.onnx')
    two = replace(card, model=path)
    engine = trt.tensorrt.TensorRtEngine(make_plan(trt, two), two, 0, STREAM, memory.allocate,
                                         memory.free)
    image = noise(1)
    np.testing.assert_allclose(run(engine, memory, image), expected(path, image), atol=1e-4)
    sizes = [len(block) - 256 for block in memory.blocks.values()]
    # one block is the output of the test, and the other is the engine's block for aux
    assert sizes.count(CLASSES * 64 * 96 * 4) == 2
    engine.close()
    assert len(memory.blocks) == 2      # the test keeps its input and its output


def test_batch_outside_every_profile_names_them(engine):
    with pytest.raises(EngineError, match=r'no profile .* the shape \(5, 3, 64, 96\).*'
                                          r'\(1, 3, 64, 96\) to \(4, 3, 128, 192\).*--batch'):
        engine.output_shape(5)
    assert [engine.takes(count) for count in (1, 4, 5)] == [True, True, False]


def test_nearest_of_several_profiles_is_taken(trt, card, memory):
    from trt_segmentation.builder.prepare import read_graph
    from trt_segmentation.builder.settings import Recipe
    graph = read_graph(card, Recipe('fp32', *SHAPES))
    from trt_segmentation.builder.shapes import Profile
    profiles = [{'image': Profile((1, 3, 64, 96), (usual, 3, 64, 96), (4, 3, 64, 96))}
                for usual in (1, 3)]
    plan, _ = trt.build.build_plan(graph.model, profiles)
    engine = trt.tensorrt.TensorRtEngine(plan, card, 0, STREAM, memory.allocate, memory.free)
    chosen = [engine._choose_profile((count, 3, 64, 96)) for count in (1, 3, 4)]
    assert chosen == [0, 1, 1]


def test_a_file_that_is_no_plan_fails_with_tensorrts_words(trt, card):
    with pytest.raises(EngineError, match=r'TensorRT 10.13.0 cannot load the plan: .*magicTag'):
        trt.tensorrt.TensorRtEngine(Plan(b'not a plan'), card, 0, STREAM)


def test_plan_of_another_network_does_not_fit_the_card(trt, card, model):
    segmentation_networks.save(segmentation_networks.lraspp(dynamic=False), model)
    plan = make_plan(trt, card, '', '')
    with pytest.raises(EngineError, match='5 classes, but the model card names 2'):
        trt.tensorrt.TensorRtEngine(plan, replace(card, classes=('a', 'b')), 0, STREAM)


def test_refused_inference_fails_with_tensorrts_words(engine, memory):
    bound = engine.bind(1, memory.allocate(1 << 20), 0)
    with pytest.raises(EngineError, match=r'inference failed: .*no address is set for'):
        bound.enqueue(STREAM)


def test_warnings_are_logged_and_errors_are_kept(trt):
    lines = []
    log = trt.tensorrt.BuildLog(lines.append)
    for severity in simulated_tensorrt.ILogger.Severity:
        log.log(severity, severity.name)
    assert lines == ['WARNING']
    assert log.take_reason() == 'INTERNAL_ERROR; ERROR'
    assert log.take_reason() == 'TensorRT gave no reason'
    assert list(log.lines) == ['INTERNAL_ERROR', 'ERROR', 'WARNING', 'INFO']


def test_engine_has_what_the_gpu_pipeline_needs(engine):
    assert (engine.name, engine.version, engine.precision) == (
        'tensorrt', 'TensorRT 10.13.0', 'fp32')
    assert engine.can_be_captured() is True
    assert engine.signature.input.batch is None
    assert engine.output_shape(2) == (2, CLASSES, 64, 96)


def test_first_start_builds_and_second_loads(trt, card, memory, tmp_path):
    from trt_segmentation.builder.cache import EngineCache
    from trt_segmentation.builder.settings import Recipe
    from trt_segmentation.engines.gpu_identity import GpuIdentity
    lines, image = [], noise(1)

    def start(gpu='RTX 4090'):
        engine = trt.open_engine.open_engine(
            card, 0, STREAM, Recipe('fp32', *SHAPES),
            cache=EngineCache(tmp_path / 'cache', log=lines.append), log=lines.append,
            identity=lambda index: GpuIdentity(gpu, 'sm_89', '580'),
            load=lambda plan, kernels: trt.tensorrt.TensorRtEngine(
                plan, card, 0, STREAM, memory.allocate, memory.free, kernels=kernels))
        return run(engine, memory, image)

    first = start()
    assert ['building' in line for line in lines] == [True, False]
    np.testing.assert_array_equal(start(), first)
    assert len(lines) == 2
    start('another GPU')
    assert sum('building' in line for line in lines) == 2
    assert len(list((tmp_path / 'cache' / 'engines').glob('*.timing'))) == 2
    assert not list((tmp_path / 'cache' / 'engines').glob('*.kernels'))


@pytest.fixture
def rtx(card, memory, tmp_path, monkeypatch):
    """Yield a function that starts engines of TensorRT-RTX with one cache, and their log."""
    monkeypatch.setattr(simulated_tensorrt, 'COMPILED', [])
    lines = []
    with simulated_tensorrt.imported(rtx=True):
        from trt_segmentation.builder import open_engine
        from trt_segmentation.builder.cache import EngineCache
        from trt_segmentation.builder.settings import Recipe
        from trt_segmentation.engines import tensorrt
        from trt_segmentation.engines.gpu_identity import GpuIdentity

        def start():
            return open_engine.open_engine(
                card, 0, STREAM, Recipe('fp32', *SHAPES), log=lines.append,
                cache=EngineCache(tmp_path / 'cache', log=lines.append),
                identity=lambda index: GpuIdentity('RTX 4090', 'sm_89', '580'),
                load=lambda plan, kernels: tensorrt.TensorRtEngine(
                    plan, card, 0, STREAM, memory.allocate, memory.free, lines.append, kernels))
        yield SimpleNamespace(start=start, lines=lines, memory=memory,
                              folder=tmp_path / 'cache' / 'engines')


def run_all(rtx, *counts):
    """Run a new engine on batches and close it. Return the batch sizes whose kernels it built."""
    simulated_tensorrt.COMPILED.clear()
    engine = rtx.start()
    for count in counts:
        run(engine, rtx.memory, noise(count))
    engine.close()
    return [shape[0] for shape in simulated_tensorrt.COMPILED]


def test_kernels_are_compiled_at_the_first_start_only(rtx):
    assert run_all(rtx, 1, 2, 1) == [1, 2]
    (kept,) = rtx.folder.glob('*.kernels')
    (plan,) = rtx.folder.glob('*.plan')
    assert kept.stem == plan.stem and kept.stat().st_mode & 0o777 == 0o600
    first = kept.stat()
    assert run_all(rtx, 1, 2) == []
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert run_all(rtx, 4, 2) == [4]        # new kernels are added to the kept ones
    assert run_all(rtx, 1, 2, 4) == []


def test_kernels_are_kept_though_the_process_is_killed(rtx):
    run(rtx.start(), rtx.memory, noise(1))      # the engine is never closed
    assert run_all(rtx, 1) == []


def test_kernels_of_another_gpu_are_compiled_again_with_a_line(rtx, monkeypatch):
    run_all(rtx, 1)
    monkeypatch.setattr(simulated_tensorrt, 'ENVIRONMENT', 'a newer driver')
    assert run_all(rtx, 1) == [1]
    (said,) = [line for line in rtx.lines if 'compiles them again' in line]
    assert said.endswith('compiles them again: IRuntimeCache: made for GPU and driver of the test')
    assert run_all(rtx, 1) == []


@pytest.mark.parametrize('tamper', [
    lambda path: path.write_bytes(path.read_bytes() + b' '),
    lambda path: path.chmod(0o666),
    lambda path: path.with_name(f'{path.name}.json').unlink()])
def test_kernels_that_cannot_be_trusted_are_not_loaded(rtx, tamper, monkeypatch):
    run_all(rtx, 1)
    (kept,) = rtx.folder.glob('*.kernels')
    tamper(kept)
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(simulated_tensorrt.IRuntimeCache, 'deserialize',
                      lambda self, blob: seen.append(blob) or True)
        assert run_all(rtx, 1) == [1] and seen == []
    assert run_all(rtx, 1) == []


def test_kernels_are_deleted_with_their_plan(rtx, tmp_path):
    from trt_segmentation.builder.cache import EngineCache
    run_all(rtx, 1)
    cache = EngineCache(tmp_path / 'cache', limit=1)
    cache._drop_oldest(tmp_path / 'newer.plan')
    assert not list(rtx.folder.glob('*.kernels*'))
    run_all(rtx, 1)
    cache.clear()
    assert not list(rtx.folder.glob('*.kernels*'))


def test_plan_has_the_layers_of_the_built_engine(trt, card):
    about = make_plan(trt, card).about
    assert about['layers_are'] == 'built'
    layers = from_json(about['layers'])
    assert '/backbone/stem' in [layer.name for layer in layers] and layers[0].precision == 'fp32'


def test_plan_has_the_parsed_layers_if_it_cannot_be_inspected(trt, card, monkeypatch):
    monkeypatch.setattr(simulated_tensorrt.Runtime, 'deserialize_cuda_engine',
                        lambda self, plan: None)
    about = make_plan(trt, card).about
    assert about['layers_are'] == 'as parsed'
    assert '/backbone/stem' in [layer.name for layer in from_json(about['layers'])]
