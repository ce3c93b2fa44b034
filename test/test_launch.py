# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files: their arguments and processes, and a real ``ros2 launch`` if possible."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import module_from_spec, spec_from_file_location
import os
from pathlib import Path
import random
import re
import shutil
import signal
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('launch_ros', reason='launch_ros comes with a ROS install')

from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable

from trt_segmentation.engines import ENGINES, PRECISION_CHOICES
from trt_segmentation.street import CONDITIONS

ROOT = Path(__file__).parents[1]
PARAMETERS = str(ROOT / 'config' / 'seg.yaml')
PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')


def load(name: str) -> Any:
    spec = spec_from_file_location(name, ROOT / 'launch' / f'{name}.launch.py')
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROFILES, 'FASTDDS_BUILTIN_TRANSPORTS'):
        monkeypatch.delenv(name, raising=False)


def arguments(module: Any) -> dict[str, Any]:
    """Return the arguments that ``ros2 launch --show-args`` prints."""
    return {argument.name: argument
            for argument in module.generate_launch_description().get_launch_arguments()}


def default(argument: Any) -> str:
    return ''.join(part.text for part in argument.default_value)


def started(monkeypatch: pytest.MonkeyPatch, **given: str) -> tuple[Any, ...]:
    """Return the constructor arguments of each action of seg.launch.py."""
    seg = load('seg')
    monkeypatch.setattr(seg, 'Node', lambda **options: options)
    monkeypatch.setattr(seg, 'ExecuteProcess', lambda **options: options)
    monkeypatch.setattr(seg, 'OnProcessExit', lambda **options: options)
    monkeypatch.setattr(seg, 'RegisterEventHandler', lambda handler: handler)
    monkeypatch.setattr(seg, 'TimerAction', lambda **options: options)
    configurations = {name: default(argument) for name, argument in arguments(seg).items()}
    assert set(given) <= set(configurations)
    return tuple(seg.actions(SimpleNamespace(launch_configurations={**configurations, **given})))


SEG = {'image', 'cameras', 'model', 'engine', 'precision', 'gpu', 'namespace', 'params_file',
       'use_sim_time', 'autostart', 'log_level', 'respawn', 'bag'}
DEMO = {'image', 'cameras', 'condition', 'seed', 'fps'}


@pytest.mark.parametrize(('name', 'expected'), [
    ('seg', SEG), ('demo', SEG | DEMO), ('nav2', SEG)])
def test_every_argument_is_described_and_its_default_is_a_choice(
        name: str, expected: set[str]) -> None:
    found = arguments(load(name))
    assert set(found) == expected
    for argument in found.values():
        assert argument.description
        assert not argument.choices or default(argument) in argument.choices


def test_choices_agree_with_the_code() -> None:
    assert arguments(load('seg'))['engine'].choices == ['', *ENGINES]
    assert arguments(load('seg'))['precision'].choices == ['', *PRECISION_CHOICES]
    assert arguments(load('demo'))['condition'].choices == [*CONDITIONS, 'tour']


def test_without_arguments_the_parameter_file_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    _, node = started(monkeypatch)
    assert node['parameters'] == [str(ROOT / 'config' / 'seg.yaml'), {}]
    assert (node['executable'], node['remappings']) == ('seg_node', [('image', 'image')])


def test_arguments_override_the_parameter_file(monkeypatch: pytest.MonkeyPatch) -> None:
    _, node = started(monkeypatch, model='street', engine='onnxruntime-cpu', image='/a/b',
                      autostart='false', use_sim_time='false', namespace='front',
                      params_file=PARAMETERS, log_level='debug')
    assert node['parameters'] == [PARAMETERS, {
        'model': 'street', 'engine': 'onnxruntime-cpu', 'autostart': False,
        'use_sim_time': False}]
    assert (node['namespace'], node['remappings']) == ('front', [('image', '/a/b')])
    assert node['ros_arguments'] == ['--log-level', 'debug']


@pytest.mark.parametrize(('code', 'again'), [(0, 0), (2, 0), (1, 1), (70, 1), (75, 1), (-9, 1)])
def test_a_node_that_died_is_started_again(
        monkeypatch: pytest.MonkeyPatch, code: int, again: int) -> None:
    """After code 0 or 2 the node stays ended: it was told to end, or refused its parameters."""
    watch, node = started(monkeypatch)
    assert watch['target_action'] is node
    running, ending = (SimpleNamespace(is_shutdown=value) for value in (False, True))
    ended = SimpleNamespace(returncode=code)
    timers = watch['on_exit'](ended, running)
    assert len(timers) == again and watch['on_exit'](ended, ending) == []
    for timer in timers:
        assert timer['period'] == 2.0
        next_watch, next_node = timer['actions']
        assert next_node == node and next_watch['target_action'] is next_node
    assert len(started(monkeypatch, respawn='false')) == 1


