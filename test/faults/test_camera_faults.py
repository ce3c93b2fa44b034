# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that die, that are too fast, and that change their image size with every frame."""

from __future__ import annotations

import signal
from typing import Any

import pytest

pytest.importorskip('rclpy')

from faults.invariants import check_label_maps, Held, wait_for_counts
from faults.numbered import CHANNELS, numbered_image
from faults.processes import kill, running
from node_rig import NODE
from sensor_msgs.msg import Image

from trt_segmentation.serving.supervisor import buffers_per_camera

MAPS = f'{NODE}/label_map'


def kill_and_restart(rig: Any, ros: Any, times: int) -> list[Held]:
    """Kill and restart a camera several times; return the resources held after each time."""
    maps, held = rig.hear(Image, MAPS), []
    for life in range(times):
        first = life * 1000
        with running(ros, 'numbered_camera', '--first', first) as camera:
            before = len(maps)
            rig.until(lambda before=before: len(maps) >= before + 10, 90.0)
            kill(camera)
            assert camera.returncode == -signal.SIGKILL
        counts = wait_for_counts(rig)
        rig.until(lambda counts=counts: len(maps) == counts.frames_out)
        numbers = check_label_maps(maps)
        assert numbers == sorted(numbers)
        # one image of the previous camera may have been in flight when it died
        assert sum(number < first for number in numbers[before:]) <= 1
        held.append(Held.measure())
    return held


def test_a_camera_that_is_killed_and_restarted_is_answered_again(make_rig: Any, ros: Any) -> None:
    """Label maps go on with the new camera's images. Resources of the dead one are released."""
    first, *_, last = kill_and_restart(make_rig(), ros, 3)
    assert not last.growth_over(first, memory=20_000_000, others=2)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_camera_that_is_killed_fifty_times(make_rig: Any, ros: Any) -> None:
    """The resources that are held do not grow with the number of dead cameras."""
    held = kill_and_restart(make_rig(), ros, 50)
    assert not held[-1].growth_over(held[10], memory=20_000_000, others=2)


def test_a_killed_cameras_neighbour_is_not_touched(make_rig: Any, ros: Any) -> None:
    """Two cameras share an engine. One is killed. Every label map is of its own camera."""
    rig = make_rig('cameras:=[front, left]')
    front, left = (rig.hear(Image, f'/{name}/segmentation/label_map')
                   for name in ('front', 'left'))
    with running(ros, 'numbered_camera', '--camera', 0, '--topic', 'front/image'):
        with running(ros, 'numbered_camera', '--camera', 1, '--topic', 'left/image'):
            rig.until(lambda: len(front) > 10 and len(left) > 10)
        count = len(front)
        rig.until(lambda: len(front) > count + 10)
    for name, maps, camera in (('front', front, 0), ('left', left, 1)):
        numbers = check_label_maps(maps, camera)
        assert numbers == sorted(numbers)
        wait_for_counts(rig, name)


def test_a_camera_ten_times_too_fast_is_answered_with_its_newest_images(make_rig: Any) -> None:
    """About ten images are dropped as superseded for each one that is segmented; no queue grows.

    The last image gets a label map. Memory does not grow after the first 100 images.
    """
    rig = make_rig()
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    sent = 0

    def send() -> None:
        nonlocal sent
        images.publish(numbered_image(sent))
        sent += 1
        rig.until(lambda: rig.snapshot().frames_in == sent)
        assert rig.snapshot().in_flight <= buffers_per_camera(rig.pipeline)
        if sent % 10 == 0:  # the engine is slow by the camera's count, not by a clock
            rig.pipeline.gate.set()
            answered = rig.snapshot().frames_out
            rig.until(lambda: rig.snapshot().frames_out > answered)
            rig.pipeline.gate.clear()

    rig.pipeline.gate.clear()
    while sent < 100:
        send()
    held = Held.measure()
    while sent < 1000:
        send()
    assert not Held.measure().growth_over(held, memory=10_000_000)
    rig.pipeline.gate.set()
    counts = wait_for_counts(rig)
    rig.until(lambda: len(maps) == counts.frames_out)
    numbers = check_label_maps(maps)
    assert numbers == sorted(numbers) and numbers[-1] == 999
    assert set(counts.dropped) == {'superseded'} and counts.frames_in == 1000
    assert 100 <= counts.frames_out <= 202


def test_a_camera_that_floods_while_nobody_looks(make_rig: Any) -> None:
    """Images come faster than the executor takes them: the middleware keeps only the newest.

    The node counts the images that it takes, and the newest gets a label map.
    """
    rig = make_rig()
    rig.pipeline.delay = 0.02
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    for burst in range(10):
        for number in range(burst * 20, burst * 20 + 20):
            images.publish(numbered_image(number))
        last = burst * 20 + 19
        rig.until(lambda last=last: maps and maps[-1].header.stamp.nanosec == last)
    counts = wait_for_counts(rig)
    assert counts.frames_in <= 200 and set(counts.dropped) <= {'superseded'}
    numbers = check_label_maps(maps)
    assert numbers == sorted(numbers) and len(numbers) == counts.frames_out


@pytest.mark.parametrize('transport', ['direct', 'typed'])
def test_size_and_encoding_change_with_every_frame(make_rig: Any, transport: str) -> None:
    """Every valid image gets a label map of its own size; bad images are dropped with a reason.

    A buffer that held a large image is used for a small one: no pixel of the large one is left.
    """
    rig = make_rig(f'transport:={transport}')
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    sent = {}
    for number in range(120):
        encoding = list(CHANNELS)[number % 4]
        sent[number] = numbered_image(number, 0, 24 + number * 37 % 200, 64 + number * 53 % 300,
                                      encoding)
        if number % 5 == 4:  # a wrong size
            sent[number].width *= 2
        if number % 7 == 6:
            sent[number].encoding = 'brg8'
        images.publish(sent[number])
        rig.until(lambda number=number: rig.snapshot().frames_in == number + 1)
        rig.until(lambda: rig.snapshot().in_flight == 0)
    bad = {number for number in sent if number % 5 == 4 or number % 7 == 6}
    counts = wait_for_counts(rig)
    assert counts.dropped == {'bad frame': len(bad)}
    rig.until(lambda: len(maps) == counts.frames_out)
    assert check_label_maps(maps, 0, sent) == sorted(set(sent) - bad)
