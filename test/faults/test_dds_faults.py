# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Faults on the network: a stopped subscriber, a lossy camera, and nodes that come and go."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray
from faults.invariants import check_label_maps, Held, wait_for_counts
from faults.numbered import numbered_image
from faults.processes import running
from node_rig import NODE
from ros_context import PROFILE
from sensor_msgs.msg import Image

from trt_segmentation.ros.diagnostics import WARN

MAPS = f'{NODE}/label_map'
WAIT = 150.0
"""Seconds. If a participant ends without a message, Fast DDS forgets it only after 20 s."""


def stopped_subscriber(rig: Any, ros: Any, count: int) -> None:
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    (publisher,) = (p for p in rig.node.publishers if p.topic_name == MAPS)
    numbers: list[int] = []

    def send() -> None:
        images.publish(numbered_image(len(numbers), height=720, width=1280))
        rig.until(lambda: maps)
        numbers.extend(check_label_maps(maps))
        maps.clear()

    def heard() -> bool:
        send()
        return bool(deaf.stdout and deaf.stdout.read(100))  # None if there is no output yet

    with running(ros, 'deaf_subscriber', MAPS) as deaf:
        rig.until(lambda: publisher.get_subscription_count() == 2)
        assert deaf.stdout
        os.set_blocking(deaf.stdout.fileno(), False)
        rig.until(heard)
        deaf.send_signal(signal.SIGSTOP)
        for _ in range(20):
            send()
        held = Held.measure()
        for _ in range(count):
            send()
        assert not Held.measure().growth_over(held, memory=20_000_000, others=2)
        deaf.send_signal(signal.SIGCONT)
    counts = wait_for_counts(rig)
    assert numbers == list(range(counts.frames_in)) and not counts.dropped


def test_a_reliable_subscriber_that_never_reads_does_not_hold_the_node_up(
        make_rig: Any, ros: Any) -> None:
    """A subscriber that is stopped with SIGSTOP acknowledges no label map.

    The label maps of 0.9 MB exceed the shared memory segment of the middleware. The node goes on,
    and its memory does not grow. Another subscriber gets every label map.
    """
    stopped_subscriber(make_rig(), ros, 55)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_subscriber_that_never_reads_for_long(make_rig: Any, ros: Any) -> None:
    """The soak test sends 3000 images while the subscriber is stopped."""
    stopped_subscriber(make_rig(), ros, 3000)


def come_and_go(rig: Any, ros: Any, count: int, times: int) -> None:
    maps, images = rig.hear(Image, MAPS), rig.speaker(Image)
    number, numbers = 0, list[int]()
    held: Any = None

    def others(expected: int) -> bool:
        nonlocal number
        images.publish(numbered_image(number))
        number += 1
        numbers.extend(check_label_maps(maps))
        maps.clear()  # the test must not hold memory itself
        names = [name for name in rig.node.get_node_names() if name.startswith('passer_by')]
        return len(names) == expected

    with running(ros, 'passers_by', count) as passers:
        assert passers.stdin and passers.stdout
        for visit in range(times):
            if visit:
                print(file=passers.stdin, flush=True)
            rig.until(lambda: others(count), WAIT)
            assert passers.stdout.readline() == 'up\n'
            before = len(numbers)
            rig.until(lambda before=before: others(count) and len(numbers) > before + 5,
                      WAIT)
            print(file=passers.stdin, flush=True)
            rig.until(lambda: others(0), WAIT)
            assert passers.stdout.readline() == 'gone\n'
            if held is None:
                held = Held.measure()
    # the middleware keeps segments mapped for some time after their owners have ended
    rig.until(lambda: others(0) and not Held.measure().growth_over(
        held, memory=20_000_000, others=2), WAIT)
    counts = wait_for_counts(rig)
    assert set(counts.dropped) <= {'superseded'}
    rig.until(lambda: len(numbers) + len(maps) == counts.frames_out)
    numbers.extend(check_label_maps(maps))
    assert numbers == sorted(set(numbers))


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_nodes_that_come_and_go_leave_no_memory_behind(make_rig: Any, ros: Any) -> None:
    """Five participants come and go three times. The node goes on and its memory stays.

    This test is a soak test, because once, on a busy machine, the middleware did not find the
    participants within 150 s.
    """
    come_and_go(make_rig(), ros, 5, 3)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_fifty_nodes_that_come_and_go(make_rig: Any, ros: Any) -> None:
    """The soak test has fifty participants, which come and go five times."""
    come_and_go(make_rig(), ros, 50, 5)


@pytest.mark.parametrize('transport', ['direct', 'typed'])
def test_images_that_fast_dds_loses_are_counted_and_the_cure_is_named(
        make_rig: Any, ros: Any, transport: str) -> None:
    """A camera process without our profile sends until the node reports lost images."""
    rig = make_rig(f'transport:={transport}', 'diagnostics_period:=0.1')
    log, reports = rig.log(), rig.hear(DiagnosticArray, '/diagnostics')

    def warned() -> Any:
        return [status for report in reports for status in report.status
                if status.name == 'trt_segmentation: camera' and status.level == WARN
                and ' in the last 10 s. Without the profile ' in status.message]

    def newest(task: str) -> dict[str, str]:
        (status,) = [one for one in reports[-1].status if one.name.endswith(f': {task}')]
        return {pair.key: pair.value for pair in status.values}

    with running(ros, 'lossy_camera', '/image'):
        rig.until(lambda: rig.snapshot().lost > 10)
        rig.until(warned)
    for text in ('config/fastdds.xml', 'start the camera with the same profile',
                 f'export FASTDDS_DEFAULT_PROFILES_FILE={PROFILE} '
                 f'FASTRTPS_DEFAULT_PROFILES_FILE={PROFILE}'):
        assert text in warned()[0].message
    counts = wait_for_counts(rig)
    assert counts.lost == rig.snapshot('').lost  # the node has one camera

    for task in ('pipeline', 'camera'):
        # an older report with smaller counts may arrive first
        rig.until(lambda task=task: int(newest(task)['frames_lost']) >= counts.lost)
        values = newest(task)
        # Fast DDS may lose every image. Then no image arrives that shows a gap.
        assert (values['frames_skipped'].isdigit() if transport == 'direct' else
                values['frames_skipped'].startswith('unknown: needs transport direct '))
    rig.until(lambda: [line for line in log if ' in the last 10 s. ' in line.msg])