def test_each_camera_takes_its_own_image_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    _, node = started(monkeypatch, cameras='front, left', image='image_raw', gpu='1',
                      precision='int8')
    assert node['parameters'][1] == {
        'cameras': ['front', 'left'], 'gpu': 1, 'precision': 'int8'}
    assert node['remappings'] == [('front/image', 'front/image_raw'),
                                  ('left/image', 'left/image_raw')]


@pytest.mark.parametrize(('given', 'expected', 'image'), [
    ({}, [('street_camera', '/camera/image_raw', 1)], '/camera/image_raw'),
    ({'image': '/a/b', 'seed': '5'}, [('street_camera', '/a/b', 5)], '/a/b'),
    ({'cameras': 'front,left'}, [('street_camera_front', 'front/image_raw', 1),
                                 ('street_camera_left', 'left/image_raw', 2)], 'image_raw'),
])
def test_the_demo_starts_one_street_camera_per_camera(
        monkeypatch: pytest.MonkeyPatch, given: dict[str, str],
        expected: list[tuple[str, str, int]], image: str) -> None:
    demo = load('demo')
    monkeypatch.setattr(demo, 'Node', lambda **options: options)
    monkeypatch.setattr(demo, 'SetLaunchConfiguration', lambda name, value: {name: value})
    configurations = {name: default(argument) for name, argument in arguments(demo).items()
                      if name in DEMO}
    configurations.update(given)
    (choice,) = demo.choose_image(SimpleNamespace(launch_configurations=configurations))
    assert choice == {'image': image}
    cameras = demo.camera_actions(
        SimpleNamespace(launch_configurations={**configurations, **choice}))
    assert [(camera['name'], dict(camera['remappings'])['image'],
             camera['parameters'][0]['seed']) for camera in cameras] == expected


@pytest.mark.parametrize(('given', 'namespace', 'sim'), [
    ({}, '', False), ({'namespace': 'front', 'use_sim_time': 'true'}, 'front', True),
    ({'bag': str(ROOT)}, '', True), ({'use_sim_time': 'false'}, '', False)])
def test_nav2s_manager_starts_a_node_that_does_not_start_itself(
        monkeypatch: pytest.MonkeyPatch, given: dict[str, str], namespace: str,
        sim: bool) -> None:
    """If the node started itself, it would refuse the first request of the manager."""
    nav2 = load('nav2')
    monkeypatch.setattr(nav2, 'Node', lambda **options: options)
    (manager,) = nav2.manager_actions(SimpleNamespace(launch_configurations=given))
    (node,) = [entity for entity in nav2.generate_launch_description().entities
               if isinstance(entity, IncludeLaunchDescription)]
    assert dict(node.launch_arguments) == {'autostart': 'false'}
    (parameters,) = manager['parameters']
    assert parameters == {'autostart': True, 'node_names': ['trt_segmentation'],
                          'bond_timeout': 0.0, 'use_sim_time': sim}
    assert (manager['package'], manager['executable'], manager['namespace']) == (
        'nav2_lifecycle_manager', 'lifecycle_manager', namespace)
    _, seg = started(monkeypatch, **given, autostart='false')[:2]
    assert (seg['name'], seg['namespace']) == (parameters['node_names'][0], namespace)
    assert seg['parameters'][1]['autostart'] is False


def test_a_bag_is_played_with_its_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, node, watch, player = started(monkeypatch, bag=str(tmp_path))
    assert node['parameters'][1] == {'use_sim_time': True}
    assert player['cmd'][:3] == ['ros2', 'bag', 'play']
    assert '--clock' in player['cmd'] and player['cmd'][-1] == str(tmp_path)
    assert watch['target_action'] is player


@pytest.mark.parametrize(('code', 'is_shutdown', 'ends'), [
    (0, False, False), (1, False, True), (-9, False, True), (-2, True, False)])
def test_a_bag_player_that_fails_ends_the_launch(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, is_shutdown: bool,
        ends: bool) -> None:
    """Two ends are no failure: the player is at the end of the bag, or was told to end."""
    watch = started(monkeypatch, bag=str(tmp_path))[2]
    with pytest.raises(RuntimeError, match='cannot be played') if ends else nullcontext():
        watch['on_exit'](SimpleNamespace(returncode=code), SimpleNamespace(
            is_shutdown=is_shutdown))


def test_the_dds_profile_is_set_only_if_the_user_set_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        entities = load('seg').generate_launch_description().entities
        return sum(isinstance(entity, SetEnvironmentVariable) for entity in entities)

    assert count() == 2
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'LARGE_DATA')
    assert count() == 0


