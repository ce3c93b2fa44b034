# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""`trt_seg replay`: each frame of a bag gets one answer, and answers can be compared."""

from collections import deque
import gc
import os
import re
import signal
import threading
import time
import weakref

import cv2
from networks import color_classifier, write_card
import numpy as np
import pytest
from recordings import (
    camera_info,
    compressed,
    FIRST,
    image,
    image_messages,
    Message,
    TOPIC,
    write_bag,
)
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionMode
from video_bags import FFMPEG, STEP, video_bag
from videos import encode

from trt_segmentation.bags.reader import BagReader, CAMERA_INFO, COMPRESSED, IMAGE, Recorded
from trt_segmentation.bags.writer import BagWriter
from trt_segmentation.commands import replay as module
from trt_segmentation.commands.cli import main
from trt_segmentation.commands.replay import check_out
from trt_segmentation.errors import EngineError, OutputError, ReplayError
from trt_segmentation.frame import Segmentation, Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card
from trt_segmentation.pipeline import open_pipeline
from trt_segmentation.serving.every_frame import AHEAD
from trt_segmentation.serving.stopping import StopSignals
from trt_segmentation.threads.ordered_map import CORES

PALETTE = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
NAMES = ['nothing', 'red thing', 'green thing', 'blue thing']
LABEL_MAP = '/segmentation/label_map'


@pytest.fixture(scope='module')
def card(tmp_path_factory):
    """Write a network that labels four colours, and return its card."""
    folder = tmp_path_factory.mktemp('model')
    return write_card(color_classifier(folder / 'colors.onnx', PALETTE, height=48, width=64),
                      NAMES, PALETTE)


def label_maps(count, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 4, (count, 6, 8), np.uint8)
    return list(coarse.repeat(8, axis=1).repeat(8, axis=2))


def paint(labels):
    return np.ascontiguousarray(PALETTE[labels][..., ::-1])


def camera_bag(path, truths, storage='mcap', **options):
    return write_bag(path, image_messages(map(paint, truths), **options), storage)


def run(bag, out, card, *more):
    return main(['replay', str(bag), '--out', str(out), '--model', str(card), *map(str, more)])


def read(path, topic=LABEL_MAP):
    with BagReader(path) as bag:
        return list(bag.messages([topic]))


def topics(path):
    with AnyReader([path]) as reader:
        return {name: info.msgcount for name, info in reader.topics.items()}


def threads_of_the_replay():
    return [t.name for t in threading.enumerate() if t.name.startswith((
        'read', 'decode', 'submit', 'collect', 'encode'))]


# ---- every frame once

@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('png', [False, True])
@pytest.mark.parametrize('padding', [0, 5])
def test_every_frame_once_in_order_with_its_header(tmp_path, card, storage, png, padding, capsys):
    truths = label_maps(12)
    bag = camera_bag(tmp_path / 'in', truths, storage, padding=padding, frame_id='left_optical')
    out = tmp_path / 'out'
    assert run(bag, out, card, *(['--png'] if png else [])) == 0
    name = LABEL_MAP + ('/compressed' if png else '')
    assert topics(out) == {name: 12, '/segmentation/overlay': 12, '/segmentation/label_info': 1}
    answers = read(out, name)
    assert [m.log_time_ns for m in answers] == [m.log_time_ns for m in read(bag, TOPIC)]
    for i, (message, truth) in enumerate(zip(answers, truths)):
        assert message.stamp_ns == FIRST + i * 100_000_000
        assert message.frame().frame_id == 'left_optical'
        np.testing.assert_array_equal(message.labels(), truth)
    text = capsys.readouterr().out
    assert '12 of 12 frames' in text
    assert all(stage in text for stage in ('preprocess', 'inference', 'postprocess', 'p99'))


def test_label_maps_and_overlays_are_the_pipelines(tmp_path, card):
    rng = np.random.default_rng(3)
    noise = [rng.integers(0, 256, (50, 70, 3), np.uint8) for _ in range(4)]
    bag = write_bag(tmp_path / 'in', image_messages(noise))
    assert run(bag, tmp_path / 'out', card) == 0
    pipeline = open_pipeline(load_card(card))
    answers = zip(read(tmp_path / 'out'), read(tmp_path / 'out', '/segmentation/overlay'))
    for recorded, (labels, overlay) in zip(read(bag, TOPIC), answers):
        pipeline.submit([recorded.frame()], Wanted(overlay=True))
        (expected,) = pipeline.collect()
        np.testing.assert_array_equal(labels.labels(), expected.labels)
        np.testing.assert_array_equal(
            overlay.frame().data.reshape(50, 70, 3), expected.overlay)
    pipeline.close()


