# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""In bags with H.264 and H.265 topics, each message gives its own frame and stamp once."""

import sys

import av
import numpy as np
import pytest
from recordings import camera_info, FIRST, image_messages, Message, pictures, TOPIC, write_bag
from video_bags import FFMPEG, FOXGLOVE, STEP, video_bag, video_message
from videos import decode, encode, make_file_with_ffmpeg

from trt_segmentation.bags.reader import BagReader, CAMERA_INFO, Recorded
from trt_segmentation.errors import BagError, FrameError, VideoError


def read(path, topic=None):
    with BagReader(path) as bag:
        return list(bag.messages([bag.image_topic(topic)]))


def pixels(message):
    frame = message.frame()
    assert frame.encoding == 'bgr8' and frame.step == frame.width * 3
    return frame.data.reshape(frame.height, frame.width, 3)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('encoder, codec, msgtype, format', [
    ('libx264', 'h264', FOXGLOVE, 'h264'), ('libx265', 'hevc', FOXGLOVE, 'h265'),
    ('libx264', 'h264', FFMPEG, 'libx264'), ('libx265', 'hevc', FFMPEG, 'hevc;yuv420p;bgr8;bgr8')])
def test_each_message_has_its_frame_and_stamp(tmp_path, storage, encoder, codec, msgtype, format):
    packets = encode(25, encoder)
    path = video_bag(tmp_path / 'bag', packets, format, msgtype, storage=storage)
    with BagReader(path) as bag:
        assert bag.image_topics() == {'/camera/image_raw/foxglove': 25}
    messages = read(path)
    assert [m.number for m in messages] == list(range(1, 26))
    for n, (message, truth) in enumerate(zip(messages, decode(packets, codec), strict=True)):
        assert message.log_time_ns == FIRST + n * STEP + 7_000_000
        assert message.frame().stamp_ns == message.stamp_ns == FIRST + n * STEP
        assert message.frame().frame_id == 'left'
        np.testing.assert_array_equal(pixels(message), truth)


def test_a_bag_that_begins_between_keyframes(tmp_path):
    packets = encode(30)
    messages = read(video_bag(tmp_path / 'bag', packets[4:]))
    assert [m.number for m in messages] == list(range(1, 27))
    for message in messages[:6]:
        with pytest.raises(FrameError, match='there was no keyframe yet'):
            message.frame()
    np.testing.assert_array_equal([pixels(m) for m in messages[6:]], decode(packets)[10:])


def test_a_lost_message_costs_the_frames_up_to_the_next_keyframe(tmp_path):
    packets = encode(30)
    messages = read(video_bag(tmp_path / 'bag', packets[:13] + packets[14:]))
    bad = [m.number for m in messages if m.problem]
    assert bad == [14, 15, 16, 17, 18, 19] and len(messages) == 29
    assert 'was lost' in messages[13].problem
    truth = decode(packets)
    np.testing.assert_array_equal([pixels(m) for m in messages if not m.problem],
                                  truth[:13] + truth[20:])


def test_a_message_that_cannot_be_read_counts_as_lost(tmp_path):
    packets = encode(20)
    whole = [video_message(FOXGLOVE, n, p, 'h264') for n, p in enumerate(packets)]
    whole[5] = whole[5][:40]
    messages = read(write_bag(tmp_path / 'bag', [
        Message('/v', FOXGLOVE, FIRST + n, m) for n, m in enumerate(whole)]))
    assert [m.number for m in messages if m.problem] == [6, 7, 8, 9, 10]
    assert 'needs' in messages[5].problem and 'cannot be read' in messages[6].problem


def test_frames_that_are_skipped_are_decoded_too(tmp_path):
    packets = encode(30)
    with BagReader(video_bag(tmp_path / 'bag', packets)) as bag:
        messages = [m for m in bag.messages([bag.image_topic()]) if m.number % 7 == 0]
    truth = decode(packets)
    for message in messages:
        np.testing.assert_array_equal(pixels(message), truth[message.number - 1])


