# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run the demo as a user does, and replay the bag that it wrote."""

from collections import Counter
from importlib.util import find_spec
import json
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import cv2
import numpy as np
import pytest

from trt_segmentation.bags.reader import BagReader
from trt_segmentation.commands.demo import report as demo_report
from trt_segmentation.commands.demo.options import DemoOptions
from trt_segmentation.commands.demo.report import LiveRun
from trt_segmentation.commands.demo.run import FILES, run_demo
from trt_segmentation.errors import OutputError
from trt_segmentation.street import CLASSES
from trt_segmentation.untrusted.output_files import claim_folder
from trt_segmentation.view.progress import ProgressBars


def trt_seg(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, '-m', 'trt_segmentation', *map(str, arguments)],
                          capture_output=True, text=True, timeout=240,
                          env={**os.environ, **environment})


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp('demo') / 'out'
    more = ['--save-view', out.parent / 'view.rrd'] if find_spec('rerun') else []
    done = trt_seg('demo', '--seconds', '3', '--out', out, *more, PYTHONIOENCODING='ascii')
    assert (done.stdout + done.stderr).isascii()
    assert done.returncode == 0, done.stdout + done.stderr
    (out.parent / 'stderr').write_text(done.stderr)
    (out.parent / 'stdout').write_text(done.stdout)
    return out


@pytest.fixture(scope='module')
def report(demo):
    return json.loads((demo / 'report.json').read_text())


def stamps(bag: Path, topic: str) -> list[Any]:
    with BagReader(bag) as reader:
        return [message.stamp_ns for message in reader.messages([topic])]


def test_a_healthy_demo_has_no_warning_about_its_camera(demo):
    text = (demo / 'node.log').read_text()
    assert 'active: ' in text and 'no image' not in text


def test_every_frame_is_accounted_for(report):
    published = round(3 * report['camera_fps'])
    assert report['frames_published'] == published
    assert 0 < report['frames_in'] <= published
    assert report['frames_in'] == report['frames_out'] + report['frames_dropped']
    assert report['frames_dropped'] == sum(report['dropped'].values())
    assert report['frames_recorded'] == report['frames_out']


def test_the_printed_table_has_the_counts_and_the_stages_in_their_order(demo, report):
    printed = (demo.parent / 'stdout').read_text()
    missing = report['frames_published'] - report['frames_in']
    assert re.search(rf'frames that never arrived\W+{missing}\b', printed)
    shown = [word for word in re.findall(r'^\W+(\w+)\W.*\d', printed, re.MULTILINE)
             if word in report['latency_ms']]
    assert shown == ['wait', 'decode', 'preprocess', 'inference', 'postprocess', 'publish',
                     'total', 'age', 'end_to_end']
    assert 'deleted' not in printed


def test_report_has_latencies_accuracy_and_engine(report):
    for stage in ('preprocess', 'inference', 'postprocess', 'end_to_end'):
        found = report['latency_ms'][stage]
        assert 0 < found['p50'] <= found['p95'] <= found['p99']
    assert report['engine'] in ('onnxruntime-cpu', 'onnxruntime-cuda', 'tensorrt')
    assert report['fps'] > 0
    assert set(report['iou']) == set(CLASSES)
    # no training saw the demo's street; benchmarks/accuracy.py scores 300 other streets
    assert report['miou'] > 0.8
    assert 0 < report['frames_scored'] <= report['frames_recorded']


def test_a_long_drive_is_scored_at_some_of_its_frames(demo, report, monkeypatch):
    monkeypatch.setattr(demo_report, 'MOST_SCORED', 4)
    arrived = dict.fromkeys(stamps(demo / 'bag', '/trt_segmentation/label_map'), 0)
    sent = {frame.stamp_ns: frame for frame in demo_report.read_sent_frames(demo)}
    with ProgressBars() as bars:
        scores = demo_report._score(demo / 'bag', sent, bars, LiveRun({}, arrived, 10.0))
    assert 3 <= scores.images <= 4 and scores.mean_iou > 0.7


def test_the_camera_has_the_rate_of_the_engine(report):
    assert report['camera_fps'] == (10.0 if report['engine'] == 'onnxruntime-cpu' else 30.0)


def test_bag_has_every_answer_to_a_recorded_image_once(demo, report):
    images = stamps(demo / 'bag', '/image')
    labels = stamps(demo / 'bag', '/trt_segmentation/label_map')
    assert len(labels) == report['frames_recorded']
    assert labels == sorted(set(labels))
    assert set(labels) <= set(images)
    overlays = stamps(demo / 'bag', '/trt_segmentation/overlay/compressed')
    assert set(overlays) <= set(labels)


def test_pictures_are_there(demo):
    montage = cv2.imread(str(demo / 'montage.png'))
    assert montage is not None and montage.shape[1] == 1600
    assert len(np.unique(montage.reshape(-1, 3), axis=0)) > 1000
    assert cv2.imread(str(demo / 'latency.png')) is not None