@pytest.mark.parametrize('kind', ['jpeg', 'png'])
def test_compressed_images_are_replayed(tmp_path, card, kind):
    truths = label_maps(3)
    topic = '/camera/image_raw/compressed'
    bag = write_bag(tmp_path / 'in', [
        Message(topic, COMPRESSED, FIRST + i, compressed(paint(t), kind, FIRST + i))
        for i, t in enumerate(truths)])
    assert run(bag, tmp_path / 'out', card, '--no-overlay') == 0
    answers = read(tmp_path / 'out')
    assert [m.stamp_ns for m in answers] == [FIRST, FIRST + 1, FIRST + 2]
    pipeline = open_pipeline(load_card(card))
    for source, message, truth in zip(read(bag, topic), answers, truths):
        pipeline.submit([source.frame()])
        np.testing.assert_array_equal(message.labels(), pipeline.collect()[0].labels)
        # JPEG blurs colours across a few edges
        assert (message.labels() == truth).mean() > (0.98 if kind == 'jpeg' else 0.9999)
    pipeline.close()


def test_a_video_is_replayed_from_its_first_keyframe_on(tmp_path, card, capsys):
    packets = encode(20, 'libx265', 8)
    bag = video_bag(tmp_path / 'in', packets[3:], 'h265', FFMPEG, first=3)
    assert run(bag, tmp_path / 'out', card, '--no-overlay') == 1
    answers = read(tmp_path / 'out')
    assert [m.stamp_ns for m in answers] == [FIRST + n * STEP for n in range(8, 20)]
    pipeline = open_pipeline(load_card(card))
    for source, message in zip(read(bag, '/camera/image_raw/foxglove')[5:], answers, strict=True):
        pipeline.submit([source.frame()])
        np.testing.assert_array_equal(message.labels(), pipeline.collect()[0].labels)
    pipeline.close()
    text = capsys.readouterr().out
    assert '12 of 17 frames' in text and '5 bad frames. The first frame' in text


@pytest.mark.parametrize('encoding', ['rgb8', 'bgra8', 'rgba8'])
def test_other_encodings_are_replayed(tmp_path, card, encoding):
    (truth,) = label_maps(1)
    pixels = PALETTE[truth]
    if encoding.startswith('bgr'):
        pixels = pixels[..., ::-1]
    if encoding.endswith('a8'):
        pixels = np.dstack([pixels, np.full(truth.shape, 9, np.uint8)])
    bag = write_bag(tmp_path / 'in', [
        Message(TOPIC, IMAGE, FIRST, image(pixels, encoding, FIRST, padding=3))])
    assert run(bag, tmp_path / 'out', card) == 0
    np.testing.assert_array_equal(read(tmp_path / 'out')[0].labels(), truth)


def test_size_and_frame_id_may_change_between_frames(tmp_path, card):
    truths = [np.full((h, w), i, np.uint8) for i, (h, w) in enumerate([(48, 64), (7, 5), (1, 90)])]
    bag = write_bag(tmp_path / 'in', [
        Message(TOPIC, IMAGE, FIRST + i, image(paint(t), 'bgr8', FIRST - i, frame_id=f'f{i}'))
        for i, t in enumerate(truths)])
    assert run(bag, tmp_path / 'out', card) == 0
    answers = read(tmp_path / 'out')
    assert [m.frame().frame_id for m in answers] == ['f0', 'f1', 'f2']
    assert [m.stamp_ns for m in answers] == [FIRST, FIRST - 1, FIRST - 2]
    for message, truth in zip(answers, truths):
        np.testing.assert_array_equal(message.labels(), truth)


def test_camera_infos_are_passed_on_as_they_were(tmp_path, card):
    messages = image_messages(map(paint, label_maps(3)))
    infos = [Message('/camera/camera_info', CAMERA_INFO, m.log_time_ns + 1,
                     camera_info(FIRST + i)) for i, m in enumerate(messages)]
    other = Message('/rear/camera_info', CAMERA_INFO, FIRST, camera_info(0))
    bag = write_bag(tmp_path / 'in', [*messages, *infos, other])
    assert run(bag, tmp_path / 'out', card) == 0
    passed = read(tmp_path / 'out', '/segmentation/camera_info')
    assert [(m.log_time_ns, m.data) for m in passed] == [
        (m.log_time_ns, m.data) for m in read(bag, '/camera/camera_info')]


