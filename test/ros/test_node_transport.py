# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node gives the same answers on each transport, and it frees every buffer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from node_rig import camera_image, NODE
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from trt_segmentation.errors import TransportError
from trt_segmentation.host.output_arrays import allocate_output, HEADROOM
from trt_segmentation.memory import ArrayMemory, PageMemory
from trt_segmentation.ros.transport import choose as transport
from trt_segmentation.ros.transport.direct_publisher import DirectPublisher
from trt_segmentation.serving.supervisor import buffers_per_camera


def asked(name: str) -> list[str]:
    return ['--ros-args', '-p', f'transport:={name}']


@pytest.mark.parametrize('name', ['direct', 'typed'])
def test_both_transports_answer_the_same_and_say_why(make_rig: Any, name: str) -> None:
    rig = make_rig(start=False, cli_args=asked(name))
    log = rig.log()
    assert rig.node.start()
    maps, overlays = (rig.hear(Image, f'{NODE}/{output}') for output in ('label_map', 'overlay'))
    sent = camera_image()
    rig.speaker(Image).publish(sent)
    rig.until(lambda: maps and overlays)
    rows = np.frombuffer(sent.data, np.uint8).reshape(6, 27)
    assert bytes(maps[0].data) == rows[:, :24:3].tobytes() and maps[0].header == sent.header
    assert set(overlays[0].data) == {7} and overlays[0].step == 24
    rig.until(lambda: [line for line in log if f'transport {name} (asked for' in line.msg])