def test_a_video_with_b_frames_comes_in_the_order_in_which_it_is_shown(tmp_path):
    path = make_file_with_ffmpeg(tmp_path / 'a.mkv', 'libx264', 30, '-bf', '2')
    with av.open(str(path)) as container:
        to_annex_b = av.BitStreamFilterContext('h264_mp4toannexb', container.streams.video[0])
        packets = [(p.pts or 0, bytes(p)) for raw in container.demux(video=0)
                   for p in to_annex_b.filter(raw if raw.size else None)]
    assert [pts for pts, _ in packets] != sorted(pts for pts, _ in packets)
    bag = write_bag(tmp_path / 'bag', [
        Message('/v', FFMPEG, FIRST + n, video_message(FFMPEG, pts // 40, data, 'h264'))
        for n, (pts, data) in enumerate(packets)])
    messages = read(bag)
    assert [m.stamp_ns for m in messages] == [FIRST + n * STEP for n in range(30)]
    with av.open(str(path)) as container:
        truth = [f.to_ndarray(format='bgr24') for f in container.decode(video=0)]
    np.testing.assert_array_equal([pixels(m) for m in messages], truth)


def test_an_av1_topic_is_refused_by_name(tmp_path):
    messages = read(video_bag(tmp_path / 'bag', encode(2), 'av1'))
    with pytest.raises(FrameError, match="format 'av1' cannot be decoded; expected h264 or h265"):
        messages[0].frame()


def test_camera_info_is_found_beside_a_video(tmp_path):
    info = Message('/camera/camera_info', CAMERA_INFO, FIRST, camera_info(FIRST))
    for transport in ('ffmpeg', 'foxglove'):
        topic = f'/camera/image_raw/{transport}'
        path = write_bag(tmp_path / transport, [
            info, Message(topic, FFMPEG, FIRST, video_message(FFMPEG, 0, encode(1)[0], 'h264'))])
        with BagReader(path) as bag:
            assert bag.camera_info_topic(bag.image_topic()) == '/camera/camera_info'


def test_a_raw_camera_is_preferred_to_its_video(tmp_path):
    packet = Message('/a/ffmpeg', FFMPEG, FIRST, video_message(FFMPEG, 0, encode(1)[0], 'h264'))
    path = write_bag(tmp_path / 'bag', [*image_messages(pictures(2)), packet])
    with BagReader(path) as bag:
        assert bag.image_topics() == {TOPIC: 2, '/a/ffmpeg': 1}
        assert bag.image_topic() == TOPIC
        assert bag.image_topic('/a/ffmpeg') == '/a/ffmpeg'


def test_two_videos_need_a_choice(tmp_path):
    packet = video_message(FFMPEG, 0, encode(1)[0], 'h264')
    path = write_bag(tmp_path / 'bag', [Message(t, FFMPEG, FIRST, packet) for t in ('/a', '/b')])
    with BagReader(path) as bag, pytest.raises(BagError, match=r'2 image topics\. Choose one'):
        bag.image_topic()


def test_a_message_without_a_reader_names_the_decoder():
    message = Recorded('/v', FOXGLOVE, 1, 0, video_message(FOXGLOVE, 0, encode(1)[0], 'h264'))
    with pytest.raises(FrameError, match=r'only BagReader\.messages'):
        message.frame()


def test_a_missing_pyav_is_named(tmp_path, monkeypatch):
    path = video_bag(tmp_path / 'bag', encode(1))
    monkeypatch.setitem(sys.modules, 'av', None)
    with BagReader(path) as bag, pytest.raises(VideoError, match=r'pip install .av>=17'):
        list(bag.messages([bag.image_topic()]))


def test_a_video_is_chosen_if_the_other_topics_are_results(tmp_path):
    (picture,) = pictures(1)
    results = image_messages([picture], '/segmentation/label_map')
    packet = Message('/camera/image_raw/ffmpeg', FFMPEG, FIRST,
                     video_message(FFMPEG, 0, encode(1)[0], 'h264'))
    said = []
    with BagReader(write_bag(tmp_path / 'bag', [*results, packet])) as bag:
        assert bag.image_topic(say=said.append) == '/camera/image_raw/ffmpeg'
    raw = image_messages([picture])
    with BagReader(write_bag(tmp_path / 'raw', [*results, packet, *raw])) as bag:
        assert bag.image_topic(say=said.append) == '/camera/image_raw'
    assert [line.partition(', ')[2] for line in said] == [
        'but not from /segmentation/label_map (a result)',
        'but not from /segmentation/label_map (a result), /camera/image_raw/ffmpeg (a video)']