def test_a_replay_says_which_of_several_topics_it_takes(tmp_path, card, capsys):
    truths = label_maps(2)
    bag = write_bag(tmp_path / 'in', image_messages(map(paint, truths))
                    + image_messages(map(paint, label_maps(3)), '/segmentation/overlay'))
    assert run(bag, tmp_path / 'out', card) == 0
    said = f'{bag}: images are read from {TOPIC}, but not from /segmentation/overlay (a result)\n'
    assert said in capsys.readouterr().err
    assert topics(tmp_path / 'out')[LABEL_MAP] == 2


def test_a_picture_is_sent_to_segment(tmp_path, card, capsys):
    image = tmp_path / 'street.jpg'
    image.write_bytes(b'\xff\xd8')
    assert run(image, tmp_path / 'out', card) == 2
    assert f'Segment it with `trt_seg segment {image}`' in capsys.readouterr().err


def test_topic_and_namespace_are_chosen(tmp_path, card, capsys):
    front, rear = label_maps(2), label_maps(3, seed=1)
    bag = write_bag(tmp_path / 'in', image_messages(map(paint, front))
                    + image_messages(map(paint, rear), '/rear/image'))
    assert run(bag, tmp_path / 'out', card) == 2
    assert '2 image topics. Choose one with --image-topic' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
    assert run(bag, tmp_path / 'out', card, '--image-topic', '/rear/image',
               '--namespace', '/robot/seg') == 0
    assert topics(tmp_path / 'out')['/robot/seg/label_map'] == 3


# ---- bad frames

def test_bad_frames_are_named_counted_and_passed_over(tmp_path, card, capsys):
    messages = image_messages(map(paint, label_maps(5)))
    messages[1].message.step = 3
    messages[3].message.encoding = 'bgr9'
    bag = write_bag(tmp_path / 'in', messages)
    assert run(bag, tmp_path / 'out', card) == 1
    text = capsys.readouterr()
    assert re.search(r'frame 2 of 5 \(stamp 1700000000\.100000000\): step is 3 bytes', text.err)
    assert re.search(r"frame 4 of 5 \(stamp 1700000000\.300000000\): unknown encoding 'bgr9'",
                     text.err)
    assert '3 of 5 frames' in text.out
    assert '2 bad frames. The first frame for each reason is listed above' in text.out
    assert [m.stamp_ns for m in read(tmp_path / 'out')] == [
        FIRST + i * 100_000_000 for i in (0, 2, 4)]


def test_a_bag_of_nothing_but_bad_frames(tmp_path, card, capsys):
    bag = write_bag(tmp_path / 'in', [Message(TOPIC, IMAGE, FIRST, b'\0\1\0\0')])
    assert run(bag, tmp_path / 'out', card) == 1
    assert 'frame 1 of 1 (stamp unreadable): the data is not a ' in capsys.readouterr().err
    assert topics(tmp_path / 'out')[LABEL_MAP] == 0


# ---- comparison

@pytest.fixture
def replayed(tmp_path, card):
    """Return a camera bag of five frames, and the bag of its replay."""
    bag = camera_bag(tmp_path / 'in', label_maps(5))
    assert run(bag, tmp_path / 'first', card) == 0
    return bag, tmp_path / 'first'


def expected_bag(path, labels, stamps=None, topic=LABEL_MAP):
    stamps = stamps or [FIRST + i * 100_000_000 for i in range(len(labels))]
    return write_bag(path, [Message(topic, IMAGE, FIRST + i, image(
        found, 'mono8' if found.dtype == np.uint8 else 'mono16', stamp))
        for i, (found, stamp) in enumerate(zip(labels, stamps))])


@pytest.mark.parametrize('first, second', [([], []), (['--png'], []), ([], ['--png'])])
def test_a_replay_is_equal_to_itself(tmp_path, card, first, second, capsys):
    bag = camera_bag(tmp_path / 'in', label_maps(4))
    assert run(bag, tmp_path / 'a', card, *first) == 0
    assert run(bag, tmp_path / 'b', card, *second, '--expect', tmp_path / 'a') == 0
    text = capsys.readouterr().out
    assert 'DIFFERENT' not in text
    assert ('/segmentation/label_map' in text and
            ': 12,288 of 12,288 pixels are equal. Every frame is equal\n' in text)


