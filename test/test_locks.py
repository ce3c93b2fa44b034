# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Lock files have hashes for every pin and name no index, and the SBOM agrees with them."""

from __future__ import annotations

import json
from pathlib import Path
import re

import pytest

from trt_segmentation.installed.pip_names import GPU_SETS

ROOT = Path(__file__).parents[1]
GPU_LOCKS = [f'requirements/{name}.lock' for name in GPU_SETS]
BINDINGS_LOCKS = [f'.ci/tensorrt_bindings/{name}.lock'
                  for name in ('10.3', '10.13', '11.4', 'lean')]
LOCKS = ['requirements.lock', 'requirements-kilted.lock', '.ci/tensorrt_stubs.lock',
         'requirements/demo.lock', *GPU_LOCKS, *BINDINGS_LOCKS]
PIN = re.compile(r'(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\]+))?')


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding='utf-8')


def entries(lock: str) -> list[tuple[str, list[str]]]:
    joined = text(lock).replace('\\\n', ' ')
    lines = [re.split(r'\s+--hash=', line) for line in joined.splitlines()]
    return [(first.strip(), [one.strip() for one in hashes]) for first, *hashes in lines]


@pytest.mark.parametrize('lock', LOCKS)
def test_every_pin_has_hashes_and_no_lock_names_a_host(lock: str) -> None:
    found = entries(lock)
    assert found
    for pin, hashes in found:
        assert PIN.fullmatch(pin), pin
        assert hashes and all(re.fullmatch('sha256:[0-9a-f]{64}', one) for one in hashes), pin
    assert '://' not in text(lock)


def test_dev_compares_the_packages_for_tests_with_their_hashes() -> None:
    commands = re.findall(r'(?:pip_install|pip install) ((?:.|\\\n)*?[^\\])\n', text('dev'))
    # only the package itself and the tools that write the locks need no hash
    others = [command for command in commands if '--require-hashes' not in command]
    assert sum('--editable .' in one for one in others) == 2
    assert [one for one in others if '--editable .' not in one] == [
        '--no-compile --no-color --progress-bar=off \\\n    --disable-pip-version-check "${@:2}" '
        '>"$log" 2>&1 || {',      # this is the function pip_install
        '--quiet --disable-pip-version-check uv cyclonedx-bom']
    assert len(commands) - len(others) == 4
    assert all(lock in text('dev') for lock in LOCKS if lock not in GPU_LOCKS + BINDINGS_LOCKS)
    assert 'locks=(.ci/tensorrt_bindings/*.lock)' in text('dev')
    assert {str(path.relative_to(ROOT)) for path in ROOT.glob('.ci/tensorrt_bindings/*')} == set(
        BINDINGS_LOCKS)


def releases(lock: str) -> set[tuple[str, str]]:
    return {(found['name'], found['version'])
            for found in (PIN.fullmatch(pin) for pin, _ in entries(lock)) if found}


def test_all_releases_of_the_demo_are_in_the_full_lock() -> None:
    """For this reason, the demo also runs in the larger environment of the tests."""
    demo = releases('requirements/demo.lock')
    assert len(demo) > 90 and demo < releases('requirements.lock')


@pytest.mark.parametrize('lock', GPU_LOCKS)
def test_gpu_packages_have_the_releases_of_the_demo(lock: str) -> None:
    """Python takes a package from .venv-gpu before .venv, so the releases must be the same."""
    demo = releases('requirements/demo.lock')
    ours = {name for name, _ in demo}
    assert {release for release in releases(lock) if release[0] in ours} <= demo
    assert ours >= {'numpy', 'protobuf', 'flatbuffers', 'packaging'}    # ONNX Runtime needs these


def test_both_distributions_have_the_same_ros_packages() -> None:
    jazzy, kilted = ({line.replace(f'ros-{name}-', '') for line in text(file).splitlines()
                      if line.startswith(f'ros-{name}-')} for name, file in (
                          ('jazzy', 'requirements/demo.in'), ('kilted', 'requirements-kilted.in')))
    assert jazzy == kilted and 'rclpy[fastrtps]' in jazzy


def test_ci_runs_the_ros_tests_on_both_distributions() -> None:
    assert re.findall(r'^\./dev (test\S*)$', text('.ci/run'), re.M) == ['test', 'test-kilted']


def test_the_sbom_lists_the_pins_of_the_lock() -> None:
    document = json.loads(text('sbom.json'))
    assert (document['bomFormat'], document['metadata']['component']['name']) == (
        'CycloneDX', 'trt_segmentation')
    listed = sorted(part['purl'] for part in document['components'])
    pins = [PIN.fullmatch(pin) for pin, _ in entries('requirements.lock')]
    assert listed == sorted(f'pkg:pypi/{pin["name"]}@{pin["version"]}' for pin in pins if pin), (
        'requirements.lock changed; ./dev lock writes sbom.json too')
    assert 'externalReferences' not in text('sbom.json')


def test_rosbags_is_bounded_because_we_replace_internals() -> None:
    bounds = [re.search(r'rosbags(>=0\.\d+,<0\.\d+)', text(name))
              for name in ('requirements/demo.in', 'setup.py')]
    assert bounds[0] and bounds[1] and bounds[0][1] == bounds[1][1]
