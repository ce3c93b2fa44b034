# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that die, that are too fast, and that change with every frame."""

from __future__ import annotations

import signal
from typing import Any

import pytest

pytest.importorskip('rclpy')

from faults.invariants import all_accounted_for, Held, right_or_absent
from faults.numbered import CHANNELS, numbered_image
from faults.processes import kill, running
from node_rig import NODE
from sensor_msgs.msg import Image

from trt_segmentation.serving.supervisor import buffers_per_camera

MAPS = f'{NODE}/label_map'


def kill_and_restart(rig: Any, ros: Any, times: int) -> list[Held]:
    """A camera that is killed as often, each time with new numbers; what is held after each."""
    maps, held = rig.hear(Image, MAPS), []
    for life in range(times):
        first = life * 1000
        with running(ros, 'numbered_camera', '--first', first) as camera:
            before = len(maps)
            rig.until(lambda before=before: len(maps) >= before + 10, 90.0)
            kill(camera)
            assert camera.returncode == -signal.SIGKILL
        counts = all_accounted_for(rig)
        rig.until(lambda counts=counts: len(maps) == counts.frames_out)
        numbers = right_or_absent(maps)
        assert numbers == sorted(numbers)
        # all but the one that may have been on its way when the last camera died
        assert sum(number < first for number in numbers[before:]) <= 1
        held.append(Held.by())
    return held


def test_a_camera_that_is_killed_and_restarted_is_answered_again(make_rig: Any, ros: Any) -> None:
    """Label maps resume with the new camera's images; nothing of the dead one is held on to."""
    first, *_, last = kill_and_restart(make_rig(), ros, 3)
    assert not last.more_than(first, memory=20_000_000, others=2)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_camera_that_is_killed_fifty_times(make_rig: Any, ros: Any) -> None:
    """As above; what is held does not grow with the number of dead cameras."""
    held = kill_and_restart(make_rig(), ros, 50)
    assert not held[-1].more_than(held[10], memory=20_000_000, others=2)


def test_a_killed_cameras_neighbour_is_not_touched(make_rig: Any, ros: Any) -> None:
    """Two cameras on one engine; one is killed, and every map is of its own camera."""
    rig = make_rig('cameras:=[front, left]')
    front, left = (rig.hear(Image, f'/{name}/segmentation/label_map')
                   for name in ('front', 'left'))
    with running(ros, 'numbered_camera', '--camera', 0, '--topic', 'front/image'):
        with running(ros, 'numbered_camera', '--camera', 1, '--topic', 'left/image'):
            rig.until(lambda: len(front) > 10 and len(left) > 10)
        count = len(front)
        rig.until(lambda: len(front) > count + 10)
    for name, maps, camera in (('front', front, 0), ('left', left, 1)):
        numbers = right_or_absent(maps, camera)
        assert numbers == sorted(numbers)
        all_accounted_for(rig, name)


def test_a_camera_ten_times_too_fast_is_answered_with_its_newest_images(make_rig: Any) -> None:
    """For each image answered some ten are dropped as superseded; no queue forms.

    The last image is answered, and what is held is what was held at the tenth of the way.
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
    held = Held.by()
    while sent < 1000:
        send()
    assert not Held.by().more_than(held, memory=10_000_000)
    rig.pipeline.gate.set()
    counts = all_accounted_for(rig)
    rig.until(lambda: len(maps) == counts.frames_out)
    numbers = right_or_absent(maps)
    assert numbers == sorted(numbers) and numbers[-1] == 999
    assert set(counts.dropped) == {'superseded'} and counts.frames_in == 1000
    assert 100 <= counts.frames_out <= 202


def test_a_camera_that_floods_while_nobody_looks(make_rig: Any) -> None:
    """Images come faster than the executor takes them: the middleware keeps the newest only.

    Those that are taken are counted; the newest is answered.
    """
    rig = make_rig()
    rig.pipeline.delay = 0.02
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    for burst in range(10):
        for number in range(burst * 20, burst * 20 + 20):
            images.publish(numbered_image(number))
        last = burst * 20 + 19
        rig.until(lambda last=last: maps and maps[-1].header.stamp.nanosec == last)
    counts = all_accounted_for(rig)
    assert counts.frames_in <= 200 and set(counts.dropped) <= {'superseded'}
    numbers = right_or_absent(maps)
    assert numbers == sorted(numbers) and len(numbers) == counts.frames_out


@pytest.mark.parametrize('transport', ['direct', 'typed'])
def test_size_and_encoding_change_with_every_frame(make_rig: Any, transport: str) -> None:
    """Every image is answered at its own size, rubbish between them is dropped and named.

    A buffer that held a large image holds a small one next: nothing of the large one is seen.
    """
    rig = make_rig(f'transport:={transport}')
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    sent = {}
    for number in range(120):
        encoding = list(CHANNELS)[number % 4]
        sent[number] = numbered_image(number, 0, 24 + number * 37 % 200, 64 + number * 53 % 300,
                                      encoding)
        if number % 5 == 4:  # a lie about the size
            sent[number].width *= 2
        if number % 7 == 6:
            sent[number].encoding = 'brg8'
        images.publish(sent[number])
        rig.until(lambda number=number: rig.snapshot().frames_in == number + 1)
        rig.until(lambda: rig.snapshot().in_flight == 0)
    bad = {number for number in sent if number % 5 == 4 or number % 7 == 6}
    counts = all_accounted_for(rig)
    assert counts.dropped == {'bad frame': len(bad)}
    rig.until(lambda: len(maps) == counts.frames_out)
    assert right_or_absent(maps, 0, sent) == sorted(set(sent) - bad)