def test_the_summary_names_the_agreement_and_the_worst_frame(tmp_path, card, capsys):
    truths = label_maps(4)
    bag = camera_bag(tmp_path / 'in', truths)
    truths[1][0, :3] ^= 1
    truths[2][5, :6] ^= 1
    expect = expected_bag(tmp_path / 'expect', truths[:3])
    assert run(bag, tmp_path / 'out', card, '--expect', expect, '--min-agreement', '0.99',
               '--allow-missing') == 0
    text = capsys.readouterr().out
    assert (f'3 frames were compared with {expect} {LABEL_MAP}: 9,207 of 9,216 pixels are equal. '
            f'The worst frame has stamp 1700000000.200000000, and {1 - 6 / 3072:.7f} of its '
            f'pixels are equal. Frames without an expected label map: 1\n') in text


def test_the_first_difference_is_named_and_ends_the_replay(tmp_path, card, capsys):
    truths = label_maps(5)
    bag = camera_bag(tmp_path / 'in', truths)
    changed = [t.copy() for t in truths]
    changed[2][30, 40:43] = (truths[2][30, 40:43] + 1) % 4
    changed[4][:] = 0
    expect = expected_bag(tmp_path / 'expect', changed)
    assert run(bag, tmp_path / 'out', card, '--expect', expect) == 1
    text = capsys.readouterr().out
    name = NAMES[changed[2][30, 40]], NAMES[truths[2][30, 40]]
    assert 'DIFFERENT: frame 3 of 5 (stamp 1700000000.200000000): 3 of 3072 pixels differ' in text
    assert f'row 30, column 40: expected {changed[2][30, 40]} ({name[0]}), got ' \
           f'{truths[2][30, 40]} ({name[1]})' in text
    assert '3 of 5 frames' in text
    assert len(read(tmp_path / 'out')) == 3


@pytest.mark.parametrize('agreement, code', [(1 - 3 / 3072, 0), (1 - 2 / 3072, 1), (0, 0)])
def test_min_agreement_is_what_may_differ(tmp_path, card, agreement, code):
    truths = label_maps(2)
    bag = camera_bag(tmp_path / 'in', truths)
    truths[1][0, :3] ^= 1
    expect = expected_bag(tmp_path / 'expect', truths)
    assert run(bag, tmp_path / 'out', card, '--expect', expect,
               '--min-agreement', agreement) == code


def test_a_frame_that_is_not_expected_is_a_difference(tmp_path, card, capsys, replayed):
    truths = label_maps(5)
    expect = expected_bag(tmp_path / 'expect', truths[:3] + truths[4:], [
        FIRST + i * 100_000_000 for i in (0, 1, 2, 4)])
    assert run(replayed[0], tmp_path / 'out', card, '--expect', expect) == 1
    assert re.search(r'DIFFERENT: frame 4 of 5 .*expect /segmentation/label_map has no label map '
                     'of this stamp', capsys.readouterr().out)
    assert run(replayed[0], tmp_path / 'out2', card, '--expect', expect, '--allow-missing') == 0


@pytest.mark.parametrize('more', [[], ['--allow-missing']])
def test_an_expected_frame_that_does_not_come_is_a_difference(tmp_path, card, capsys, more):
    truths = label_maps(5)
    expect = expected_bag(tmp_path / 'expect', truths)
    bag = camera_bag(tmp_path / 'in', truths[:3])
    assert run(bag, tmp_path / 'out', card, '--expect', expect, *more) == 1
    text = capsys.readouterr().out
    assert 'there was no frame for 2 of the label maps of' in text
    assert 'as expected' not in text
    assert 'The first of these label maps has stamp 1700000000.300000000' in text


def test_bags_with_no_frame_in_common_are_different(tmp_path, card, capsys):
    bag = camera_bag(tmp_path / 'in', label_maps(2))
    expect = expected_bag(tmp_path / 'expect', label_maps(2), [5, 6])
    assert run(bag, tmp_path / 'out', card, '--expect', expect, '--allow-missing') == 1
    assert 'there was no frame for 2 of the' in capsys.readouterr().out


