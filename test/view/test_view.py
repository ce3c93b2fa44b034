# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The live view writes the right content to its file, and no receiver waits for it."""

import json
from pathlib import Path
import socket
import subprocess
import sys
import threading

import cv2
from networks import color_classifier, write_card
import numpy as np
import pytest
from recordings import (
    camera_info,
    FIRST,
    image,
    image_messages,
    Message,
    pictures,
    STORE,
    write_bag,
)

from trt_segmentation.commands.cli import main
from trt_segmentation.frame import Frame, Segmentation
from trt_segmentation.model.card import load_card, ModelCard

pytest.importorskip('rerun', reason='rerun-sdk is not installed: pip install rerun-sdk')
from rerun.chunk import RrdReader

from trt_segmentation.errors import ViewError
from trt_segmentation.view import rerun_view as view_module
from trt_segmentation.view.message_tap import MessageTap, WAITING
from trt_segmentation.view.rerun_latency import draw_steps, ROW
from trt_segmentation.view.rerun_view import check_view, open_viewer, RerunView, VIEWER

PALETTE = np.array([[10, 20, 30], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
NAMES = ['nothing', 'red thing', 'green thing', 'blue thing']
CARD = ModelCard('colours', Path('net.onnx'), tuple(NAMES), PALETTE)
TOPICS = {'/image': 'image', '/label_map': 'labels', '/overlay': 'overlay'}


@pytest.fixture(scope='module')
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp('model')
    return write_card(color_classifier(folder / 'colors.onnx', PALETTE, height=48, width=64),
                      NAMES, PALETTE)


class Shown:
    """Reads a file of the view. ``stamps`` and ``values`` have a list for each entity path."""

    def __init__(self, path):
        self.stamps, self.values = {}, {}
        for chunk in RrdReader(path).stream():
            batch = chunk.to_record_batch()
            values = batch.column(next(name for name in batch.schema.names if ':' in name))
            self.values.setdefault(chunk.entity_path, []).extend(values.to_pylist())
            if 'stamp' in batch.schema.names:
                self.stamps.setdefault(chunk.entity_path, []).extend(
                    batch.column('stamp').to_numpy().astype(np.int64).tolist())

    def labels(self, shape=(48, 64)):
        return [np.array(value[0], np.uint8).reshape(shape)
                for value in self.values['/camera/label_map']]

    def images(self):
        return [cv2.imdecode(np.array(value[0], np.uint8), cv2.IMREAD_COLOR)
                for value in self.values['/camera/image']]


def records(path, entity):
    """Yield a mapping from column name to values, for each chunk of an entity with stamps."""
    for chunk in RrdReader(path).stream():
        batch = chunk.to_record_batch()
        if chunk.entity_path == entity and 'stamp' in batch.schema.names:
            yield {name: batch.column(name).to_pylist() for name in batch.schema.names
                   if ':' in name}


def which(jpeg, seen):
    far = [np.abs(jpeg.astype(int) - picture).mean() for picture in seen]
    assert min(far) < 25
    return int(np.argmin(far))


def replay(folder, card, *more):
    return main(['replay', str(folder / 'bag'), '--out', str(folder / 'out'), '--model',
                 str(card), '--engine', 'onnxruntime-cpu', *map(str, more)])


def test_a_replay_shows_every_frame_once_at_its_stamp(tmp_path, card):
    truths = np.random.default_rng(0).integers(0, 4, (7, 6, 8), np.uint8).repeat(8, 1).repeat(8, 2)
    seen = [np.ascontiguousarray(PALETTE[truth][..., ::-1]) for truth in truths]
    info = Message('/camera/camera_info', 'sensor_msgs/msg/CameraInfo', FIRST, camera_info(FIRST))
    write_bag(tmp_path / 'bag', [info, *image_messages(seen)])
    path = tmp_path / 'view.rrd'
    assert replay(tmp_path, card, '--save-view', path) == 0
    shown = Shown(path)
    assert set(shown.stamps) == {
        '/camera/image', '/camera/label_map', '/steps', '/distribution',
        *(f'/whole/{name}' for name in ('frame', 'p50', 'p95')),
        *(f'/latency/{stage}' for stage in ('preprocess', 'inference', 'postprocess', 'total'))}
    for entity, stamps in shown.stamps.items():
        # the view draws these once per second
        frames = 1 if entity in ('/steps', '/distribution') else 7
        assert stamps == [FIRST + i * 100_000_000 for i in range(frames)], entity
    for found, truth in zip(shown.labels(), truths, strict=True):
        np.testing.assert_array_equal(found, truth)
    assert [which(found, seen) for found in shown.images()] == list(range(7))
    assert all(ms[0] > 0 for ms in shown.values['/latency/inference'])


def test_classes_have_names_and_colours_and_unlabelled_is_transparent(
        tmp_path, card):
    RerunView(load_card(str(card)), path=tmp_path / 'v.rrd').close()
    (context,) = Shown(tmp_path / 'v.rrd').values['/camera']
    found = {entry['class_id']: entry['class_description']['info'] for entry in context[0]}
    assert [found[i]['label'] for i in range(4)] == NAMES
    assert [found[i]['color'].to_bytes(4, 'big') for i in range(4)] == [
        bytes([*color, 255]) for color in PALETTE.tolist()]
    assert (found[255]['label'], found[255]['color'] & 255) == ('unlabelled', 0)
    assert len(found) == 5


def test_memory_may_be_reused_after_it_was_shown(tmp_path):
    data = np.full((48, 64, 3), 200, np.uint8)
    labels = np.full((48, 64), 2, np.uint8)
    with RerunView(CARD, path=tmp_path / 'v.rrd') as view:
        view.show(Segmentation(Frame(data.reshape(-1), 'bgr8', 48, 64, 192, stamp_ns=5), labels,
                                 timings={'total': 1.5}))
        data[:], labels[:] = 0, 0
    shown = Shown(tmp_path / 'v.rrd')
    assert (shown.labels()[0] == 2).all()
    assert (shown.images()[0] > 190).all()
    assert shown.values['/latency/total'] == [[1.5]]
    assert shown.stamps['/latency/total'] == [5]


# ---- beside a running node

def cdr(pixels, encoding, stamp_ns):
    return bytes(STORE.serialize_cdr(image(pixels, encoding, stamp_ns), 'sensor_msgs/msg/Image'))


def test_the_tap_shows_messages_and_the_nodes_frame_log(tmp_path):
    log = tmp_path / 'node.jsonl'
    tap = MessageTap(RerunView(CARD, path=tmp_path / 'v.rrd'), TOPICS, log)
    for i, picture in enumerate(pictures(4)):
        tap('/image', cdr(picture, 'bgr8', i))
        tap('/label_map', cdr(np.full((48, 64), i, np.uint8), 'mono8', i))
        tap('/overlay', b'not looked at')
        with log.open('a') as file:
            file.write(json.dumps({'stamp_ns': i, 'timings': {'total': i + 0.5}}) + '\n')
    with log.open('a') as file:
        file.write('{"stamp_ns": 9, "dropped": "superseded"}\n{"stamp_ns": 9, "timi')
    tap.close()
    shown = Shown(tmp_path / 'v.rrd')
    assert shown.stamps == {'/whole/dropped': [9], **{path: [0, 1, 2, 3] for path in (
        '/camera/image', '/camera/label_map', '/latency/total', '/whole/frame', '/whole/p50',
        '/whole/p95')}}
    assert [ms for batch in records(tmp_path / 'v.rrd', '/whole/p50')
            for ms in batch['Scalars:scalars']] == [[0.5], [1.0], [1.5], [2.0]]
    assert [int(found.max()) for found in shown.labels()] == [0, 1, 2, 3]
    assert shown.values['/latency/total'] == [[0.5], [1.5], [2.5], [3.5]]
    assert (tap.left_out, tap.bad) == (0, [])


class Stuck:
    """A view that blocks until the test lets it continue."""

    def __init__(self):
        self.entered, self.go = threading.Event(), threading.Event()
        self.stamps, self.closed = [], False

    def show_image(self, frame):
        self.entered.set()
        assert self.go.wait(30)
        self.stamps.append(frame.stamp_ns)

    def show_labels(self, stamp_ns, labels):
        assert stamp_ns == self.stamps[-1]

    def close(self):
        self.closed = True


def test_a_typical_frame_is_drawn_step_by_step_once_a_second(tmp_path):
    with RerunView(CARD, path=tmp_path / 'v.rrd') as view:
        for i in range(25):
            view.show_timings(10**12 + i * 10**8, {'wait': 1.0, 'inference': 6.0, 'publish': 1.0,
                                                   'total': 8.0, 'age': 9.0})
    shown = Shown(tmp_path / 'v.rrd')
    assert shown.stamps['/steps'] == shown.stamps['/distribution'] == [
        10**12 + i * 10**8 for i in (0, 10, 20)]
    (chart,) = [batch for batch in records(tmp_path / 'v.rrd', '/distribution')][:1]
    assert sum(chart['BarChart:values'][-1][0]['buffer']) == 21


def test_the_bars_of_a_typical_frame_follow_each_other():
    page = draw_steps({'wait': 1.0, 'inference': 6.0, 'publish': 1.0})
    assert page.shape == (3 * ROW, 720, 3)
    # the text on the left ends at column 178
    bars = [np.flatnonzero((page[ROW * i + ROW // 2 - 9, 190:] != page[0, 0]).any(axis=1))
            for i in range(3)]
    assert [(int(bar[0]), int(bar[-1])) for bar in bars] == [(0, 52), (52, 367), (367, 420)]


def test_a_view_that_blocks_stops_no_receiver(tmp_path):
    view = Stuck()
    tap = MessageTap(view, TOPICS, tmp_path / 'none')
    labels = np.zeros((48, 64), np.uint8)
    pairs = [(topic, cdr(labels, 'mono8', i)) for i in range(WAITING)
             for topic in ('/image', '/label_map')]
    for pair in pairs[:2]:
        tap(*pair)
    assert view.entered.wait(30)
    for pair in pairs[2:]:  # each call returns although the view blocks
        tap(*pair)
    left_out = len(pairs) - 2 - WAITING
    assert tap.left_out == left_out
    view.go.set()
    tap.close()
    assert tap.left_out == left_out     # the tap leaves out only whole pairs
    assert view.stamps == list(range(WAITING // 2 + 1))  # each image is shown once and in order
    assert view.closed


def test_a_label_map_is_shown_over_its_own_image_only(tmp_path):
    tap = MessageTap(RerunView(CARD, path=tmp_path / 'v.rrd'), TOPICS, tmp_path / 'none')
    labels = cdr(np.ones((48, 64), np.uint8), 'mono8', 1)
    seen = [cdr(picture, 'bgr8', i) for i, picture in enumerate(pictures(3))]
    tap('/label_map', labels)  # this label map comes before its image
    for data in seen:
        tap('/image', data)  # images 0 and 2 get no label map
    tap('/label_map', cdr(np.ones((48, 64), np.uint8), 'mono8', 7))     # it has no image
    tap.close()
    assert tap.left_out == 1
    shown = Shown(tmp_path / 'v.rrd')
    assert shown.stamps['/camera/image'] == shown.stamps['/camera/label_map'] == [1]
    assert [which(found, pictures(3)) for found in shown.images()] == [1]


def test_images_without_a_label_map_are_dropped(tmp_path):
    tap = MessageTap(Stuck(), TOPICS, tmp_path / 'none')
    for i in range(3 * WAITING):
        tap._pair('/image', cdr(np.zeros((4, 4), np.uint8), 'mono8', i))
    assert list(tap._halves) == list(range(2 * WAITING, 3 * WAITING))
    assert tap.left_out == 0    # images that the node dropped do not count
    for i in range(2 * WAITING):
        tap._pair('/label_map', cdr(np.zeros((4, 4), np.uint8), 'mono8', 1000 + i))
    assert tap.left_out == WAITING
    tap.close()
    assert tap.left_out == 2 * WAITING


def test_a_message_that_is_no_image_is_told_and_the_next_is_shown(tmp_path):
    tap = MessageTap(RerunView(CARD, path=tmp_path / 'v.rrd'), TOPICS, tmp_path / 'none')
    picture = np.zeros((48, 64, 3), np.uint8)
    for stamp, labels in enumerate([b'\0\1\0\0' + bytes(20), cdr(picture, 'bgr8', 1),
                                    cdr(picture[..., 0], 'mono8', 2)]):
        tap('/image', cdr(picture, 'bgr8', stamp))
        tap('/label_map', labels)
    tap.close()
    assert len(tap.bad) == 2
    assert tap.bad[0].startswith('0.000000000: ') and 'a label map is mono8' in tap.bad[1]
    assert Shown(tmp_path / 'v.rrd').stamps['/camera/label_map'] == [2]


# ---- what cannot be shown

@pytest.mark.skipif(sys.platform != 'linux', reason='a display is looked for on Linux only')
def test_no_display_is_said_before_anything_starts(tmp_path, card, monkeypatch, capsys):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    write_bag(tmp_path / 'bag', image_messages(pictures(1)))
    assert replay(tmp_path, card, '--view') == 2
    text = capsys.readouterr().err
    assert 'there is no display here' in text and '--save-view FILE.rrd' in text
    assert text.count('\n') == 1
    assert main(['demo', '--view', '--out', str(tmp_path / 'demo')]) == 2
    assert 'there is no display here' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists() and not (tmp_path / 'demo').exists()
    monkeypatch.setenv('DISPLAY', ':7')
    check_view(True, None)


@pytest.mark.parametrize('name, message', [
    ('there.rrd', 'exists already; give another file'), ('view.bag', 'give .*view.rrd')])
def test_files_that_are_not_written(tmp_path, card, name, message, capsys):
    (tmp_path / 'there.rrd').write_text('years of work')
    with pytest.raises(ViewError, match=message):
        RerunView(CARD, path=tmp_path / name)
    write_bag(tmp_path / 'bag', image_messages(pictures(1)))
    assert replay(tmp_path, card, '--save-view', tmp_path / name) == 2
    assert '--save-view' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
    assert (tmp_path / 'there.rrd').read_text() == 'years of work'


@pytest.fixture
def port():
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]


def test_a_viewer_is_started_and_another_one_is_not(port, monkeypatch):
    listen = (f'import socket, time; s = socket.create_server(("127.0.0.1", {port})); '
              'time.sleep(60)')
    started, popen = [], subprocess.Popen
    monkeypatch.setattr(subprocess, 'Popen', lambda *a, **k: started.append(
        popen(*a, **k)) or started[-1])
    try:
        for _ in range(2):
            open_viewer([sys.executable, '-c', listen], port)
        assert len(started) == 1
        assert started[0].poll() is None
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_viewer_that_ends_or_never_listens_is_one_clear_error(port, monkeypatch):
    with pytest.raises(ViewError, match=r'ended with exit code 3; .*--save-view'):
        open_viewer([sys.executable, '-c', 'raise SystemExit(3)'], port)
    monkeypatch.setattr(view_module, 'START_SECONDS', 0.2)
    with pytest.raises(ViewError, match=f'did not listen on port {port} within 0.2 s'):
        open_viewer([sys.executable, '-c', 'import time; time.sleep(60)'], port)


def test_the_viewer_is_for_this_machine_only():
    assert VIEWER[VIEWER.index('--bind') + 1] == '127.0.0.1'
    done = subprocess.run([*VIEWER[:3], '--help'], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert all(word in done.stdout for word in ('--bind', '--expect-data-soon'))
