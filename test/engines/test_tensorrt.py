# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""engines/tensorrt.py runs on a simulated TensorRT that computes on the CPU."""

import ctypes
from dataclasses import replace
import gc
import threading
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import segmentation_networks
from simulated_engines import CLASSES, expected, make_plan, noise, run, SHAPES, STREAM
import simulated_tensorrt

from trt_segmentation.engines.plan import from_json, Plan
from trt_segmentation.errors import EngineError


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
    engine = trt.open(make_plan(trt, two), two)
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
    engine = trt.open(plan)
    chosen = [engine._loaded.choose_profile((count, 3, 64, 96)) for count in (1, 3, 4)]
    assert chosen == [0, 1, 1]


def test_a_file_that_is_no_plan_fails_with_tensorrts_words(trt, card):
    with pytest.raises(EngineError, match=r'TensorRT 10.13.0 cannot load the plan: .*magicTag'):
        trt.open(Plan(b'not a plan'))


def test_plan_of_another_network_does_not_fit_the_card(trt, card, model):
    segmentation_networks.save(segmentation_networks.lraspp(dynamic=False), model)
    plan = make_plan(trt, card, '', '')
    with pytest.raises(EngineError, match='5 classes, but the model card names 2'):
        trt.open(plan, replace(card, classes=('a', 'b')))


def test_refused_inference_fails_with_tensorrts_words(engine, memory):
    bound = engine.bind(1, memory.allocate(1 << 20), 0)
    with pytest.raises(EngineError, match=r'inference failed: .*no address is set for'):
        bound.enqueue(STREAM)


def test_warnings_are_logged_and_errors_are_kept(trt, caplog):
    caplog.set_level('DEBUG', 'trt_segmentation.engines.tensorrt')
    lines = []
    log = trt.tensorrt.BuildLog(lines.append)
    for severity in simulated_tensorrt.ILogger.Severity:
        log.log(severity, severity.name)
    assert lines == ['WARNING']
    assert log.take_reason() == 'INTERNAL_ERROR; ERROR'
    assert log.take_reason() == 'TensorRT gave no reason'
    assert list(log.lines) == ['INTERNAL_ERROR', 'ERROR', 'WARNING', 'INFO']
    assert caplog.messages == [f'{name}: {name}' for name in log.lines]
    assert {record.levelname for record in caplog.records} == {'DEBUG'}


def refuse_addresses(engine):
    """Return the message of an engine that gets an address which is not aligned."""
    with pytest.raises(EngineError) as caught:
        engine.bind(1, 1, 256)
    return str(caught.value)


def test_every_engine_hears_its_own_lines(trt, card):
    plan = make_plan(trt, card)
    said = {'a': [], 'b': []}
    engines = {name: trt.open(plan, card, lines.append) for name, lines in said.items()}
    for engine in engines.values():
        assert 'address 0x1 of image is not a multiple of 256' in refuse_addresses(engine)
    with engines['b']._loaded.log:
        simulated_tensorrt._log(simulated_tensorrt.ILogger.WARNING, 'b is slow')
    assert said == {'a': [], 'b': ['b is slow']}


def test_logger_lives_as_long_as_the_process(trt, card):
    plan = make_plan(trt, card)
    trt.open(plan).close()
    gc.collect()
    assert simulated_tensorrt.PROCESS.logger() is trt.tensorrt.LOGGER
    assert simulated_tensorrt.get_plugin_registry().all_creators      # it uses its logger
    trt.open(plan).close()


def test_lines_of_other_threads_reach_a_build(trt):
    with trt.tensorrt.BuildLog() as log:
        thread = threading.Thread(target=simulated_tensorrt._log, args=(
            simulated_tensorrt.ILogger.ERROR, 'from a thread of TensorRT'))
        with trt.tensorrt.BuildLog() as inner:
            simulated_tensorrt._log(simulated_tensorrt.ILogger.ERROR, 'from this thread')
        thread.start()
        thread.join()
    assert log.errors == ['from a thread of TensorRT'] and inner.errors == ['from this thread']


def test_lines_without_a_listener_go_to_the_log_of_python(trt, caplog):
    for severity in simulated_tensorrt.ILogger.Severity:
        simulated_tensorrt._log(severity, severity.name)
    assert caplog.messages == [
        f'TensorRT 10.13.0: {name}' for name in ('INTERNAL_ERROR', 'ERROR', 'WARNING')]


def test_interrupt_while_a_line_is_logged_is_not_lost(trt, card):
    def interrupt(line):
        raise KeyboardInterrupt
    engine = trt.open(make_plan(trt, card), card, interrupt)
    simulated_log = engine._loaded.log
    with pytest.raises(KeyboardInterrupt), simulated_log:
        simulated_tensorrt._log(simulated_tensorrt.ILogger.WARNING, 'slow')
    assert simulated_tensorrt.PROCESS.swallowed == []
    with simulated_log:         # it is raised once
        pass


def test_damaged_timing_cache_is_replaced(trt, card):
    from trt_segmentation.builder.prepare import read_graph
    from trt_segmentation.builder.settings import Recipe
    graph = read_graph(card, Recipe('fp32', *SHAPES))
    for given in (b'', b'simulated timings', b'timings of another TensorRT'):
        plan, timing = trt.build.build_plan(graph.model, [graph.profile], timing=given)
        assert timing == b'simulated timings' and plan.data


def test_a_build_loads_the_kernels_of_tensorrt_once(trt, card, tmp_path):
    from trt_segmentation.builder.cache import EngineCache
    from trt_segmentation.builder.settings import Recipe
    from trt_segmentation.engines.gpu_identity import GpuIdentity
    simulated_tensorrt.PROCESS.kernel_loads = 0
    trt.open_engine.open_engine(
        card, 0, STREAM, Recipe('fp32', *SHAPES), cache=EngineCache(tmp_path / 'cache'),
        identity=lambda index: GpuIdentity('RTX 4090', 'sm_89', '580'),
        load=lambda plan, kernels: trt.open(plan)).close()
    assert simulated_tensorrt.PROCESS.kernel_loads == 1


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
            load=lambda plan, kernels: trt.open(plan, kernels=kernels))
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
        from trt_segmentation.engines.gpu_identity import GpuIdentity
        from trt_segmentation.engines.loaded_plan import LoadedPlan
        from trt_segmentation.engines.tensorrt_engine import TensorRtEngine

        def start():
            return open_engine.open_engine(
                card, 0, STREAM, Recipe('fp32', *SHAPES), log=lines.append,
                cache=EngineCache(tmp_path / 'cache', log=lines.append),
                identity=lambda index: GpuIdentity('RTX 4090', 'sm_89', '580'),
                load=lambda plan, kernels: TensorRtEngine(
                    LoadedPlan(plan, card, lines.append, kernels), STREAM, memory.allocate,
                    memory.free))
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
