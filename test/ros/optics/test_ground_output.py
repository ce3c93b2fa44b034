# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node publishes the ground grid, and says why if it cannot."""

from __future__ import annotations

from array import array
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('nav_msgs', reason='needs nav_msgs (pip install ros-jazzy-nav-msgs)')

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
from node_rig import NODE
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from trt_segmentation.ground.pose import Pose
from trt_segmentation.ground.table import GridSize, GroundTable
from trt_segmentation.ground.values import make_values
from trt_segmentation.lens.lens import Lens
import trt_segmentation.ros.node as node_module
import trt_segmentation.ros.optics.ground_output as output
import trt_segmentation.ros.optics.transforms as transforms

ROAD, WALK, CAR = range(3)
GROUND = {'drivable': ('class 0',), 'walkable': ('class 1',), 'obstacle': ('class 2',)}
MOUNT = ['camera_height:=1.2', 'camera_pitch:=0.2', 'camera_roll:=0.05']
LENS = Lens(64, 48, 50.0, 50.0, 31.5, 23.5)


@pytest.fixture
def make_ground(make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes a rig whose card has ground classes, and starts its node."""
    def make(*parameters: str, ground: Any = GROUND, starts: bool = True) -> Any:
        rig = make_rig(classes=3, start=False, cli_args=['--ros-args', *(
            part for text in ('ground:=true', *parameters) for part in ('-p', text))])
        load = node_module.load_card
        monkeypatch.setattr(node_module, 'load_card',
                            lambda name: replace(load(name), ground=ground))
        assert rig.node.start() == starts
        return rig
    return make


def info(**changes: Any) -> CameraInfo:
    fields = {'width': 64, 'height': 48, 'distortion_model': 'plumb_bob', 'd': [0.0] * 5,
              'k': [50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0]}
    return CameraInfo(**{**fields, **changes})


def image(sec: int, labels: Any = None, height: int = 48, width: int = 64) -> Image:
    """Return an image of which the fake pipeline makes this label map."""
    pixels = np.full((height, width), ROAD, np.uint8) if labels is None else labels
    message = Image(height=height, width=width, encoding='mono8', step=width,
                    data=array('B', pixels.tobytes()))
    message.header.stamp.sec, message.header.frame_id = sec, 'lens'
    return message


class Scene:
    """The camera of a rig, and everything that the node answers."""

    def __init__(self, rig: Any, topic: str = f'{NODE}/ground') -> None:
        self.rig, self.log = rig, rig.log()
        self.grids = rig.hear(OccupancyGrid, topic)
        self.maps = rig.hear(Image, f'{NODE}/label_map')
        self.images, self.infos = rig.speaker(Image), rig.speaker(CameraInfo, 'camera_info')
        self.ground = rig.node.cameras[0].ground

    def send_info(self, message: CameraInfo) -> None:
        before = self.rig.node.cameras[0].info
        self.infos.publish(message)
        self.rig.until(lambda: self.rig.node.cameras[0].info is not before)

    def send(self, message: Image) -> None:
        """Send an image, and wait until its label map came and its grid came or is missing."""
        maps, done = len(self.maps), len(self.grids) + self.ground.missing
        self.images.publish(message)
        self.rig.until(lambda: len(self.maps) > maps
                       and len(self.grids) + self.ground.missing > done)

    def warnings(self, kind: str) -> list[str]:
        return [line.msg for line in self.log if line.msg.startswith(kind)]


def grid_of(message: OccupancyGrid) -> Any:
    return np.array(message.data, np.int8).reshape(message.info.height, message.info.width)


def test_the_grid_is_that_of_the_label_map(make_ground: Any) -> None:
    scene = Scene(make_ground(*MOUNT, 'ground_frame:=base', 'ground_range:=5.0',
                              'ground_resolution:=0.25', 'walkable_cost:=30'))
    labels = np.full((48, 64), ROAD, np.uint8)
    labels[24:, :20], labels[24:30, 40:50] = WALK, CAR
    scene.send_info(info())
    scene.send(image(7, labels))
    (message,) = scene.grids
    table = GroundTable(LENS, Pose.of_mount(1.2, 0.2, 0.05), GridSize(5.0, 0.25))
    expected = table.read(labels, make_values(('a', 'b', 'c'), {
        'drivable': ('a',), 'walkable': ('b',), 'obstacle': ('c',)}, 30))
    assert np.array_equal(grid_of(message), expected)
    assert {-1, 0, 30, 100} == set(np.unique(expected).tolist())
    assert (message.header.stamp.sec, message.header.frame_id) == (7, 'base')
    assert message.info.resolution == 0.25
    origin = message.info.origin
    assert (origin.position.x, origin.position.y, origin.position.z) == (-5.0, -5.0, 0.0)
    assert origin.orientation.w == 1.0


def test_the_settings_change_live(make_ground: Any) -> None:
    scene = Scene(make_ground(*MOUNT))
    scene.send_info(info())
    scene.send(image(1))
    scene.rig.node.set_parameters([Parameter('ground_range', value=4.0),
                                   Parameter('ground_frame', value='other'),
                                   Parameter('camera_height', value=2.0)])
    (refused,) = scene.rig.node.set_parameters([Parameter('ground_frame', value='')])
    assert (refused.successful, refused.reason) == (
        False, "ground_frame: '' is not the name of a tf2 frame, such as base_footprint")
    scene.send(image(2))
    first, second = scene.grids
    assert (first.info.width, second.info.width) == (200, 80)
    assert (first.header.frame_id, second.header.frame_id) == ('base_footprint', 'other')
    expected = GroundTable(LENS, Pose.of_mount(2.0, 0.2, 0.05), GridSize(4.0, 0.1))
    values = make_values(('a',), {'drivable': ('a',)}, 50)
    assert np.array_equal(grid_of(second), expected.read(np.zeros((48, 64), np.uint8), values))


def test_a_grid_that_is_too_large_is_refused_and_the_old_value_stays(make_ground: Any) -> None:
    scene = Scene(make_ground(*MOUNT))
    (result,) = scene.rig.node.set_parameters([Parameter('ground_resolution', value=0.01)])
    assert not result.successful and result.reason.startswith(
        'ground_resolution: the ground grid would have 2000 x 2000 cells')
    scene.send_info(info())
    scene.send(image(1))
    assert scene.grids[0].info.resolution == pytest.approx(0.1)


def test_a_height_without_a_pose_is_refused(make_ground: Any, monkeypatch: pytest.MonkeyPatch
                                            ) -> None:
    fixed = make_ground(*MOUNT)
    (result,) = fixed.node.set_parameters([Parameter('camera_height', value=0.0)])
    assert not result.successful and 'the node has not subscribed to tf2' in result.reason
    assert fixed.node.value('camera_height') == 1.2
    monkeypatch.setattr(transforms, 'tf2_ros', FakeTf2())
    fixed.node.trigger_deactivate()  # these are the steps that the message names
    fixed.node.trigger_cleanup()
    (result,) = fixed.node.set_parameters([Parameter('camera_height', value=0.0)])
    assert result.successful and fixed.node.start() and fixed.node.state == 'active'
    fixed.close()
    several = make_ground('cameras:=[left, right]')
    (result,) = several.node.set_parameters([Parameter('camera_height', value=1.2)])
    assert not result.successful and 'but there are 2 cameras' in result.reason


def test_without_a_subscriber_no_grid_is_computed(make_ground: Any) -> None:
    rig = make_ground(*MOUNT)
    maps, images = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    images.publish(image(1))
    rig.until(lambda: maps)
    ground = rig.node.cameras[0].ground
    assert (ground.missing, ground._table) == (0, None)


def test_the_topic_exists_only_with_the_parameter(make_rig: Any, make_ground: Any) -> None:
    def topics(rig: Any) -> list[str]:
        return [p.topic_name for p in rig.node.publishers if p.topic_name.endswith('ground')]

    assert topics(make_rig()) == []
    assert topics(make_ground(*MOUNT)) == [f'{NODE}/ground']


FAULTS = {
    'missing': (None, 'no camera_info came'),
    'all zero': (CameraInfo(width=64, height=48), 'focal lengths are 0 and 0 pixels'),
    'of another size': (info(width=128, height=96),
                        'camera_info is for images of 128x96 pixels, but the image has 64x48'),
    'of an unknown model': (info(distortion_model='fov', d=[0.9]), "distortion model is 'fov'")}


@pytest.mark.parametrize('fault', FAULTS)
def test_a_bad_camera_info_costs_the_grid_and_nothing_else(make_ground: Any, fault: str) -> None:
    scene = Scene(make_ground(*MOUNT))
    message, text = FAULTS[fault]
    if message is not None:
        scene.send_info(message)
    for sec in (1, 2):
        scene.send(image(sec))
    assert (len(scene.maps), len(scene.grids), scene.ground.missing) == (2, 0, 2)
    assert text in scene.ground.error
    scene.send_info(info())
    scene.send(image(3))
    assert (len(scene.maps), len(scene.grids), scene.ground.missing) == (3, 1, 2)
    scene.rig.until(lambda: scene.warnings(output.NO_GROUND))
    (warning,) = scene.warnings(output.NO_GROUND)
    assert text in warning
    assert scene.rig.snapshot().frames_dropped == 0


def test_a_camera_info_that_changes_is_used_and_reported(make_ground: Any) -> None:
    scene = Scene(make_ground(*MOUNT))
    scene.send_info(info())
    scene.send(image(1))
    scene.send_info(info())  # the same numbers: no warning
    scene.send(image(2))
    assert scene.warnings(output.NEW_LENS) == []
    scene.send_info(info(k=[80.0, 0.0, 31.5, 0.0, 80.0, 23.5, 0.0, 0.0, 1.0]))
    scene.send(image(3))
    first, second, third = map(grid_of, scene.grids)
    assert np.array_equal(first, second)
    assert (third == 0).sum() < (first == 0).sum()
    scene.rig.until(lambda: scene.warnings(output.NEW_LENS))
    assert scene.warnings(output.NEW_LENS)[0].startswith(
        'camera_info changed: k was [50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0], and is now '
        '[80.0, 0.0, 31.5, 0.0, 80.0, 23.5, 0.0, 0.0, 1.0]. The ground grid uses the new numbers')


def test_rectification_is_not_reported_as_a_change_of_camera_info(make_ground: Any) -> None:
    scene = Scene(make_ground(*MOUNT))
    scene.send_info(info(d=[-0.3, 0.1, 0.0, 0.0, 0.0]))
    for sec, rectify in enumerate((False, True, False), 1):
        (result,) = scene.rig.node.set_parameters([Parameter('rectify', value=rectify)])
        assert result.successful
        scene.send(image(sec))
    assert len(scene.grids) == 3 and scene.warnings(output.NEW_LENS) == []
    assert scene.ground.missing == 0
    scene.send_info(info(d=[-0.3000001, 0.1, 0.0, 0.0, 0.0]))
    scene.send(image(4))
    scene.rig.until(lambda: scene.warnings(output.NEW_LENS))
    assert ('changed: d was [-0.3, 0.1, 0.0, 0.0, 0.0], and is now [-0.3000001, 0.1, 0.0, 0.0, '
            in scene.warnings(output.NEW_LENS)[0])


def test_diagnostics_count_missing_grids(make_ground: Any) -> None:
    scene = Scene(make_ground(*MOUNT, 'diagnostics_period:=0.1'))
    heard: list[Any] = []
    scene.rig.peer.create_subscription(DiagnosticArray, '/diagnostics', heard.append, 10)
    scene.send(image(1))

    def status() -> Any:
        found = [s for m in heard for s in m.status if s.name.endswith(': camera')]
        return [s for s in found if 'ground grids missing' in s.message]

    scene.rig.until(status)
    assert '1 ground grids missing' in status()[0].message
    assert {pair.key: pair.value for pair in status()[0].values}['ground_missing'] == '1'


class FakeTf2(SimpleNamespace):
    """A tf2_ros with one camera, and without middleware."""

    class TransformException(Exception):
        pass

    def __init__(self) -> None:
        super().__init__()
        self.failure = ''
        self.asked: list[Any] = []
        self.listeners = self.cleared = 0

    def Buffer(self) -> Any:
        return self

    def TransformListener(self, buffer: Any, node: Any) -> Any:
        self.listeners += 1
        return SimpleNamespace(unregister=self.unregister)

    def unregister(self) -> None:
        self.listeners -= 1

    def clear(self) -> None:
        self.cleared += 1

    def lookup_transform(self, target: str, source: str, time: Any) -> Any:
        self.asked.append((target, source, time.nanoseconds))
        if self.failure:
            raise self.TransformException(self.failure)
        return SimpleNamespace(transform=SimpleNamespace(
            translation=SimpleNamespace(x=0.3, y=0.0, z=1.2),
            rotation=SimpleNamespace(x=-0.5, y=0.5, z=-0.5, w=0.5)))


def test_tf2_gives_the_pose_at_the_time_of_the_image(make_ground: Any,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    tf2 = FakeTf2()
    monkeypatch.setattr(transforms, 'tf2_ros', tf2)
    scene = Scene(make_ground('ground_frame:=base', 'ground_range:=5.0'))
    scene.send_info(info())
    scene.send(image(9))
    assert tf2.asked == [('base', 'lens', 9_000_000_000)]
    assert scene.grids[0].info.origin.position.x == pytest.approx(-4.7)
    for failure in ('"lens" passed to lookupTransform does not exist.',
                    'Lookup would require extrapolation into the past'):
        tf2.failure = failure
        scene.send(image(10))
        assert f'{failure.rstrip(".")}. Publish the transform' in scene.ground.error
        assert "tf2 has no pose of the camera 'lens' in 'base'" in scene.ground.error
    tf2.failure = ''
    scene.send(image(11))
    assert (len(scene.maps), len(scene.grids), scene.ground.missing) == (4, 2, 2)
    assert tf2.listeners == 1
    scene.rig.node.stop()
    assert tf2.listeners == 0


def test_a_clock_that_goes_back_clears_the_old_transforms(
        make_ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """tf2 ignores transforms that are older than its newest ones, as after a bag started again."""
    monkeypatch.setattr(transforms, 'tf2_ros', tf2 := FakeTf2())
    rig = make_ground('use_sim_time:=true')
    clock = rig.speaker(Clock, '/clock')
    for sec in (100, 101, 50):
        assert tf2.cleared == 0
        clock.publish(Clock(clock=Time(sec=sec)))
        rig.until(lambda sec=sec: rig.node.get_clock().now().nanoseconds == sec * 10**9)
    assert tf2.cleared == 1


@pytest.mark.parametrize('parameters, ground, text', [
    ([], GROUND, 'tf2_ros is not installed.*camera_height'),
    (MOUNT, {}, 'does not say which classes are ground'),
    ([*MOUNT, 'cameras:=[left, right]'], GROUND, 'but there are 2 cameras')])
def test_configure_fails_with_the_reason(make_ground: Any, monkeypatch: pytest.MonkeyPatch,
                                         parameters: list[str], ground: Any, text: str) -> None:
    monkeypatch.setattr(transforms, 'tf2_ros', None)
    rig = make_ground(*parameters, ground=ground, starts=False)
    assert rig.node.state == 'unconfigured'
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(rig.node.trouble)
    assert not [p for p in rig.node.publishers if p.topic_name.endswith('ground')]


def test_without_nav_msgs_configure_fails_with_the_reason(
        make_ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, 'OccupancyGrid', None)
    rig = make_ground(*MOUNT, starts=False)
    assert 'the package nav_msgs is not installed' in rig.node.trouble


def test_every_camera_has_a_topic_of_its_own(make_ground: Any,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms, 'tf2_ros', tf2 := FakeTf2())
    rig = make_ground('cameras:=[left, right]')
    topics = [p.topic_name for p in rig.node.publishers if p.topic_name.endswith('ground')]
    assert topics == ['/left/segmentation/ground', '/right/segmentation/ground']
    assert tf2.listeners == 1
