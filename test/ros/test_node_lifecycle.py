# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Which parameters may change in which lifecycle state, and what each transition frees."""

from __future__ import annotations

import gc
import os
from pathlib import Path
import threading
import time
from typing import Any

import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_rig import camera_image, NODE
from rcl_interfaces.srv import SetParameters
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
import yaml

from trt_segmentation.installed.files import share_path
from trt_segmentation.memory import give_back_freed_memory
from trt_segmentation.model.card import load_card, ModelCard
from trt_segmentation.ros import node, publishers
from trt_segmentation.ros.parameters.setting import NEVER
from trt_segmentation.ros.parameters.table import SETTINGS
from trt_segmentation.ros.parameters.texts import markdown_text, yaml_text

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
CONFIG = Path(__file__).parents[2] / 'config' / 'seg.yaml'


def set_parameter(rig: Any, name: str, value: Any) -> Any:
    (result,) = rig.node.set_parameters([Parameter(name, value=value)])
    return result


def test_seg_yaml_is_the_table() -> None:
    assert CONFIG.read_text(encoding='utf-8') == yaml_text()
    held = yaml.safe_load(yaml_text())['/**']['ros__parameters']
    assert held == {setting.name: list(setting.default) if isinstance(setting.default, tuple)
                    else setting.default for setting in SETTINGS}


def test_the_parameter_reference_is_the_table() -> None:
    text = (CONFIG.parents[1] / 'docs' / 'parameters.md').read_text(encoding='utf-8')
    assert text == markdown_text()
    for setting in SETTINGS:
        assert f'| `{setting.name}` | `{setting.yaml}` |' in text and setting.description in text


def test_seg_yaml_is_accepted(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '--params-file', str(CONFIG)])
    assert rig.node.state == 'active'


def test_every_parameter_is_described(rig: Any) -> None:
    for setting in SETTINGS:
        descriptor = rig.node.describe_parameter(setting.name)
        assert descriptor.description and descriptor.additional_constraints
        assert descriptor.read_only == (setting.change == NEVER)
        default = setting.default
        assert rig.node.value(setting.name) == (
            list(default) if isinstance(default, tuple) else default)
        if isinstance(setting.default, float):
            (span,) = descriptor.floating_point_range
            assert span.from_value <= setting.default <= span.to_value


def test_a_new_alpha_reaches_the_pipeline_with_the_next_frame(rig: Any) -> None:
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    for count, alpha in enumerate((0.5, 0.8), 1):
        assert set_parameter(rig, 'alpha', alpha).successful
        camera.publish(camera_image(count))
        rig.until(lambda count=count: len(maps) == count)
        assert rig.pipeline.alpha == alpha


def test_a_new_palette_reaches_the_pipeline_with_the_next_frame(make_rig: Any) -> None:
    rig = make_rig(classes=2)
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    own = rig.pipeline.palette
    for count, (colors, expected) in enumerate((
            (['#ff8000', '#0000FF'], [[255, 128, 0], [0, 0, 255]]), ([], own.tolist())), 1):
        assert set_parameter(rig, 'palette', colors).successful
        camera.publish(camera_image(count))
        rig.until(lambda count=count: len(maps) == count)
        assert rig.pipeline.palette.tolist() == expected


def test_an_empty_palette_brings_back_the_models_own_palette(make_rig: Any) -> None:
    rig = make_rig(classes=2)
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    own = rig.pipeline.palette.tolist()
    assert set_parameter(rig, 'palette', ['#ff8000', '#0000FF']).successful
    camera.publish(camera_image(1))
    rig.until(lambda: len(maps) == 1)
    assert rig.pipeline.palette.tolist() == [[255, 128, 0], [0, 0, 255]]
    assert rig.node.trigger_deactivate() == SUCCESS
    assert set_parameter(rig, 'palette', []).successful
    assert rig.node.trigger_activate() == SUCCESS
    rig.until(camera.get_subscription_count)
    camera.publish(camera_image(2))
    rig.until(lambda: len(maps) == 2)
    assert rig.pipeline.palette.tolist() == own


@pytest.mark.parametrize('name', [
    setting.name for setting in SETTINGS if isinstance(setting.default, tuple)])
