# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/photographs.py on a generated folder that looks like CamVid."""

from __future__ import annotations

from collections import Counter
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

import cv2
from networks import color_classifier, cube_colors
import numpy as np
import onnx
from onnx import helper, numpy_helper
import pytest

from trt_segmentation.errors import EvaluationError
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card

ROOT = Path(__file__).parents[1]
HEIGHT, WIDTH = 24, 32
NAMES = {'train': [f'0006R0_{i:06}' for i in range(8)] + [f'0001TP_{i:06}' for i in range(4)],
         'val': ['0016E5_000000'],
         'test': [f'0001TP_{i:06}' for i in (9, 10)] + [f'Seq05VD_f{i:05}' for i in range(3)]}


@pytest.fixture(scope='module')
def camvid() -> Any:
    sys.path.insert(0, str(ROOT / 'benchmarks'))
    try:
        import camvid
        return camvid
    finally:
        sys.path.remove(str(ROOT / 'benchmarks'))


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write pictures whose colours give the class of each pixel. Class 11 is void."""
    folder = tmp_path_factory.mktemp('CamVid')
    colors = cube_colors(12)
    for split, names in NAMES.items():
        for part in (split, f'{split}annot'):
            (folder / part).mkdir()
        for index, name in enumerate(names):
            rng = np.random.default_rng(index + 100 * len(names))
            labels = np.kron(rng.integers(0, 12, (HEIGHT // 4, WIDTH // 4)),
                             np.ones((4, 4))).astype(np.uint8)
            picture = np.clip(colors[labels][..., ::-1] + rng.normal(0, 6, (HEIGHT, WIDTH, 3)),
                              0, 255)
            cv2.imwrite(str(folder / split / f'{name}.png'), picture.astype(np.uint8))
            cv2.imwrite(str(folder / f'{split}annot' / f'{name}.png'), labels)
    return folder


@pytest.fixture(scope='module')
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a network that knows the eleven colours. It enlarges its logits, as a decoder does."""
    path = color_classifier(tmp_path_factory.mktemp('network') / 'tiny.onnx', cube_colors(11),
                            height=HEIGHT, width=WIDTH, stride=2)
    model = onnx.load(path)
    last = model.graph.node[-1]
    model.graph.initializer.append(numpy_helper.from_array(
        np.array([1, 1, 2, 2], np.float32), 'scales'))
    last.CopyFrom(helper.make_node('Resize', [last.input[0], '', 'scales'], list(last.output),
                                   'enlarge', mode='nearest'))
    for dim, side in zip(model.graph.output[0].type.tensor_type.shape.dim[2:], (HEIGHT, WIDTH)):
        dim.dim_value = side
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def test_conditions_and_void_pixels(camvid: Any, data: Path) -> None:
    samples = list(camvid.read_photographs(data, 'test'))
    assert [sample.name for sample in samples] == [f'{name}.png' for name in NAMES['test']]
    assert Counter(sample.condition for sample in samples) == {'dusk': 2, 'day': 3}
    for sample in samples:
        written = cv2.imread(str(data / 'testannot' / sample.name), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(sample.truth, np.where(written == 11, 255, written))
    half = [sample.name for sample in camvid.read_photographs(data, 'test', 2)]
    assert half == [f'{NAMES["test"][i]}.png' for i in (0, 2, 4)]


def test_a_missing_split_is_named(camvid: Any, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match='test is not a folder'):
        list(camvid.read_photographs(tmp_path, 'test'))


@pytest.mark.parametrize('scale', [1, 2])
def test_demo_model_counts_the_pixels_of_the_nine_classes(camvid: Any, data: Path,
                                                          scale: int) -> None:
    pipeline = HostPipeline(load_card('street'))
    samples = list(camvid.read_photographs(data, 'test'))
    scores, trust = camvid.score_demo_model(pipeline, samples, scale)
    pipeline.close()
    assert scores.classes == list(camvid.STREET_NAMES) and scores.images == 5
    known = [camvid.CLASSES.index(name) for name in camvid.STREET_NAMES]
    truth = np.concatenate([sample.truth.ravel() for sample in samples])
    expected = scale ** 2 * np.array([np.count_nonzero(truth == index) for index in known])
    assert scores.matrix.sum(1).tolist() == expected.tolist()
    assert trust.sum() == expected.sum() and trust[1].sum() == np.trace(scores.matrix)


@pytest.mark.parametrize('trust,area', [
    ({255: (0, 50), 0: (50, 0)}, 0.5 * (1 - np.log(2))),    # every error has less confidence
    ({255: (50, 0), 0: (0, 50)}, 0.5 + 0.5 * np.log(2)),    # every error has more confidence
    ({128: (25, 75)}, 0.25),                                # the confidence says nothing
    ({255: (0, 100)}, 0)])                                  # no errors
def test_area_under_the_risk_coverage_curve(camvid: Any, trust: dict[int, tuple[int, int]],
                                            area: float) -> None:
    counts = np.zeros((2, 256), np.int64)
    for confidence, pair in trust.items():
        counts[:, confidence] = pair
    assert camvid.risk_coverage_area(counts) == pytest.approx(area, abs=1e-3)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / 'benchmarks' / 'photographs.py', *arguments],
                          capture_output=True, text=True, cwd=ROOT)


def test_rows_of_a_run(data: Path, network: Path, tmp_path: Path) -> None:
    done = run('--data', data, '--networks', network, '--frames', '12', '--json',
               tmp_path / 'found.json')
    assert done.returncode == 0, done.stderr
    rows = {row['name']: row for row in json.loads((tmp_path / 'found.json').read_text())['rows']}
    methods = ('entropy', 'minmax', 'mse', 'percentile')
    expected = [f'tiny: {name} pixels as fp32 on frames of train' for name in methods]
    expected += ['tiny: layers that stay fp16', 'tiny: comparison of the calibration methods']
    for condition, images in (('day', 3), ('dusk', 2)):
        expected += [f'tiny, {condition}: photographs', f'tiny, {condition}: fp32 mean IoU']
        assert rows[f'tiny, {condition}: photographs']['value'] == images
        assert rows[f'tiny, {condition}: fp32 mean IoU']['value'] > 0.95
        for precision in ('fp16', 'int8', 'mixed'):
            rest = (f'tiny, {condition}: {precision} mean IoU lost to fp32',
                    f'tiny, {condition}: {precision} pixels as fp32')
            expected += rest
            assert all(rows[name]['holds'] is not None for name in rest)
    assert list(rows) == expected


def test_rows_of_the_demo_model(data: Path, tmp_path: Path) -> None:
    done = run('--data', data, '--demo-model', 'street', '--json', tmp_path / 'found.json')
    assert done.returncode == 0, done.stderr
    names = [row['name'] for row in json.loads((tmp_path / 'found.json').read_text())['rows']]
    assert len(names) == len(set(names)) == 2 * 3 * (2 + 9 + 2)
    for title in ('demo model, 64x48, ', 'demo model, 32x24, '):
        assert sum(name.startswith(title) for name in names) == 3 * (2 + 9 + 2)


def test_a_wrong_folder_and_a_missing_option_say_so(tmp_path: Path, network: Path) -> None:
    done = run('--data', tmp_path, '--networks', network)
    assert done.returncode != 0 and 'train' in done.stderr
    done = run()
    assert done.returncode == 2 and '--data' in done.stderr