def test_frames_of_one_stamp_are_compared_in_their_order(tmp_path, card):
    truths = label_maps(4)
    bag = write_bag(tmp_path / 'in', [
        Message(TOPIC, IMAGE, FIRST + i, image(paint(truth), 'bgr8', 0))
        for i, truth in enumerate(truths)])
    same = expected_bag(tmp_path / 'same', truths, [0, 0, 0, 0])
    other = expected_bag(tmp_path / 'other', truths[::-1], [0, 0, 0, 0])
    assert run(bag, tmp_path / 'a', card, '--expect', same) == 0
    assert run(bag, tmp_path / 'b', card, '--expect', other) == 1


def test_expected_label_maps_may_be_in_another_order(tmp_path, card, replayed):
    order = [4, 2, 0, 1, 3]
    truths = label_maps(5)
    expect = expected_bag(tmp_path / 'expect', [truths[i] for i in order],
                          [FIRST + i * 100_000_000 for i in order])
    assert run(replayed[0], tmp_path / 'out', card, '--expect', expect) == 0


def test_other_sizes_and_types_are_differences(tmp_path, card, capsys, replayed):
    maps: list[np.ndarray] = [np.zeros((48, 63), np.uint8), np.zeros((48, 64), np.uint16)]
    for number, wrong in enumerate(maps):
        expect = expected_bag(tmp_path / f'expect{number}', [wrong] * 5)
        assert run(replayed[0], tmp_path / f'out{number}', card, '--expect', expect) == 1
        assert (f'label map is 64x48 uint8, but the expected one is {wrong.shape[1]}x48 '
                f'{wrong.dtype}' in capsys.readouterr().out)


def test_an_expected_image_that_is_no_label_map_is_a_difference(tmp_path, card, capsys, replayed):
    expect = write_bag(tmp_path / 'expect', [
        Message(LABEL_MAP, m.msgtype, m.log_time_ns, bytes(m.data))
        for m in read(replayed[0], TOPIC)])
    assert run(replayed[0], tmp_path / 'out', card, '--expect', expect) == 1
    assert re.search(r'frame 1 of 5 .*cannot be read: the image is bgr8', capsys.readouterr().out)


def test_the_expected_topic_is_found_or_given(tmp_path, card, capsys, replayed):
    truths = label_maps(5)
    expect = expected_bag(tmp_path / 'node', truths, topic='/front/seg/label_map')
    assert run(replayed[0], tmp_path / 'a', card, '--expect', expect) == 0
    expect = expected_bag(tmp_path / 'odd', truths, topic='/masks')
    assert run(replayed[0], tmp_path / 'b', card, '--expect', expect) == 2
    assert 'has no label map topic. Give a topic with --expect-topic. Image topics: /masks' in \
        capsys.readouterr().err
    assert not (tmp_path / 'b').exists()
    assert run(replayed[0], tmp_path / 'b', card, '--expect', expect,
               '--expect-topic', '/masks') == 0


def test_depth_images_are_refused_once(tmp_path, card, capsys):
    depth = np.random.default_rng(0).integers(400, 9000, (48, 64)).astype(np.float32)
    bag = write_bag(tmp_path / 'in', image_messages([depth] * 3, '/a/depth', '32FC1'))
    assert run(bag, tmp_path / 'out', card) == 2
    error = capsys.readouterr().err
    assert 'no images of a camera: /a/depth has depth images (32FC1). To read' in error
    assert error.count('32FC1') == 1 and not (tmp_path / 'out').exists()
    assert run(bag, tmp_path / 'out', card, '--image-topic', '/a/depth') == 1
    text = capsys.readouterr()
    assert text.err.count('encoding 32FC1 holds') == 1 and '3 bad frames. The first' in text.out


def test_a_bad_frame_is_missing_from_the_comparison_too(tmp_path, card, capsys):
    truths = label_maps(3)
    messages = image_messages(map(paint, truths))
    messages[1].message.step = 1
    bag = write_bag(tmp_path / 'in', messages)
    expect = expected_bag(tmp_path / 'expect', truths)
    assert run(bag, tmp_path / 'out', card, '--expect', expect) == 1
    text = capsys.readouterr().out
    assert '1 bad frame. The first' in text
    assert 'there was no frame for 1 of the' in text


# ---- what cannot be done

def test_an_output_folder_that_exists_is_kept(tmp_path, card, capsys, replayed):
    bag, out = replayed
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert run(bag, out, card) == 2
    assert f'--out {out} exists already; give another folder, or' in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert run(bag, out, card, '--overwrite', '--png') == 0
    assert topics(out)[LABEL_MAP + '/compressed'] == 5