def test_the_view_has_what_the_bag_has_and_each_frames_latency(demo, report):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed: pip install rerun-sdk')
    from rerun.chunk import RrdReader
    rows = Counter()
    for chunk in RrdReader(demo.parent / 'view.rrd').stream():
        rows[chunk.entity_path] += chunk.num_rows
    # on a busy machine the view leaves some messages out, and stderr gives their number
    told = re.search(r'view: (\d+) images or label maps', (demo.parent / 'stderr').read_text())
    left_out = int(told[1]) if told else 0
    recorded = report['frames_recorded']
    assert max(1, recorded - left_out) <= rows['/camera/label_map'] <= recorded
    assert rows['/camera/image'] == rows['/camera/label_map']
    assert rows['/latency/inference'] == report['frames_out']


def test_replay_of_its_bag_gives_the_live_label_maps(demo, tmp_path):
    done = trt_seg('replay', demo / 'bag', '--image-topic', '/image', '--expect', demo / 'bag',
                   '--allow-missing', '--no-overlay', '--out', tmp_path / 'again')
    assert done.returncode == 0, done.stdout + done.stderr
    assert stamps(tmp_path / 'again', '/segmentation/label_map') == stamps(
        demo / 'bag', '/image')


def test_a_folder_that_is_no_report_is_left_alone(tmp_path):
    (tmp_path / 'thesis.txt').write_text('years of work')
    with pytest.raises(OutputError, match=r'--out .* holds thesis\.txt'):
        run_demo(DemoOptions(1, tmp_path))
    assert (tmp_path / 'thesis.txt').read_text() == 'years of work'


def test_without_ros_an_earlier_report_stays(tmp_path):
    (tmp_path / 'report.json').write_text('{}')
    code = ('import sys\nsys.modules["rclpy"] = None\n'
            'from trt_segmentation.commands.cli import main\n'
            'sys.exit(main(sys.argv[1:]))')
    done = subprocess.run([sys.executable, '-c', code, 'demo', '--out', tmp_path],
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert 'setup.bash of a ROS 2 installation, or ' in done.stderr
    assert (tmp_path / 'report.json').read_text() == '{}'


def test_a_node_that_cannot_start_is_named(tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'node.jsonl').touch()  # an earlier demo was stopped early
    done = trt_seg('demo', '--seconds', '1', '--engine', 'tensorrt', '--out', out)
    if done.returncode == 0:
        pytest.skip('TensorRT works here')
    assert done.returncode == 2
    assert done.stdout.startswith(f'deleted the files of an earlier demo in {out}\n')
    assert 'error: the node says: ' in done.stderr
    assert 'GPU' in done.stderr or 'tensorrt' in done.stderr


@pytest.mark.parametrize('number', [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_ends_node_and_camera(tmp_path, number):
    """The signal comes twice, because the shell and the terminal may each send one."""
    out = tmp_path / 'out'
    process = subprocess.Popen(
        [sys.executable, '-m', 'trt_segmentation', 'demo', '--seconds', '600', '--out',
         str(out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        # a parent such as nohup may ignore SIGHUP
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    try:
        end = time.monotonic() + 100
        while not ((out / 'camera.log').exists() and (out / 'camera.log').stat().st_size > 100):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        children = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
        assert len(children) == 2
        process.send_signal(number)
        time.sleep(0.1)
        process.send_signal(number)
        said, _ = process.communicate(timeout=100)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + number, said
    assert b'Traceback' not in said
    assert not [child for child in children if Path(f'/proc/{child}').exists()]


def test_a_home_that_cannot_be_written_to_is_said(tmp_path):
    """ROS writes its logs below the home folder."""
    done = subprocess.run(
        [sys.executable, '-m', 'trt_segmentation', 'demo', '--out', str(tmp_path / 'out')],
        capture_output=True, text=True, timeout=100, env={
            **{key: value for key, value in os.environ.items() if key != 'ROS_LOG_DIR'},
            'HOME': '/proc/nowhere', 'ROS_HOME': '/proc/nowhere', 'MPLCONFIGDIR': str(tmp_path)})
    assert done.returncode == 2
    assert 'trt_seg: error: ROS 2 does not start: ' in done.stderr
    assert 'set ROS_LOG_DIR' in done.stderr and 'Traceback' not in done.stderr


def test_an_earlier_demo_is_replaced(demo, tmp_path):
    for is_complete in (True, False):
        shutil.copytree(demo, tmp_path / 'again', dirs_exist_ok=True)
        if not is_complete:
            (tmp_path / 'again' / 'node.jsonl').write_bytes(b'')    # the node was stopped early
        claim_folder(tmp_path / 'again', '--out', FILES, ('node.jsonl',))
        assert list((tmp_path / 'again').iterdir()) == []


def test_the_legend_of_the_ground_has_the_parameters_of_the_node():
    given, legend = demo_report.ground_parameters(), demo_report.ground_legend()
    assert [*legend.colors] == ['drivable', 'walkable', 'obstacle', 'unknown']
    assert legend.note == (f'{given["ground_range"]:g} m ahead, 10 m to each side; camera height '
                           f'{given["camera_height"]:.2f} m')
