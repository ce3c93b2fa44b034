# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Plans that are cut off or damaged, in the cache and at a path that a user names.

A plan is machine code. TensorRT gets a plan only if three conditions hold: this user owns the
file, nobody else can write it, and its hash matches the recorded hash. A damaged plan in the cache
is built again. A damaged plan at another path gives one clear error. No plan outside the cache is
ever deserialised.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
import json
from pathlib import Path
import random

from faults.hostile_onnx import network
import pytest

pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')

import trt_segmentation
from trt_segmentation.builder.build import build_plan
from trt_segmentation.builder.cache import EngineCache
from trt_segmentation.builder.engine_key import EngineKey
from trt_segmentation.commands import cli
from trt_segmentation.engines.plan import Plan
from trt_segmentation.errors import CacheError
from trt_segmentation.untrusted.signed_files import load_signed_plan, sidecar_path, store_signed

PLACES = 200
KEY = EngineKey(
    model='a' * 64, precision='fp32', scales='', keep_fp16=(), shapes=(), options=(),
    backend='tensorrt_rtx', version='1.7', gpu='', arch='', driver='')
PACKAGE = Path(trt_segmentation.__file__).parent


@pytest.fixture(scope='module')
def plan() -> Plan:
    """Build a real plan of a network with one convolution."""
    return build_plan(network(), [])[0]


def flip(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]


def cut(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at]


def grow(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + rng.randbytes(1) + data[at:]


SPOILS = {'flipped': flip, 'cut off': cut, 'longer by a byte': grow}


def places(size: int, seed: int) -> list[int]:
    rng = random.Random(seed)
    return [0, size - 1, *(rng.randrange(size) for _ in range(PLACES - 2))]


@pytest.mark.parametrize('how', SPOILS)
def test_spoilt_plan_in_the_cache_is_never_loaded(how, plan, tmp_path):
    """A plan damaged at any of 200 random places is built again and never loaded."""
    rng = random.Random(1)
    cache = EngineCache(tmp_path)
    cache.get(KEY, lambda: plan, lambda plan: None)
    (path,) = cache.folder.glob('*.plan')
    built: list[int] = []
    loaded: list[bytes] = []
    for count, at in enumerate(places(len(plan.data), 2), 1):
        path.write_bytes(SPOILS[how](plan.data, at, rng))
        path.chmod(0o600)
        cache.get(KEY, lambda: built.append(1) or plan, lambda plan: loaded.append(plan.data))
        assert (len(built), loaded) == (count, [plan.data] * count), f'spoilt at byte {at}'


@pytest.mark.parametrize('how', SPOILS)
def test_spoilt_plan_by_path_is_one_clear_error(how, plan, tmp_path):
    """The test damages the plan at 200 random places."""
    rng = random.Random(3)
    path = tmp_path / 'street.plan'
    store_signed(path, plan, {})
    assert load_signed_plan(path).data == plan.data
    for at in places(len(plan.data), 4):
        path.write_bytes(SPOILS[how](plan.data, at, rng))
        with pytest.raises(CacheError, match=r'street.plan cannot be used as a plan: .* its '
                                             r'sidecar|street.plan cannot .* its hash differs'):
            load_signed_plan(path)


@pytest.mark.parametrize('how', SPOILS)
def test_spoilt_sidecar_is_one_clear_error_or_still_valid(how, plan, tmp_path, capsys):
    """The sidecar is damaged at 200 random places. It is refused, unless it is still valid."""
    rng = random.Random(5)
    path = tmp_path / 'street.plan'
    store_signed(path, plan, {})
    whole = sidecar_path(path).read_bytes()
    codes = set()
    for at in places(len(whole), 6):
        sidecar_path(path).write_bytes(SPOILS[how](whole, at, rng))
        code = cli.main(['inspect', str(path)])
        out, err = capsys.readouterr()
        assert (code, bool(out)) in ((0, True), (2, False))
        assert code == 0 or (err.startswith('trt_seg: error: ') and str(path) in err
                             and len(err) < 1000)
        codes.add(code)
    assert 2 in codes


HOSTILE_SIDECARS: dict[str, Callable[[dict], object]] = {
    'a list': lambda said: [said],
    'about a list': lambda said: {**said, 'about': []},
    'layers a number': lambda said: {**said, 'about': {**said['about'], 'layers': 7}},
    'no library': lambda said: {**said, 'about': {
        k: v for k, v in said['about'].items() if k != 'library'}},
    'escapes': lambda said: {**said, 'about': {**said['about'], 'library': 'x\x1b]0;y\x07\nz'}},
    'deep': lambda said: json.loads('[' * 900 + ']' * 900),
}


@pytest.mark.parametrize('how', HOSTILE_SIDECARS)
def test_sidecar_of_another_shape_is_one_clear_error(how, plan, tmp_path, capsys):
    """Anyone can write a sidecar with a right hash. It must cause no traceback or escape code."""
    path = tmp_path / 'street.plan'
    store_signed(path, plan, {})
    said = HOSTILE_SIDECARS[how](json.loads(sidecar_path(path).read_text()))
    sidecar_path(path).write_text(json.dumps(said))
    code = cli.main(['inspect', str(path)])
    out, err = capsys.readouterr()
    assert '\x1b' not in out + err
    assert code == (0 if how == 'escapes' else 2)
    assert how == 'escapes' or str(path) in err


def test_sidecar_without_end_is_not_read(plan, tmp_path):
    """The sidecars are JSON of 300 MB, and JSON with 100,000 levels."""
    path = tmp_path / 'street.plan'
    store_signed(path, plan, {})
    with sidecar_path(path).open('wb') as file:
        file.truncate(300 << 20)
    with pytest.raises(CacheError, match=r'street\.plan\.json has 314,572,800 bytes'):
        load_signed_plan(path)
    sidecar_path(path).write_text('[' * 100_000)
    with pytest.raises(CacheError, match='cannot be used as a plan'):
        load_signed_plan(path)


def calls() -> dict[str, list[str]]:
    """Return for each function name the files of the package that call the function."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
                found.setdefault(name, set()).add(str(path.relative_to(PACKAGE)))
    return {name: sorted(places) for name, places in found.items()}


def test_plans_reach_tensorrt_from_the_cache_only():
    """If new code gives a plan to TensorRT, add it here. Such code needs a --trust option.

    LoadedPlan deserialises plans that open_engine takes from the cache, and builder/build.py
    deserialises a plan that it has just built. The command inspect reads a plan's sidecar and
    hashes the plan. The command build --out reads a plan to check it, and then replaces it. The
    file of tuning/choice_file.py is no plan, because it has only names and numbers.
    """
    found = calls()
    assert found['deserialize_cuda_engine'] == ['builder/build.py', 'engines/loaded_plan.py']
    assert found['LoadedPlan'] == ['builder/open_engine.py']
    assert found['load_signed_plan'] == ['commands/inspect_plan.py']
    assert found['load_signed'] == [
        'builder/cache.py', 'builder/calibration.py', 'commands/build_options.py',
        'gpu/kernels/program.py', 'tuning/choice_file.py', 'untrusted/signed_files.py']


def test_inspecting_a_plan_does_not_import_tensorrt(plan, tmp_path, monkeypatch, capsys):
    """Inspect reads the sidecar of the plan and runs no code of the plan."""
    import sys
    path = tmp_path / 'street.plan'
    store_signed(path, plan, {})
    for name in ('tensorrt', 'tensorrt_rtx', 'trt_segmentation.engines.tensorrt'):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main(['inspect', str(path)]) == 0
    assert 'kernels: ' in capsys.readouterr().out