def test_only_bags_are_overwritten_and_none_that_is_read(tmp_path, card, capsys, replayed):
    bag, out = replayed
    (out / 'thesis.tex').touch()
    assert run(bag, out, card, '--overwrite') == 2
    assert 'holds thesis.tex, which trt_seg did not write' in capsys.readouterr().err
    assert (out / 'thesis.tex').exists()
    assert run(bag, bag, card, '--overwrite') == 2
    assert 'which this command reads' in capsys.readouterr().err
    assert len(read(bag, TOPIC)) == 5
    with pytest.raises(ReplayError, match='which this command reads'):
        check_out(tmp_path, True, [bag])
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match=r'file cannot be a folder, because .*file is a file'):
        check_out(tmp_path / 'file', True, [bag])


def test_nothing_is_written_when_the_model_is_wrong(tmp_path, card, capsys, replayed):
    assert run(replayed[0], tmp_path / 'out', tmp_path / 'no.yaml') == 2
    assert 'does not exist' in capsys.readouterr().err
    broken = tmp_path / 'broken.yaml'
    broken.write_text(card.read_text().replace('colors.onnx', str(tmp_path / 'no.onnx')))
    assert run(replayed[0], tmp_path / 'out', broken) == 2
    assert 'no.onnx' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_bag_that_breaks_off_keeps_what_came_before(tmp_path, card, capsys):
    # a frame has more than 1 MB, so the recorder writes each frame into its own compressed chunk
    truths = [t.repeat(16, axis=0).repeat(8, axis=1) for t in label_maps(3)]
    bag = write_bag(tmp_path / 'in', image_messages(map(paint, truths)),
                    compression=CompressionMode.STORAGE)
    data = (bag / 'in.mcap').read_bytes()
    _, second, _ = (m.start() for m in re.finditer(re.escape(b'\x28\xb5\x2f\xfd'), data))
    (bag / 'in.mcap').write_bytes(data[:second] + bytes(4) + data[second + 4:])
    assert run(bag, tmp_path / 'out', card, '--no-overlay') == 2
    assert re.search('in cannot be read as a bag: .*out holds the 1 results that came before',
                     capsys.readouterr().err)
    (answer,) = read(tmp_path / 'out')
    assert answer.stamp_ns == FIRST
    assert (answer.labels() == truths[0]).mean() > 0.99  # the resize moves edges


class Interposed:
    """A pipeline that calls ``act`` before its third answer."""

    def __init__(self, real, act):
        self._real = real
        self._act = act
        self._count = 0
        self.identity, self.card = real.identity, real.card
        self.depth, self.batch, self.allocate = real.depth, real.batch, real.allocate
        self.closed = False

    def submit(self, frames, wanted):
        self._real.submit(frames, wanted)

    def collect(self):
        self._count += 1
        if self._count == 3:
            self._act()
        return self._real.collect()

    def close(self):
        self.closed = True
        self._real.close()


@pytest.fixture
def interpose(monkeypatch):
    """Yield a function that makes the next pipeline call ``act`` before its third answer."""
    opened = []

    def use(act):
        def opener(*args, **more):
            opened.append(Interposed(open_pipeline(*args, **more), act))
            return opened[-1]
        monkeypatch.setattr(module, 'open_pipeline', opener)

    yield use
    assert [pipeline.closed for pipeline in opened] == [True]


def test_an_engine_that_fails_is_named_with_its_frame(tmp_path, card, capsys, interpose,
                                                      replayed):
    def fail():
        raise EngineError('out of memory')

    interpose(fail)
    assert run(replayed[0], tmp_path / 'out', card) == 2
    assert re.search(r'trt_seg: error: frame 3 of 5 \(stamp 1700000000\.200000000\): out of '
                     r'memory\. .*out holds the 2 results that came before',
                     capsys.readouterr().err)
    assert len(read(tmp_path / 'out')) == 2


# ---- Ctrl-C

@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_after_the_frame_with_a_readable_bag(tmp_path, card, capsys, interpose,
                                                              replayed, number):
    interpose(lambda: os.kill(os.getpid(), number))
    before = signal.signal(number, signal.SIG_DFL)      # a parent such as nohup may ignore SIGHUP
    try:
        assert run(replayed[0], tmp_path / 'out', card, '--expect', replayed[1]) == 128 + number
    finally:
        signal.signal(number, before)
    text = capsys.readouterr().out
    assert f'{number.name} stopped the replay. ' in text
    answers = read(tmp_path / 'out')
    # The signal came before the third answer. The frames before may be encoded, but not written.
    assert len(answers) <= 2
    assert f'contains all {len(answers)} earlier results' in text
    assert f'{len(answers)} of 5 frames in' in text
    assert 'DIFFERENT' not in text
    assert [m.stamp_ns for m in answers] == [FIRST + i * 100_000_000 for i in range(len(answers))]
    assert threads_of_the_replay() == []