def installed() -> bool:
    """Return True if `ros2 launch trt_segmentation` can find the package."""
    return bool(shutil.which('ros2')) and subprocess.run(
        ['ros2', 'pkg', 'prefix', 'trt_segmentation'], capture_output=True,
        check=False).returncode == 0


@contextmanager
def launched(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a real ``ros2 launch`` of this package in a random domain until the block ends."""
    if not installed():
        pytest.skip('needs ros2 launch and this package built by colcon and sourced')
    process = subprocess.Popen(
        ['ros2', 'launch', 'trt_segmentation', *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, 'ROS_DOMAIN_ID': str(random.randint(1, 100)),
             'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'})
    try:
        yield process
    finally:
        if process.poll() is None:  # SIGINT also ends the processes that launch started
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


@pytest.mark.parametrize('respawn', ['true', 'false'])
def test_ros2_launch_starts_a_node_that_was_killed_again(respawn: str) -> None:
    pids, active, log = [], 0, ''
    with launched('seg.launch.py', f'respawn:={respawn}') as process:
        assert process.stdout
        for line in process.stdout:
            log += line
            if found := re.search(r'seg_node-\d+\]: process started with pid \[(\d+)\]', line):
                pids.append(int(found[1]))
            if 'active: /image' not in line:
                continue
            active += 1
            if active == 2:
                process.send_signal(signal.SIGINT)
                break
            os.kill(pids[0], signal.SIGKILL)
        log += process.communicate(timeout=60)[0]
    assert 'process has died' in log, log
    expected = 2 if respawn == 'true' else 1
    assert (active, len(set(pids))) == (expected, expected), log


@pytest.mark.parametrize(('given', 'wanted', 'processes'), [
    ([], {'active: /camera/image_raw', 'publishing /camera/image_raw'}, 2),
    (['cameras:=front,left'], {
        'active: /front/image_raw -> /front/segmentation/label_map',
        'active: /left/image_raw -> /left/segmentation/label_map',
        'publishing /front/image_raw', 'publishing /left/image_raw'}, 3)])
def test_ros2_launch_demo(given: list[str], wanted: set[str], processes: int) -> None:
    log = ''
    with launched('demo.launch.py', *given) as process:
        assert process.stdout
        for line in process.stdout:
            log += line
            wanted = {text for text in wanted if text not in line}
            if not wanted:
                break
        process.send_signal(signal.SIGINT)
        log += process.communicate(timeout=60)[0]
    assert not wanted and log.count('process has finished cleanly') == processes, log
    # A camera advertises its topic only after it has images. So on a slow machine too, the node
    # must not warn that a topic has no images.
    assert not re.search('no image.*which has', log), log


@pytest.mark.parametrize('given', [
    'seg params_file:=no/params.yaml', 'seg gpu:=abc', 'seg cameras:=fr%nt',
    'seg image:=bad//name', 'seg namespace:=bad//name', 'seg model:=streets', 'seg bag:=no/bag',
    'seg log_level:=loud', 'seg use_sim_time:=maybe', 'seg engine:=fast', 'demo gpu:=abc',
    'demo cameras:=fr%nt', 'demo image:=bad//name', 'demo seed:=abc', 'demo fps:=fast',
    'demo condition:=fog'])
def test_ros2_launch_refuses_a_bad_argument_before_it_starts_a_process(given: str) -> None:
    launch_file, argument = given.split()
    with launched(f'{launch_file}.launch.py', argument) as process:
        log = process.communicate(timeout=60)[0]
    assert process.returncode == 1 and 'process started' not in log, log
    name, _, value = argument.partition(':=')
    refusals = (f'{argument} is refused: ', f'Argument "{name}" provided value "{value}"')
    assert any(text in line for line in log.splitlines() if line.startswith('[ERROR]')
               for text in refusals), log


def test_ros2_launch_starts_nothing_if_nav2_is_missing() -> None:
    if shutil.which('ros2') and subprocess.run(
            ['ros2', 'pkg', 'prefix', 'nav2_lifecycle_manager'], capture_output=True,
            check=False).returncode == 0:
        pytest.skip('Nav2 is installed')
    with launched('nav2.launch.py') as process:
        log = process.communicate(timeout=60)[0]
    assert process.returncode == 1 and 'process started' not in log, log
    assert 'sudo apt install ros-$ROS_DISTRO-nav2-lifecycle-manager' in log, log


def test_ros2_launch_ends_when_the_bag_cannot_be_played(tmp_path: Path) -> None:
    bag = tmp_path / 'thesis.mcap'
    bag.write_text('not a bag', 'utf-8')
    with launched('seg.launch.py', f'bag:={bag}') as process:
        log = process.communicate(timeout=60)[0]
    assert process.returncode == 1, log
    assert f'bag:={bag} cannot be played: ros2 bag play ended with exit code ' in log, log
