# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The calibration frames cover a recording, and ranges are measured once."""

from dataclasses import replace
import os

import cv2
import numpy as np
import pytest
import segmentation_networks

from trt_segmentation.builder import calibration
from trt_segmentation.builder.calibration import (
    calibrate,
    Calibration,
    load_calibration,
    measure_ranges,
)
from trt_segmentation.builder.frame_choice import (
    CAPTION,
    choose_by_light,
    extract_features,
    THUMBNAIL,
    write_contact_sheet,
    write_histogram,
)
from trt_segmentation.builder.graph import simplify_model
from trt_segmentation.builder.precision import activations_read_by, quantisable_nodes
from trt_segmentation.builder.settings import METHODS
from trt_segmentation.errors import GraphError
from trt_segmentation.untrusted.signed_files import make_private_folder


def picture(light, seed=0):
    noise = np.random.default_rng(seed).normal(light, 8, (90, 160, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def recording(*stretches):
    """Return the features of a recording. A stretch is a number of frames and their lightness."""
    lights = [light for count, light in stretches for _ in range(count)]
    return [extract_features(f'frame {i}', picture(light, i)) for i, light in enumerate(lights)]


TUNNEL = recording((300, 200), (20, 30), (300, 200))


def test_a_short_dark_stretch_has_chosen_frames():
    choice = choose_by_light(TUNNEL, 40)
    dark = [i for i in choice.chosen if 300 <= i < 320]
    assert len(choice.chosen) == 40
    assert len(dark) >= 5
    # groups are numbered from dark to bright
    bright = np.delete(choice.group, range(300, 320))
    assert choice.group[300:320].max() < bright.min()


def test_groups_are_spread_over_their_time():
    choice = choose_by_light(recording((400, 128)), 16)
    quarters = np.bincount(choice.chosen // 100, minlength=4)
    assert quarters.sum() == 16 and quarters.min() >= 2


def test_same_recording_same_choice():
    first, second = choose_by_light(TUNNEL, 40), choose_by_light(TUNNEL, 40)
    assert np.array_equal(first.chosen, second.chosen)


@pytest.mark.parametrize('count', [1, 7, 619, 620, 1000])
def test_the_requested_number_of_frames_is_chosen_without_repetition(count):
    chosen = choose_by_light(TUNNEL, count).chosen
    assert len(chosen) == min(count, 620)
    assert len(set(chosen.tolist())) == len(chosen)
    assert list(chosen) == sorted(chosen)


def test_equal_frames_are_one_group():
    same = [extract_features('a', picture(100))] * 5
    assert choose_by_light(same, 3).chosen.tolist() == [0, 2, 4]


def test_contact_sheet_shows_the_chosen_darkest_first(tmp_path):
    path = tmp_path / 'sheet.png'
    write_contact_sheet(choose_by_light(TUNNEL, 10), path, columns=4)
    sheet = cv2.imread(str(path))
    width, height = THUMBNAIL
    assert sheet is not None and sheet.shape == (3 * height + CAPTION, 4 * width, 3)
    assert sheet[:height, :width].mean() < 60       # the first frame is from the tunnel
    # the sheet has twelve places, and the last two are empty
    assert not sheet[2 * height:3 * height, 2 * width:].any()
    assert sheet[3 * height:].max() > 200       # the caption has white text
    with pytest.raises(OSError, match='cannot be written'):
        write_contact_sheet(choose_by_light(TUNNEL, 2), tmp_path / 'nowhere' / 'sheet.png')


def test_histogram_is_a_picture(tmp_path):
    path = tmp_path / 'histogram.png'
    write_histogram(choose_by_light(TUNNEL, 40), path)
    drawn = cv2.imread(str(path))
    assert drawn is not None and drawn.shape[1] > 800 and drawn.std() > 10


@pytest.fixture(scope='module')
def model():
    return simplify_model(segmentation_networks.unet(), {'image': (1, 3, 64, 96)})


def frames(count=4, scale=1.0):
    rng = np.random.default_rng(0)
    return [(scale * rng.standard_normal((1, 3, 64, 96))).astype(np.float32)
            for _ in range(count)]


@pytest.mark.parametrize('method', METHODS)
def test_ranges_cover_what_int8_needs(model, method):
    ranges = measure_ranges(model, frames(), [method])[method]
    assert set(ranges) == set(activations_read_by(model, quantisable_nodes(model)))
    assert all(low < high for low, high in ranges.values())


def test_minmax_is_the_largest_value_of_all_frames(model):
    given = frames()
    low, high = measure_ranges(model, given, ['minmax'])['minmax']['image']
    assert (low, high) == (min(f.min() for f in given), max(f.max() for f in given))


def test_entropy_and_percentile_cut_rare_extremes_off(model):
    given = frames()
    given[2][0, 0, 0, 0] = 100
    widest = {method: max(map(abs, ranges['image']))
              for method, ranges in measure_ranges(model, given, METHODS).items()}
    assert widest['minmax'] == 100
    assert 0 < widest['entropy'] < 50 and 0 < widest['percentile'] < 50


def test_ranges_of_parts_give_the_range_of_all_frames(model):
    together = measure_ranges(model, frames(), ['minmax'])['minmax']
    halves = [measure_ranges(model, part, ['minmax'])['minmax']
              for part in (frames()[:2], frames()[2:])]
    for name, (low, high) in together.items():
        assert high == pytest.approx(max(h[name][1] for h in halves))
        assert low == pytest.approx(min(h[name][0] for h in halves))


def test_ranges_are_measured_once_and_kept(model, tmp_path, monkeypatch):
    folder = make_private_folder(tmp_path / 'kept')
    first = calibrate(model, lambda: iter(frames()), 'minmax', folder)
    assert first.frames == 4
    monkeypatch.setattr(calibration, 'measure_ranges', lambda *_: pytest.fail('measured again'))
    assert calibrate(model, lambda: iter(frames()), 'minmax', folder) == first


@pytest.mark.parametrize('method', METHODS)
def test_one_measurement_serves_every_method(model, tmp_path, monkeypatch, method):
    folder = make_private_folder(tmp_path / 'kept')
    calibrate(model, lambda: iter(frames()), 'minmax', folder)
    expected = calibrate(model, lambda: iter(frames()), method)
    monkeypatch.setattr(calibration, 'measure_ranges', lambda *_: pytest.fail('measured again'))
    assert calibrate(model, lambda: iter(frames()), method, folder) == expected


@pytest.mark.parametrize('other', ['frames', 'model', 'file'])
def test_ranges_are_measured_again_if_anything_differs(model, tmp_path, monkeypatch, other):
    folder = make_private_folder(tmp_path / 'kept')
    calibrate(model, lambda: iter(frames()), 'minmax', folder)
    calls = []

    def counted(*args):
        calls.append(args)
        return {'minmax': {'image': (-1.0, 1.0)}}
    monkeypatch.setattr(calibration, 'measure_ranges', counted)
    if other == 'file':
        (kept,) = folder.glob('*.scales')
        kept.write_bytes(kept.read_bytes() + b' ')
    changed = (simplify_model(segmentation_networks.unet(seed=1), {'image': (1, 3, 64, 96)})
               if other == 'model' else model)
    scale = 2 if other == 'frames' else 1
    calibrate(changed, lambda: iter(frames(scale=scale)), 'minmax', folder)
    assert len(calls) == 1


def test_a_calibration_is_written_and_read_as_json(tmp_path):
    path = tmp_path / 'net.scales.json'
    kept = Calibration({'image': (-1.5, 2.25)}, 'entropy', 'abc', 300, ('/head/*',), 'd1',
                       balance={'conv': [-1, 0, 3]})
    kept.save(path)
    assert load_calibration(path) == kept
    assert load_calibration(path).digest == kept.digest
    assert replace(kept, balance={}).digest != kept.digest
    assert Calibration({'image': (-1.5, 2.0)}, 'entropy', 'abc', 300).digest != kept.digest


RANGES = '{"ranges": {"a": [%s]}, "method": "m", "data": "d", "frames": 3, "keep_fp16": [], ' \
         '"model": "m"}'


@pytest.mark.parametrize('content,text', [
    (None, 'does not exist. To write it, run `trt_seg build`'), ('{', 'is not a calibration'),
    ('{"ranges": {"a": [1]}}', 'is not a calibration'), ('[]', 'is not a calibration'),
    ('[' * 100_000, 'is not a calibration: RecursionError'), (b'\xff', 'is not a calibration'),
    (RANGES % '1e400, 2', 'range of .a. is inf to 2'), (RANGES % 'NaN, 2', 'is nan to 2'),
    (RANGES % '3, 2', 'is 3.0 to 2.0'), (RANGES % f'1, {"9" * 400}', 'OverflowError'),
    (RANGES.replace('"a"', '"a\\u001b[31m"') % '1, 2', r'a.*x1b.* is not a name'),
    (RANGES.replace('"m"', '"\\ud800"') % '1, 2', r'ud800.* is not a name'),
    (RANGES.replace('[]', '["\\n[FATAL] x"]') % '1, 2', 'is not a name'),
    (RANGES.replace(': 3', ': Infinity') % '1, 2', 'OverflowError'),
    (RANGES.replace('}', '}, "balance": {"c": [0, 99]}', 1) % '1, 2',
     '99 is not an exponent of a balanced channel; expected a whole number from -16 to 16'),
    (RANGES.replace('}', '}, "balance": {"c": [0.5]}', 1) % '1, 2', '0.5 is not an exponent'),
    (' ' * (65 << 20), 'it has 68,157,440 bytes'), ('pipe', 'not a regular file')])
def test_file_that_is_not_a_calibration(tmp_path, content, text):
    path = tmp_path / 'net.scales.json'
    if content == 'pipe':
        os.mkfifo(path)
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(GraphError, match=text) as caught:
        load_calibration(path)
    assert str(path) in str(caught.value) and str(caught.value).isprintable()
    assert len(str(caught.value)) < 800


def test_nothing_to_calibrate_on_and_unknown_methods(model):
    with pytest.raises(GraphError, match='the calibration has no frames'):
        calibrate(model, lambda: iter(()), 'minmax')
    with pytest.raises(GraphError, match="method 'entropie', did you mean 'entropy'"):
        calibrate(model, lambda: iter(frames()), 'entropie')
