# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Batches are cut into runs of the sizes that an engine accepts."""

from types import SimpleNamespace

import pytest

from trt_segmentation.errors import EngineError

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from trt_segmentation.gpu.compute import cut_into_runs, run_sizes


def engine(takes, batch=None):
    return SimpleNamespace(takes=takes, signature=SimpleNamespace(
        input=SimpleNamespace(batch=batch)))


@pytest.mark.parametrize('takes,most,sizes', [
    (lambda n: True, 1, [1]),
    (lambda n: True, 8, [1, 2, 4, 8]),
    (lambda n: True, 6, [1, 2, 4, 6]),
    (lambda n: True, 64, [1, 2, 4, 8, 16]),
    (lambda n: n == 3, 1, [3]),
    (lambda n: n == 3, 8, [3]),
    (lambda n: n <= 5, 8, [1, 2, 4, 5]),
    (lambda n: n >= 4, 8, [4, 8]),
    (lambda n: n >= 4, 2, [4]),
    (lambda n: n in (1, 8), 8, [1, 8])])
def test_sizes_of_runs(takes, most, sizes):
    assert run_sizes(engine(takes), most) == sizes


def test_a_network_with_too_many_images_a_run_is_refused():
    with pytest.raises(EngineError, match=r'needs 24 images in one run.* at most 16. Export'):
        run_sizes(engine(lambda n: n == 24, 24), 8)


@pytest.mark.parametrize('count,sizes,runs', [
    (1, [1], [1]), (3, [1], [1, 1, 1]), (7, [1, 2, 4], [4, 2, 1]), (20, [1, 2, 4, 8], [8, 8, 4]),
    (6, [1, 2, 4, 5], [5, 1]), (4, [3], [3, 3]), (1, [4, 8], [4]), (13, [4, 8], [8, 4, 4])])
def test_batches_are_cut_into_runs(count, sizes, runs):
    assert cut_into_runs(count, sizes) == runs