def test_without_librcl_direct_fails_configure_and_auto_falls_back(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise TransportError('librcl.so was not found')

    monkeypatch.setattr(transport, 'Librcl', missing)
    rig = make_rig(start=False, cli_args=asked('direct'))
    assert rig.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert '`transport: direct` does not work here: librcl.so was not found' in rig.node.trouble
    assert rig.pipeline.closed == 1
    from rclpy.parameter import Parameter
    assert rig.node.set_parameters([Parameter('transport', value='auto')])[0].successful
    assert rig.node.start()
    assert str(rig.node.transport) == (
        'typed (`direct` does not work here: librcl.so was not found)')


def free(rig: Any) -> int:
    return len(rig.node.cameras[0]._image._free)


def test_every_frame_gives_its_buffer_back_however_it_ends(make_rig: Any) -> None:
    rig = make_rig(cli_args=asked('direct'))
    speaker = rig.speaker(Image)
    every = buffers_per_camera(rig.pipeline) + 1
    assert free(rig) == every
    speaker.publish(camera_image(1))  # this frame gets an answer
    rig.until(lambda: rig.snapshot().frames_out == 1)
    speaker.publish(camera_image(2, step=1))  # this step is too short for a row
    rig.until(lambda: rig.snapshot().dropped == {'bad frame': 1})
    speaker.publish(camera_image(3, 4, 4, 'nv24', 4, 48))  # the pipeline refuses this frame
    rig.until(lambda: rig.snapshot().dropped == {'bad frame': 2})
    rig.pipeline.errors.append(RuntimeError('lost'))  # the next frame fails
    speaker.publish(camera_image(4))
    rig.until(lambda: rig.snapshot().dropped.get('internal error'))
    assert free(rig) == every
    rig.pipeline.gate.clear()
    for sec in range(5, 10):  # the pipeline works on one frame, one waits, three are superseded
        speaker.publish(camera_image(sec))
        rig.until(lambda sec=sec: rig.snapshot().frames_in == sec)
        rig.until(lambda: len(rig.pipeline.batches) == 3)
    assert free(rig) == every - 2 and rig.snapshot().dropped['superseded'] == 3
    image = rig.node.cameras[0]._image
    rig.pipeline.gate.set()
    assert rig.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert len(image._free) == every and rig.snapshot().in_flight == 0


def test_no_free_buffer_is_a_counted_drop_with_a_warning(make_rig: Any) -> None:
    rig = make_rig(cli_args=asked('direct'))
    log, speaker = rig.log(), rig.speaker(Image)
    image = rig.node.cameras[0]._image
    kept = [image._free.pop() for _ in range(len(image._free) - 1)]
    speaker.publish(camera_image(1))
    rig.until(lambda: rig.snapshot().dropped == {'no free buffer': 1})
    rig.until(lambda: [line for line in log if line.msg.startswith('no free buffer: all')])
    image._free.extend(kept)
    speaker.publish(camera_image(2))
    rig.until(lambda: rig.snapshot().frames_out == 1)


@pytest.mark.parametrize('size', [0, 3, 11, 40, 70])
def test_a_message_cut_short_is_a_bad_frame_and_logged_without_a_stamp(
        make_rig: Any, tmp_path: Any, size: int) -> None:
    path = tmp_path / 'frames.jsonl'
    rig = make_rig(cli_args=[*asked('direct'), '-p', f'frame_log:={path}'])
    speaker = rig.speaker(Image)
    speaker.publish(serialize_message(camera_image(1))[:size] or b'\0')
    rig.until(lambda: rig.snapshot().dropped == {'bad frame': 1})
    speaker.publish(camera_image(2))
    rig.until(lambda: rig.snapshot().frames_out == 1)
    _, first, second = path.read_text().splitlines()
    assert '"dropped": "bad frame"' in first and '"stamp_ns": 2999999999' in second
    assert ('"stamp_ns": null' in first) == (size < 30)


def test_messages_are_taken_into_the_pipelines_own_memory(make_rig: Any) -> None:
    rig = make_rig(start=False, cli_args=asked('direct'))
    assert rig.node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    given: list[PageMemory] = []

    def allocate(nbytes: int) -> PageMemory:
        given.append(PageMemory(nbytes))
        return given[-1]

    rig.pipeline.allocate = allocate
    assert rig.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    speaker = rig.speaker(Image)
    for sec, height in ((1, 6), (2, 600)):  # the second image needs more memory than the first
        speaker.publish(camera_image(sec, height))
        rig.until(lambda sec=sec: rig.snapshot().frames_out == sec)
        address = rig.pipeline.batches[-1][0].data.ctypes.data
        assert any(m.address <= address < m.address + m.nbytes for m in given)


@pytest.mark.parametrize(('headroom', 'frame_id', 'in_place'), [
    (HEADROOM, 'camera', True), (0, 'camera', False), (32, 'camera', False),
    (HEADROOM, 'x' * 600, False)])
def test_answers_with_headroom_are_published_from_where_they_are(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch, headroom: int, frame_id: str,
        in_place: bool) -> None:
    rig = make_rig(cli_args=asked('direct'))
    found: list[bool] = []
    real = DirectPublisher.publish
    monkeypatch.setattr(DirectPublisher, 'publish',
                        lambda *arguments: found.append(real(*arguments)))
    answer = rig.pipeline._segment

    def with_headroom(frame: Any, wanted: Any) -> Any:
        got = answer(frame, wanted)
        labels = allocate_output(got.labels.shape, got.labels.dtype)
        labels[:] = got.labels
        got.labels, got.headroom = labels, headroom
        return got

    rig.pipeline._segment = with_headroom
    maps, sent = rig.hear(Image, f'{NODE}/label_map'), camera_image()
    sent.header.frame_id = frame_id
    rig.speaker(Image).publish(sent)
    (got,) = rig.until(lambda: maps)
    rows = np.frombuffer(sent.data, np.uint8).reshape(6, 27)
    assert got.header == sent.header and bytes(got.data) == rows[:, :24:3].tobytes()
    rig.until(lambda: rig.snapshot().frames_out)
    assert found == [in_place]


def test_array_memory_includes_the_bytes_before_the_array() -> None:
    whole = np.arange(64, dtype=np.uint8)
    memory = ArrayMemory(whole[16:].reshape(6, 8), 16)
    assert memory.nbytes == 64 and np.array_equal(memory.view, whole)
    memory.view[3] = 200
    assert whole[3] == 200
