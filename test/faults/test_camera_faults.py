# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that die, send too fast, or change their image size with every frame."""

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
    """Kill and restart a camera several times. Return the resources held after each time."""
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
        # an image of the killed camera may arrive late
        assert sum(number < first for number in numbers[before:]) <= 1
        held.append(Held.measure())
    return held


def test_a_camera_that_is_killed_and_restarted_is_answered_again(make_rig: Any, ros: Any) -> None:
    """The node answers the new camera, and it frees the resources of the killed camera."""
    first, *_, last = kill_and_restart(make_rig(), ros, 3)
    assert not last.growth_over(first, memory=20_000_000, others=2)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_camera_that_is_killed_fifty_times(make_rig: Any, ros: Any) -> None:
    """The node's resources do not grow with the number of killed cameras."""
    held = kill_and_restart(make_rig(), ros, 50)
    assert not held[-1].growth_over(held[10], memory=20_000_000, others=2)


def test_a_killed_camera_does_not_disturb_another_camera(make_rig: Any, ros: Any) -> None:
    """Two cameras share an engine, and one is killed. No label map comes on a wrong topic."""
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
    """The node segments about one of ten images and drops the others. No queue grows.

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
        if sent % 10 == 0:  # the count of images, and not a clock, makes the engine slow
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
    assert not Held.measure().growth_over(held, memory=10_000_000, others=2)
    rig.pipeline.gate.set()
    counts = wait_for_counts(rig)
    rig.until(lambda: len(maps) == counts.frames_out)
    numbers = check_label_maps(maps)
    assert numbers == sorted(numbers) and numbers[-1] == 999
    assert set(counts.dropped) == {'superseded'} and counts.frames_in == 1000
    assert 100 <= counts.frames_out <= 202


def test_images_that_come_in_bursts_are_answered_with_the_newest(make_rig: Any) -> None:
    """The middleware keeps only the newest image, if images come faster than the node takes them.

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
    """Every valid image gets a label map of its size. Bad images are dropped with a reason.

    A buffer may hold a large image and then a small one. The label map of the small image must
    show no pixel of the large image.
    """
    rig = make_rig(f'transport:={transport}')
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    sent = {}
    for number in range(120):
        encoding = list(CHANNELS)[number % 4]
        sent[number] = numbered_image(number, 0, 24 + number * 37 % 200, 64 + number * 53 % 300,
                                      encoding)
        if number % 5 == 4:  # this width does not fit the step
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
