# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The driver refuses GPU memory, or the GPU is lost.

These tests need no GPU, because they simulate the errors of the driver. As in the GPU pipeline,
submit, collect or the lending of pinned memory raises an error. The node's reaction is real. The
labels are real too, because the CPU computes them.
"""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('cuda.bindings', reason='needs cuda-python, whose error codes are meant')

from diagnostic_msgs.msg import DiagnosticArray
from faults.invariants import check_label_maps, check_said_once, wait_for_counts
from faults.numbered import numbered_image
from faults.processes import IMPORT_PATH
from node_processes import Peer
from node_rig import NODE
from sensor_msgs.msg import Image

from trt_segmentation.errors import EngineError, GpuError

OK, WARN, ERROR = b'\0', b'\1', b'\2'
PASSING = ('CUDA_ERROR_OUT_OF_MEMORY', 'CUDA_ERROR_INVALID_VALUE', 'CUDA_ERROR_NOT_READY')
STICKY = ('CUDA_ERROR_ILLEGAL_ADDRESS', 'CUDA_ERROR_LAUNCH_FAILED', 'CUDA_ERROR_LAUNCH_TIMEOUT',
          'CUDA_ERROR_ECC_UNCORRECTABLE', 'CUDA_ERROR_HARDWARE_STACK_ERROR', 'CUDA_ERROR_UNKNOWN')


def refused(function: str, name: str) -> GpuError:
    return GpuError(f'{function} failed with {name}: simulated', name)


def ends(rig: Any) -> tuple[Any, list[Image], list[DiagnosticArray]]:
    return (rig.speaker(Image), rig.hear(Image, f'{NODE}/label_map'),
            rig.hear(DiagnosticArray, '/diagnostics'))


def report(rig: Any, reports: list[DiagnosticArray]) -> list[Any]:
    count = len(reports)
    rig.node.monitor.publish()
    rig.until(lambda: len(reports) > count)
    return list(reports[-1].status)


@pytest.mark.parametrize('name', PASSING)
def test_a_temporary_error_costs_one_frame(make_rig: Any, name: str) -> None:
    """The frame is dropped. The engine is in ERROR until the next frame succeeds."""
    rig = make_rig()
    images, maps, reports = ends(rig)
    rig.faults.errors.append(refused('cuMemAlloc', name))
    images.publish(numbered_image(0))
    rig.until(lambda: rig.snapshot().dropped == {'engine error': 1})
    status = report(rig, reports)
    assert status[1].level == ERROR and name in status[1].message
    images.publish(numbered_image(1))
    rig.until(lambda: maps)
    assert check_label_maps(maps) == [1] and rig.node.exit_code is None
    wait_for_counts(rig)


def test_without_pinned_memory_frames_are_dropped(make_rig: Any) -> None:
    """The node cannot take an image, so it drops the image. WARN quotes the driver's error."""
    rig = make_rig('transport:=direct')
    images, maps, reports = ends(rig)
    rig.faults.lending = refused('cuMemHostAlloc', 'CUDA_ERROR_OUT_OF_MEMORY')
    for number in range(3):
        images.publish(numbered_image(number))
        rig.until(lambda number=number: rig.snapshot().dropped == {'take error': number + 1})
    camera = report(rig, reports)[2]
    assert camera.level == WARN and 'cuMemHostAlloc failed with CUDA_ERROR_OUT' in camera.message
    assert '3 frames not received since the last report' in camera.message
    rig.faults.lending = None
    images.publish(numbered_image(3))
    rig.until(lambda: maps)
    assert check_label_maps(maps) == [3] and report(rig, reports)[2].level == OK
    assert wait_for_counts(rig).frames_in == 4


def lose_in_a_batch(rig: Any, error: EngineError) -> None:
    rig.faults.errors.append(error)


def lose_in_taking(rig: Any, error: EngineError) -> None:
    rig.faults.lending = error  # a larger image needs more memory, so this error is raised


