# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Parameters and lifecycle: what may change when, and what every transition leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_rig import camera_image, NODE
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
import yaml

from trt_segmentation.ros.parameters import NEVER, SETTINGS, yaml_text

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
CONFIG = Path(__file__).parents[2] / 'config' / 'seg.yaml'


def set_parameter(rig: Any, name: str, value: Any) -> Any:
    (result,) = rig.node.set_parameters([Parameter(name, value=value)])
    return result


def test_seg_yaml_is_the_table() -> None:
    assert CONFIG.read_text(encoding='utf-8') == yaml_text()
    held = yaml.safe_load(yaml_text())['/**']['ros__parameters']
    assert held == {setting.name: setting.default for setting in SETTINGS}


def test_seg_yaml_is_accepted(make_rig: Any) -> None:
    rig = make_rig(cli_args=['--ros-args', '--params-file', str(CONFIG)])
    assert rig.node.state == 'active'


def test_every_parameter_is_described(rig: Any) -> None:
    for setting in SETTINGS:
        descriptor = rig.node.describe_parameter(setting.name)
        assert descriptor.description and descriptor.additional_constraints
        assert descriptor.read_only == (setting.change == NEVER)
        assert rig.node.value(setting.name) == setting.default
        if isinstance(setting.default, float):
            (span,) = descriptor.floating_point_range
            assert span.from_value <= setting.default <= span.to_value


def test_alpha_is_the_pipelines_from_the_next_frame_on(rig: Any) -> None:
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    for count, alpha in enumerate((0.5, 0.8), 1):
        assert set_parameter(rig, 'alpha', alpha).successful
        camera.publish(camera_image(count))
        rig.until(lambda count=count: len(maps) == count)
        assert rig.pipeline.alpha == alpha


@pytest.mark.parametrize(('name', 'value', 'reason'), [
    ('alpha', 1.5, 'Max: 1.0, value: 1.5'),
    ('alpha', float('nan'), 'value: nan'),
    ('alpha', 'half', 'Wrong parameter type'),
    ('engine', 'tensortt', "did you mean 'tensorrt'?"),
    ('engine', 'onnxruntime-cpu', 'only while the node is unconfigured'),
    ('model', 'other', 'only while the node is unconfigured'),
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
    ('alpha:=2.0', 'out of range'), ('engine:=tensort', "did you mean 'tensorrt'"),
    ('alpha:=1', 'DOUBLE')])
def test_a_bad_start_up_value_is_refused(make_rig: Any, given: str, reason: str) -> None:
    with pytest.raises(ParameterException, match=reason):
        make_rig(cli_args=['--ros-args', '-p', given])


def test_model_and_engine_change_while_unconfigured(rig: Any) -> None:
    assert rig.node.trigger_deactivate() == rig.node.trigger_cleanup() == SUCCESS
    assert set_parameter(rig, 'model', 'other').successful
    assert rig.node.start()
    assert rig.pipeline.card.name == 'other'


def test_three_full_cycles_answer_and_leave_nothing_behind(rig: Any) -> None:
    maps = rig.hear(Image, f'{NODE}/label_map')
    for cycle in range(1, 4):
        camera = rig.speaker(Image)
        camera.publish(camera_image(cycle))
        rig.until(lambda cycle=cycle: len(maps) == cycle)
        assert rig.node.trigger_deactivate() == SUCCESS
        assert rig.node.count_subscribers('/image') == 0
        rig.until(lambda camera=camera: not camera.get_subscription_count())
        camera.publish(camera_image(99))  # nobody takes it
        assert rig.node.trigger_activate() == SUCCESS
        assert rig.node.trigger_deactivate() == SUCCESS
        assert rig.node.trigger_cleanup() == SUCCESS
        assert rig.pipeline.closed == 1 and len(rig.pipelines) == cycle
        assert rig.node.count_publishers(f'{NODE}/label_map') == 0
        assert rig.node.start()
        rig.peer.destroy_publisher(camera)
    assert [got.header.stamp.sec for got in maps] == [1, 2, 3]
    assert rig.snapshot().frames_in == 3


def test_deactivate_finishes_the_frame_at_work_and_counts_the_waiting_one(rig: Any) -> None:
    maps, camera = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    rig.pipeline.gate.clear()
    for sec in (1, 2):
        camera.publish(camera_image(sec))
        rig.until(lambda sec=sec: rig.snapshot().frames_in == sec and rig.pipeline.wanted)
    real_join = rig.node._worker._thread.join

    def join(timeout: float | None) -> None:  # the frame ends while deactivate waits for it
        rig.pipeline.gate.set()
        real_join(timeout)

    rig.node._worker._thread.join = join
    assert rig.node.trigger_deactivate() == SUCCESS
    rig.until(lambda: maps)
    assert [got.header.stamp.sec for got in maps] == [1]
    assert rig.snapshot().dropped == {'deactivated': 1} and rig.snapshot().in_flight == 0


def test_configure_that_fails_says_why_and_can_be_tried_again(make_rig: Any) -> None:
    rig = make_rig(start=False, cli_args=['--ros-args', '-p', 'model:=absent'])
    reports = rig.hear(DiagnosticArray, '/diagnostics')
    assert rig.node.trigger_configure() == FAILURE and rig.node.state == 'unconfigured'
    rig.node.publish_diagnostics()
    rig.until(lambda: reports)
    for status in reports[-1].status:
        assert status.level == b'\x02' and "no model card 'absent'" in status.message
    assert set_parameter(rig, 'model', 'street').successful
    assert set_parameter(rig, 'engine', 'tensorrt').successful
    assert rig.node.trigger_configure() == FAILURE
    assert set_parameter(rig, 'engine', 'auto').successful
    assert rig.node.start()
    rig.node.publish_diagnostics()
    rig.until(lambda: reports[-1].status[1].level == b'\x00')


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


@pytest.mark.parametrize('transitions', [0, 1, 2])
def test_shutdown_from_every_state(make_rig: Any, transitions: int) -> None:
    rig = make_rig(start=False)
    for step in (rig.node.trigger_configure, rig.node.trigger_activate)[:transitions]:
        assert step() == SUCCESS
    rig.node.stop()
    assert rig.node.state == 'finalized'
    assert [pipeline.closed for pipeline in rig.pipelines] == [1] * bool(transitions)
    rig.node.stop()
