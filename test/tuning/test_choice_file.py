# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The choice of the tuner is stored in a file and read again."""

from dataclasses import asdict, replace
import json

from networks import color_card, color_classifier, cube_colors
import pytest

from trt_segmentation.builder.cache import EngineCache
from trt_segmentation.engines.gpu_identity import GpuIdentity
from trt_segmentation.errors import EngineError
from trt_segmentation.tuning.candidates import Measured, PLAIN
from trt_segmentation.tuning.choice_file import ChoiceFile, make_key
from trt_segmentation.untrusted.signed_files import SignedFile, store_signed

GPU = GpuIdentity('Test GPU', 'sm_90', '580')
RESULTS = [Measured(PLAIN, 1.0, 1.5), Measured('NHWC, heuristic search', 0.9, 2.0, 0.001),
           Measured('NCHW, fused bias, heuristic search', failed='cuDNN')]


@pytest.fixture
def card(tmp_path):
    colors = cube_colors(4)
    return color_card(color_classifier(tmp_path / 'classifier.onnx', colors), colors)


def test_measurements_come_back_for_the_same_key_only(tmp_path, card):
    def file(card=card, gpu=GPU):
        return ChoiceFile(str(tmp_path / 'cache'), make_key(card, gpu))
    assert file().load() == []
    file().store(RESULTS)
    assert file().load() == RESULTS
    paths = {file().path, file(gpu=replace(GPU, driver='590')).path,
             file(gpu=replace(GPU, name='Other')).path,
             file(replace(card, input=replace(card.input, height=64))).path}
    assert len(paths) == 4
    card.model.write_bytes(card.model.read_bytes() + b'\x72\x00')
    assert file().path not in paths and file().load() == []


def test_the_path_of_the_network_is_not_part_of_the_key(tmp_path, card):
    other = tmp_path / 'elsewhere.onnx'
    other.write_bytes(card.model.read_bytes())
    assert make_key(replace(card, model=other), GPU) == make_key(card, GPU)


@pytest.mark.parametrize('data', [
    b'', b'{', b'[]', b'[1]', b'[{"name": "x"}]', b'[{"title": "x"}]',
    json.dumps([asdict(Measured('invented', 1.0, 1.0)), asdict(RESULTS[0])]).encode(),
    json.dumps([asdict(RESULTS[1])]).encode()])
def test_a_file_with_other_content_is_not_used(tmp_path, card, data):
    kept = ChoiceFile(str(tmp_path / 'cache'), make_key(card, GPU))
    store_signed(kept.path, SignedFile(data), {})
    assert kept.load() == []


def test_a_changed_file_is_not_used(tmp_path, card):
    kept = ChoiceFile(str(tmp_path / 'cache'), make_key(card, GPU))
    kept.store(RESULTS)
    kept.path.write_bytes(kept.path.read_bytes().replace(b'0.9', b'0.1'))
    assert kept.load() == []


def test_the_engine_cache_clears_it_and_shares_its_lock(tmp_path, card):
    kept = ChoiceFile(str(tmp_path / 'cache'), make_key(card, GPU))
    with kept.locked():
        kept.store(RESULTS)
    cache = EngineCache(tmp_path / 'cache')
    assert cache.entries() == [] and (cache.folder / 'build.lock').is_file()
    assert cache.clear() > 0 and not kept.path.exists()


def test_a_missing_network_is_refused(tmp_path, card):
    with pytest.raises(EngineError, match=r'there is no ONNX file .*gone.onnx'):
        make_key(replace(card, model=tmp_path / 'gone.onnx'), GPU)