def lose_in_opening(rig: Any, error: EngineError) -> None:
    rig.faults.errors += [EngineError('fails')] * 5
    rig.openings.append(error)


@pytest.mark.parametrize(('lose', 'name'), [
    *((lose_in_a_batch, name) for name in STICKY),
    (lose_in_taking, STICKY[0]), (lose_in_opening, STICKY[0])])
def test_a_lost_gpu_ends_the_process(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
        lose: Callable[..., None], name: str) -> None:
    """The node asks for exit code 75 and reports ERROR. It opens and publishes nothing more."""
    from trt_segmentation.serving import recovery
    monkeypatch.setattr(recovery, 'FIRST_SECONDS', 0.01)
    rig = make_rig('transport:=direct')
    images, maps, reports = ends(rig)
    images.publish(numbered_image(0))
    rig.until(lambda: maps)
    lose(rig, refused('cuEventSynchronize', name))
    number = 0

    def lost() -> bool:
        nonlocal number
        number += 1
        images.publish(numbered_image(number, height=480, width=640))
        rig.until(lambda: rig.snapshot().frames_in == number + 1)
        return rig.node.exit_code is not None

    rig.until(lost)
    assert rig.node.exit_code == 75
    after = rig.snapshot().frames_out
    for _ in range(3):
        lost()
    counts = wait_for_counts(rig)
    assert counts.frames_out == after
    assert counts.dropped['take error' if lose is lose_in_taking else 'engine down'] >= 3
    for status in report(rig, reports)[:2]:
        assert status.level == ERROR and name in status.message
    check_label_maps(maps)
    assert len(rig.pipelines) == 1
    # read stderr, because /rosout may contain lines of earlier nodes with the same name
    (said,) = [line for line in capfd.readouterr().err.splitlines()
               if 'this process has lost the GPU' in line]
    assert name in said and 'exit code 75' in said


PROCESS = """
import sys
import trt_segmentation.ros.node as node
from faults.faulty import Faults, FaultyPipeline
from trt_segmentation.errors import GpuError
error = GpuError('cuEventSynchronize failed with CUDA_ERROR_ECC_UNCORRECTABLE: simulated',
                 'CUDA_ERROR_ECC_UNCORRECTABLE')
faults = Faults([None] * 5, error)
node.open_pipeline = lambda card, engine, **options: FaultyPipeline(card, faults)
raise SystemExit(node.main())
"""


def test_a_process_whose_gpu_is_lost_ends_with_75_and_one_line(
        ros: Any, digits_card: Path) -> None:
    """Five images get right label maps. The sixth loses the GPU, and the process ends.

    The last diagnostics and one log line report the loss. The process ends without a crash.
    """
    peer = Peer(ros)
    maps: list[Image] = []
    reports: list[DiagnosticArray] = []
    peer.node.create_subscription(Image, f'{NODE}/label_map', maps.append, 10)
    peer.node.create_subscription(DiagnosticArray, '/diagnostics', reports.append, 10)
    images = peer.node.create_publisher(Image, 'image', 5)
    process = subprocess.Popen(
        [sys.executable, '-c', PROCESS, '--ros-args', '-p', f'model:={digits_card}'],
        stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'ROS_DOMAIN_ID': str(ros.get_domain_id()),
             'PYTHONPATH': IMPORT_PATH})
    try:
        number = 0

        def ended() -> bool:
            nonlocal number
            if images.get_subscription_count():
                images.publish(numbered_image(number))
                number += 1
                time.sleep(0.02)
            return process.poll() is not None

        peer.until(ended)
        log = process.communicate()[1]
    finally:
        process.kill()
    assert process.returncode == 75, log
    check_said_once(log, 'this process has lost the GPU')
    numbers = check_label_maps(maps)
    assert numbers and len(numbers) <= 5 and numbers == sorted(numbers)
    last = [status for array in reports for status in array.status
            if status.name == 'trt_segmentation: engine'][-1]
    assert last.level == ERROR and 'CUDA_ERROR_ECC_UNCORRECTABLE' in last.message
    peer.close()