def test_the_first_signal_is_recorded_and_a_later_one_interrupts(monkeypatch):
    """`timeout -s INT` sends the same signal twice at once. The second one must not interrupt."""
    monkeypatch.setattr('trt_segmentation.serving.stopping.ECHO', 60.0)
    with StopSignals() as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        assert stop.caught == signal.SIGINT
        monkeypatch.setattr('trt_segmentation.serving.stopping.ECHO', 0.0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_no_signals_are_taken_outside_the_main_thread():
    caught = []

    def use():
        with StopSignals() as stop:
            caught.append(stop.caught)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert caught == [None]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- threads

class InstantPipeline:
    """A pipeline that computes nothing. It answers each frame with the label 1."""

    def __init__(self, real, batch=3):
        self._real, self._batches = real, deque()
        self.identity, self.card, self.allocate = real.identity, real.card, None
        self.depth, self.batch = 2, batch

    def submit(self, frames, wanted):
        self._batches.append(frames)
        assert len(self._batches) <= self.depth + 1     # one more batch is in collect()

    def collect(self):
        return [Segmentation(frame, np.ones((frame.height, frame.width), np.uint8),
                             timings={'total': 1.0}) for frame in self._batches.popleft()]

    def close(self):
        self._real.close()


@pytest.fixture
def instant(monkeypatch):
    monkeypatch.setattr(module, 'open_pipeline', lambda *args, **more: InstantPipeline(
        open_pipeline(*args, **more)))


def test_the_gpu_pipeline_of_a_replay_does_not_poll(tmp_path, card, monkeypatch):
    waits = []

    def open_gpu(*args, settings, **more):
        waits.append(settings.wait)
        raise EngineError('no GPU')
    monkeypatch.setattr('trt_segmentation.gpu.pipeline.GpuPipeline', open_gpu)
    bag = camera_bag(tmp_path / 'in', label_maps(1))
    assert run(bag, tmp_path / 'out', card, '--engine', 'onnxruntime-cuda') != 0
    assert waits == ['block'] and not (tmp_path / 'out').exists()


class Living:
    """Counts the objects that a function returned and that still live."""

    def __init__(self):
        self.now = self.most = self.all = 0
        self._lock = threading.RLock()

    def watch(self, function):
        def watched(*args, **more):
            found = function(*args, **more)
            weakref.finalize(found, self._add, -1).atexit = False
            self._add(1)
            return found
        return watched

    def _add(self, number):
        with self._lock:
            self.now += number
            self.all += number > 0
            self.most = max(self.most, self.now)


def test_the_number_of_living_frames_does_not_depend_on_the_length(tmp_path, card, instant,
                                                                   monkeypatch):
    """The first result is written only after all queues are full."""
    frames, results, write = Living(), Living(), BagWriter.write

    def write_late(self, result):
        before = -1
        while results.all < 10_000 and before != frames.all and not late:
            before = frames.all
            time.sleep(0.3)
        late.append(result.log_time_ns)
        write(self, result)

    late: list[int] = []
    monkeypatch.setattr(Recorded, 'frame', frames.watch(Recorded.frame))
    monkeypatch.setattr(Segmentation, 'keep', results.watch(Segmentation.keep))
    monkeypatch.setattr(BagWriter, 'write', write_late)
    count = 3000
    bag = write_bag(tmp_path / 'in', image_messages([np.zeros((8, 8, 3), np.uint8)] * count))
    assert run(bag, tmp_path / 'out', card, '--no-overlay') == 0
    assert len(late) == frames.all == results.all == count
    # decoding and encoding have a window each, and each queue of EveryFrame has a limit
    assert frames.most <= (CORES + 4) + CORES + 2 * AHEAD + 3 * (2 + 4)
    assert results.most <= (CORES + 4) + CORES + AHEAD + 3
    gc.collect()
    assert frames.now == results.now == 0
    assert [m.log_time_ns for m in read(tmp_path / 'out')] == late == sorted(late)


def test_overlays_can_be_jpeg(tmp_path, card, capsys):
    truths = [t.repeat(4, axis=0).repeat(4, axis=1) for t in label_maps(3)]
    bag = camera_bag(tmp_path / 'in', truths)
    assert run(bag, tmp_path / 'raw', card) == 0
    assert run(bag, tmp_path / 'out', card, '--jpeg', '--png') == 0
    assert topics(tmp_path / 'out') == {
        LABEL_MAP + '/compressed': 3, '/segmentation/overlay/compressed': 3,
        '/segmentation/label_info': 1}
    overlays = read(tmp_path / 'out', '/segmentation/overlay/compressed')
    for message, exact in zip(overlays, read(tmp_path / 'raw', '/segmentation/overlay')):
        frame, expected = message.frame(), exact.frame()
        assert (frame.stamp_ns, frame.frame_id) == (expected.stamp_ns, expected.frame_id)
        pixels = expected.data.reshape(expected.height, expected.width, 3)
        jpeg = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        np.testing.assert_array_equal(
            frame.data, np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)).reshape(-1))
    assert run(bag, tmp_path / 'other', card, '--jpeg', '--no-overlay') == 2
    assert '--jpeg is only for overlays' in capsys.readouterr().err