def test_a_list_cannot_be_deleted_but_emptied(make_rig: Any, name: str) -> None:
    """The test calls the service as ``ros2 param delete`` does. rclpy guards other types."""
    rig = make_rig(start=False, classes=1)
    client = rig.peer.create_client(SetParameters, f'{NODE}/set_parameters')
    rig.until(client.service_is_ready)
    future = client.call_async(SetParameters.Request(
        parameters=[Parameter(name, Parameter.Type.NOT_SET).to_parameter_msg()]))
    rig.until(future.done)
    (result,) = future.result().results
    assert not result.successful
    assert result.reason == (
            f'{name}: this parameter cannot be deleted. For the default, set it to []')
    valid = {'palette': ['#123456'], 'cameras': ['front'], 'roi': [0, 0, 8, 6]}
    for value in (valid[name], []):
        assert set_parameter(rig, name, value).successful
    assert rig.node.start()
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    camera.publish(camera_image(1))
    rig.until(lambda: maps)


def test_overlay_rate_limits_overlays_and_0_sets_no_limit(
        rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(publishers.time, 'monotonic', lambda: now)
    rig.node.cameras[0]._outputs._overlay.get_subscription_count = lambda: 1
    assert [rig.wanted().overlay for _ in range(3)] == [True] * 3
    assert set_parameter(rig, 'overlay_rate', 10.0).successful
    overlays = []
    for frame in range(300):  # 30 frames per second; every seventh frame is 4 ms late
        now = 100.0 + frame / 30 + (0.004 if frame % 7 == 0 else 0.0)
        overlays.append(rig.wanted().overlay)
    assert sum(overlays) in (100, 101)
    assert not any(overlays[i] and overlays[i + 1] for i in range(299))


def test_a_raised_overlay_rate_does_not_wait_for_the_old_period(
        rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(publishers.time, 'monotonic', lambda: now)
    rig.node.cameras[0]._outputs._overlay.get_subscription_count = lambda: 1
    assert set_parameter(rig, 'overlay_rate', 0.01).successful
    assert [rig.wanted().overlay for _ in range(2)] == [True, False]
    assert set_parameter(rig, 'overlay_rate', 10.0).successful
    for now, expected in ((100.09, False), (100.11, True), (100.19, False), (100.21, True)):
        assert rig.wanted().overlay is expected, now


def test_confidence_is_refused_for_a_model_that_gives_class_ids(rig: Any) -> None:
    rig.pipeline.gives_confidence = False
    result = set_parameter(rig, 'confidence', True)
    assert not result.successful and 'gives class ids, which have no confidence' in result.reason
    assert rig.node.value('confidence') is False
    assert set_parameter(rig, 'confidence', False).successful
    rig.pipeline.gives_confidence = True
    assert set_parameter(rig, 'confidence', True).successful


def test_configure_fails_on_values_the_model_does_not_suit(make_rig: Any) -> None:
    rig = make_rig(start=False, classes=3)
    # without a model, the node cannot know the number of colours
    assert set_parameter(rig, 'palette', ['#000000']).successful
    assert rig.node.trigger_configure() == FAILURE
    assert 'palette: 1 colour for the 3 classes of model street' in rig.node.trouble
    assert rig.pipeline.closed == 1
    assert set_parameter(rig, 'palette', []).successful
    assert rig.node.trigger_configure() == SUCCESS


@pytest.mark.parametrize(('name', 'value', 'reason'), [
    ('palette', ['#12345'], "its item '#12345' is not #rrggbb"),
    ('palette', ['#123456'] * 2, '2 colours for the 255 classes'),
    ('cameras', ['front'], 'only while the node is unconfigured'),
    ('overlay_rate', -1.0, 'Min: 0.0'),
    ('max_batch', -1, 'Min: 0'),
    ('precision', 'fp8', 'expected one of auto, fp32, fp16, int8, mixed'),
    ('transport', 'dirct', "did you mean 'direct'?"),
    ('alpha', 1.5, 'Max: 1.0, value: 1.5'),
    ('alpha', float('nan'), 'value: nan'),
    ('alpha', 'half', 'Wrong parameter type'),
    ('engine', 'tensortt', "did you mean 'tensorrt'?"),
    ('engine', 'onnxruntime-cpu', 'only while the node is unconfigured; deactivate and clean up '
     'the node first: ros2 lifecycle set /trt_segmentation deactivate, then ros2 lifecycle set '
     '/trt_segmentation cleanup. Or start the node again with the new value'),
    ('model', 'other', 'only if a client calls the service'),
    ('image_transport', 'theora', 'expected one of raw, compressed'),
    ('autostart', False, 'read-only'),
])
def test_a_refused_value_says_why_and_leaves_the_old(
        rig: Any, name: str, value: Any, reason: str) -> None:
    before = rig.node.value(name)
    result = set_parameter(rig, name, value)
    assert not result.successful and reason in result.reason
    assert rig.node.value(name) == before


@pytest.mark.parametrize(('given', 'reason'), [
    ('alpha:=2.0', 'expected a double from 0 to 1'),
    ('engine:=tensort', "did you mean 'tensorrt'"),
    ('alpha:=1', 'expected a double. Write 1.0')])
def test_a_bad_start_up_value_is_refused(make_rig: Any, given: str, reason: str) -> None:
    with pytest.raises(ParameterException, match=reason):
        make_rig(cli_args=['--ros-args', '-p', given])


def test_model_and_engine_change_while_unconfigured(rig: Any) -> None:
    assert rig.node.trigger_deactivate() == rig.node.trigger_cleanup() == SUCCESS
    assert set_parameter(rig, 'model', 'other').successful
    assert rig.node.start()
    assert rig.pipeline.card.name == 'other'


def test_a_function_runs_at_the_beginning_of_each_activation(make_rig: Any) -> None:
    rig, subscribers = make_rig(start=False), []
    rig.node.begin(lambda: subscribers.append(rig.node.count_subscribers('/image')))
    assert rig.node.state == 'active'
    assert rig.node.trigger_deactivate() == rig.node.trigger_activate() == SUCCESS
    assert subscribers == [0, 0]


def test_three_full_cycles_answer_and_leave_nothing_behind(rig: Any) -> None:
    maps = rig.hear(Image, f'{NODE}/label_map')
    for cycle in range(1, 4):
        camera = rig.speaker(Image)
        camera.publish(camera_image(cycle))
        rig.until(lambda cycle=cycle: len(maps) == cycle)
        assert rig.node.trigger_deactivate() == SUCCESS
        assert rig.node.count_subscribers('/image') == 0
        rig.until(lambda camera=camera: not camera.get_subscription_count())
        camera.publish(camera_image(99))
        assert rig.node.trigger_activate() == SUCCESS
        assert rig.node.trigger_deactivate() == SUCCESS
        assert rig.node.trigger_cleanup() == SUCCESS
        assert rig.pipeline.closed == 1 and len(rig.pipelines) == cycle
        assert rig.node.count_publishers(f'{NODE}/label_map') == 0
        assert rig.node.start()
        rig.peer.destroy_publisher(camera)
    assert [got.header.stamp.sec for got in maps] == [1, 2, 3]
    assert rig.snapshot().frames_in == 3


def left_behind() -> tuple[int, int, int]:
    """Return the bytes of resident memory, the threads and the open files of this process."""
    gc.collect()
    give_back_freed_memory()
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return (pages * os.sysconf('SC_PAGE_SIZE'), len(os.listdir('/proc/self/task')),
            len(os.listdir('/proc/self/fd')))


@pytest.mark.skipif(not Path('/proc/self/statm').exists(), reason='counts what Linux tells')
def test_full_cycles_leave_memory_threads_and_files_where_they_were(make_rig: Any) -> None:
    rig = make_rig(start=False)
    cycles = int(os.environ.get('LIFECYCLE_CYCLES', '50'))  # 500 cycles take ten seconds

    def cycle(times: int) -> tuple[int, int, int]:
        for _ in range(times):
            assert rig.node.start()
            assert rig.node.trigger_deactivate() == rig.node.trigger_cleanup() == SUCCESS
            rig.pipelines[:-1] = []
        assert [pipeline.closed for pipeline in rig.pipelines] == [1]
        return left_behind()

    memory, threads, files = cycle(20)
    memory_then, threads_then, files_then = cycle(cycles)
    print(f'{cycles} cycles: {(memory_then - memory) / 1e6:+.2f} MB')
    assert (threads_then, files_then) == (threads, files)
    assert memory_then - memory < 3e6 + 5e3 * cycles  # DDS discovery keeps some memory


def test_deactivate_finishes_the_frame_at_work_and_counts_the_waiting_one(rig: Any) -> None:
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    rig.pipeline.gate.clear()
    for sec in (1, 2):
        camera.publish(camera_image(sec))
        rig.until(lambda sec=sec: rig.snapshot().frames_in == sec and rig.pipeline.wanted)
    thread = rig.node._supervisor.worker._threads[0]
    real_join = thread.join

    def join(timeout: float | None) -> None:  # the frame ends while deactivate waits
        rig.pipeline.gate.set()
        real_join(timeout)

    thread.join = join
    assert rig.node.trigger_deactivate() == SUCCESS
    rig.until(lambda: maps)
    assert [got.header.stamp.sec for got in maps] == [1]
    assert rig.snapshot().dropped == {'deactivated': 1} and rig.snapshot().in_flight == 0


def test_configure_that_fails_says_why_and_can_be_tried_again(make_rig: Any) -> None:
    rig = make_rig(start=False, cli_args=['--ros-args', '-p', 'model:=absent'])
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    assert rig.node.trigger_configure() == FAILURE and rig.node.state == 'unconfigured'
    rig.node.monitor.publish()
    rig.until(lambda: reports)
    assert len(reports[-1].status) == 2
    for status in reports[-1].status:
        assert status.level == b'\x02' and "no model card 'absent'" in status.message
    assert set_parameter(rig, 'model', 'street').successful
    assert set_parameter(rig, 'engine', 'tensorrt').successful
    assert rig.node.trigger_configure() == FAILURE
    assert set_parameter(rig, 'engine', 'auto').successful
    assert rig.node.start()
    rig.node.monitor.publish()
    rig.until(lambda: reports[-1].status[1].level == b'\x00')


@pytest.mark.parametrize('name, code', [
    (r'\ud800', 'U+D800'), (r'a\n[FATAL] [1.0] [seg_node]: on fire', 'U+000A'),
    (r'\e]0;owned\a', 'U+001B')])
def test_card_with_a_name_that_cannot_be_printed_fails_configure_with_one_line(
        make_rig: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    card = tmp_path / 'odd.yaml'
    card.write_text(f'model: {share_path("resource", "street.onnx")}\nclasses: street\n'
                    f'name: "{name}"\n')
    rig = make_rig(start=False, cli_args=['--ros-args', '-p', f'model:={card}'])
    monkeypatch.setattr(node, 'load_card', load_card)  # the rig's loader reads no files
    assert rig.node.trigger_configure() == FAILURE
    told = capfd.readouterr().err
    (line,) = [line for line in told.splitlines() if str(card) in line]
    assert f'with the character {code}, which cannot be printed' in line
    assert '\x1b]' not in told and '\n[FATAL]' not in told


def test_configure_that_fails_half_way_leaves_no_topic_behind(make_rig: Any) -> None:
    topic = f'{NODE}/camera_info'  # the node makes three other publishers first
    rig = make_rig(start=False, cli_args=[
        '--ros-args', '-p', f'qos_overrides.{topic}.publisher.reliability:=bogus'])
    before = [publisher.topic_name for publisher in rig.node.publishers]
    for _ in range(3):
        assert rig.node.trigger_configure() == FAILURE
        assert [publisher.topic_name for publisher in rig.node.publishers] == before
        assert rig.node.count_publishers(f'{NODE}/label_map') == 0
    for part in (f'qos_overrides.{topic}', '`bogus`', 'reliable or best_effort'):
        assert part in rig.node.trouble


def test_deactivate_forgets_the_newest_camera_info(rig: Any) -> None:
    maps, infos = rig.hear(Image, f'{NODE}/label_map'), rig.hear(CameraInfo, f'{NODE}/camera_info')
    image, info = rig.speaker(Image), rig.speaker(CameraInfo, 'camera_info')
    info.publish(CameraInfo(width=8, height=6))
    rig.until(lambda: rig.node.cameras[0].info)
    assert rig.node.trigger_deactivate() == SUCCESS
    rig.peer.destroy_publisher(info)
    rig.until(lambda: not image.get_subscription_count())
    assert rig.node.trigger_activate() == SUCCESS
    rig.until(image.get_subscription_count)
    for sec, width in ((1, 0), (2, 6)):
        if width:
            again = rig.speaker(CameraInfo, 'camera_info')
            again.publish(CameraInfo(width=width, height=4))
            rig.until(lambda: rig.node.cameras[0].info)
        image.publish(camera_image(sec, height=4, width=6, step=18))
        rig.until(lambda sec=sec: len(maps) == sec)
    rig.until(lambda: infos)
    assert [(got.header.stamp.sec, got.width) for got in infos] == [(2, 6)]


def test_a_long_configure_reports_progress_and_ends_when_told(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig(start=False, cli_args=['--ros-args', '-p', 'diagnostics_period:=0.1'])
    reports, log = rig.hear(DiagnosticArray, '/diagnostics'), rig.log()
    told, built = threading.Event(), threading.Event()
    monkeypatch.setattr(node, 'STOP_REQUESTED', told)

    def build(card: ModelCard, engine: str, log: Any, **options: Any) -> Any:
        log('building, 10 of 100 layers')
        threading.Timer(0.5, told.set).start()
        assert built.wait(60.0)
        raise AssertionError('nobody is there to hear it')

    monkeypatch.setattr('trt_segmentation.ros.node.open_pipeline', build)
    began = time.monotonic()
    assert rig.node.trigger_configure() == FAILURE
    assert time.monotonic() - began < 30.0 and not built.is_set()
    built.set()
    assert rig.node.state == 'unconfigured' and 'the process was told to end' in rig.node.trouble
    rig.until(lambda: [r for r in reports if r.status[1].message == 'building, 10 of 100 layers'
                       and r.status[0].message == 'configuring; not receiving images'])
    rig.until(lambda: [line for line in log if line.msg == 'building, 10 of 100 layers'])


def test_transitions_by_service(make_rig: Any) -> None:
    rig = make_rig(start=False)
    client = rig.peer.create_client(ChangeState, f'{NODE}/change_state')
    rig.until(client.service_is_ready)
    for transition, state in (
            (Transition.TRANSITION_CONFIGURE, 'inactive'),
            (Transition.TRANSITION_ACTIVATE, 'active'),
            (Transition.TRANSITION_DEACTIVATE, 'inactive'),
            (Transition.TRANSITION_CLEANUP, 'unconfigured'),
            (Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, 'finalized')):
        request = ChangeState.Request()
        request.transition.id = transition
        future = client.call_async(request)
        rig.until(future.done)
        assert future.result().success and rig.node.state == state


@pytest.mark.parametrize(('given', 'expected'), [
    ('alhpa', "did you mean 'alpha'?"), ('use_sim_tme', "did you mean 'use_sim_time'?"),
    ('xyz', 'no parameter of this name')])
def test_a_start_up_parameter_that_does_not_exist_is_named_once(
        make_rig: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], given: str,
        expected: str) -> None:
    """The file also has right names and a topic's QoS. The warning does not name these."""
    file = tmp_path / 'own.yaml'
    file.write_text(f'/**:\n  ros__parameters:\n    {given}: 0.25\n    stale_after: 7.0\n'
                    '    use_sim_time: false\n    qos_overrides:\n      /image:\n'
                    '        subscription: {reliability: best_effort}\n')
    rig = make_rig(start=False, cli_args=['--ros-args', '--params-file', str(file)])
    # another distribution may warn of other things
    (line,) = [line for line in capfd.readouterr().err.splitlines() if ' is ignored' in line]
    assert '[WARN]' in line and f'parameter {given!r} is ignored' in line
    assert line.endswith(expected)
    assert rig.node.value('stale_after') == 7.0


@pytest.mark.parametrize('transitions', [0, 1, 2])
def test_shutdown_from_every_state(make_rig: Any, transitions: int) -> None:
    rig = make_rig(start=False)
    for step in (rig.node.trigger_configure, rig.node.trigger_activate)[:transitions]:
        assert step() == SUCCESS
    rig.node.stop()
    assert rig.node.state == 'finalized'
    assert [pipeline.closed for pipeline in rig.pipelines] == [1] * bool(transitions)
    rig.node.stop()


def test_a_file_that_ros2_param_dump_wrote_is_accepted(make_rig: Any, tmp_path: Path) -> None:
    """`ros2 param dump` writes null for each empty list."""
    lists = [setting.name for setting in SETTINGS if isinstance(setting.default, tuple)]
    file = tmp_path / 'dump.yaml'
    file.write_text('/trt_segmentation:\n  ros__parameters:\n' + ''.join(
        f'    {name}: null\n' for name in lists) + '    alpha: 0.25\n', 'utf-8')
    rig = make_rig(cli_args=['--ros-args', '--params-file', str(file)])
    assert {'cameras', 'palette'} <= set(lists)
    assert not any(rig.node.get_parameter(name).value for name in lists)
    assert rig.node.get_parameter('alpha').value == 0.25 and rig.node.state == 'active'