@pytest.mark.parametrize('where', ['decode', 'submit', 'collect', 'encode', 'write'])
def test_an_error_in_any_thread_ends_the_replay_with_this_error(tmp_path, card, replayed, capsys,
                                                                monkeypatch, where):
    bag, calls = replayed[0], []

    def fail_late(function):
        def failing(*args, **more):
            calls.append(args)
            if len(calls) == 3:
                raise OutputError('the disk is full') if where == 'write' else \
                    EngineError(f'{where} failed')
            return function(*args, **more)
        return failing

    target, name = {'decode': (Recorded, 'frame'), 'submit': (HostPipeline, 'submit'),
                    'collect': (HostPipeline, 'collect'), 'encode': (BagWriter, 'encode'),
                    'write': (BagWriter, 'write')}[where]
    monkeypatch.setattr(target, name, fail_late(getattr(target, name)))
    assert run(bag, tmp_path / 'out', card) == 2
    text = capsys.readouterr().err
    assert ('the disk is full' if where == 'write' else f'{where} failed') in text
    assert threads_of_the_replay() == []
    # Several threads decode and encode, so the third call need not be that of the third frame.
    written = [m.stamp_ns for m in read(tmp_path / 'out')]
    assert written == [FIRST + i * 100_000_000 for i in range(len(written))]
    assert len(written) <= 2 if where in ('decode', 'encode') else len(written) == 2


def test_an_error_with_a_batch_names_its_frames(tmp_path, card, replayed, capsys, monkeypatch):
    class Failing(InstantPipeline):
        def collect(self):
            if len(self._batches[0]) == 2:
                raise EngineError('out of memory')
            return super().collect()

    monkeypatch.setattr(module, 'open_pipeline', lambda *args, **more: Failing(
        open_pipeline(*args, **more)))
    assert run(replayed[0], tmp_path / 'out', card, '--no-overlay') == 2
    assert re.search(r'error: frame 4 of 5 \(stamp .*300000000\) to frame 5 of 5 \(stamp .*'
                     r'400000000\): out of memory\. .*out holds the 3 results',
                     capsys.readouterr().err)
    assert len(read(tmp_path / 'out')) == 3


def test_batches_do_not_change_order_stamps_or_camera_infos(tmp_path, card, instant, capsys):
    messages = image_messages(map(paint, label_maps(8)))
    messages[4].message.step = 3
    infos = [Message('/camera/camera_info', CAMERA_INFO, m.log_time_ns + 1,
                     camera_info(FIRST + i)) for i, m in enumerate(messages)]
    bag = write_bag(tmp_path / 'in', [*messages, *infos])
    assert run(bag, tmp_path / 'out', card, '--no-overlay') == 1
    assert [m.stamp_ns for m in read(tmp_path / 'out')] == [
        FIRST + i * 100_000_000 for i in (0, 1, 2, 3, 5, 6, 7)]
    passed = read(tmp_path / 'out', '/segmentation/camera_info')
    assert [(m.log_time_ns, m.data) for m in passed] == [
        (m.log_time_ns, m.data) for m in read(bag, '/camera/camera_info')]
    text = capsys.readouterr()
    assert 'frame 5 of 8 (stamp 1700000000.400000000): step is 3 bytes' in text.err
    assert '7 of 8 frames' in text.out
