# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The frames of a calibration cover a whole fleet, whatever workers looked at the frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fleets import colors_model
import numpy as np
import pytest
from recordings import image_messages, pictures, write_bag

from trt_segmentation.accuracy.held_out import read_left_out
from trt_segmentation.builder.feeds import Feeds
from trt_segmentation.commands.build_options import BuildCommandOptions
from trt_segmentation.commands.fleet.calibrate import CHOICE_FILE, choose_fleet_frames
from trt_segmentation.errors import GraphError, SourceError
from trt_segmentation.host.decode_raw import decode
from trt_segmentation.model.card import load_card
from trt_segmentation.view.progress import ProgressBars

DAYS, FRAMES = 20, 6


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write twenty bags by day and one by night. One more bag is broken."""
    folder = tmp_path_factory.mktemp('fleet') / 'in'
    for number in range(DAYS):
        write_bag(folder / f'day{number:02d}', image_messages(
            picture // 2 + 100 for picture in pictures(FRAMES, seed=number)))
    write_bag(folder / 'night', image_messages(
        picture // 12 for picture in pictures(FRAMES, seed=99)))
    (folder / 'broken.mcap').write_bytes(b'x')
    return folder


def choose(source: Path, report: Path, workers: int = 1, **more: Any) -> Feeds:
    options = BuildCommandOptions(colors_model(), 'int8', calibrate=(str(source),),
                                  workers=workers, **{'every': 0.2, 'frames': 8, **more})
    options.check()
    with ProgressBars(live=False) as bars:
        return choose_fleet_frames(load_card(options.model), options.model, options, report,
                                   bars)


def read(report: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((report / CHOICE_FILE).read_bytes())
    return tree


def test_the_choice_covers_the_night_and_many_bags(
        tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feeds = choose(source, tmp_path / 'one', hold_out_frames=5)
    tree = read(tmp_path / 'one')
    assert (tree['candidates'], tree['chosen']) == ((DAYS + 1) * 3, 8) == (63, len(tree['frames']))
    used = {frame['recording'].rpartition('/')[2] for frame in tree['frames']}
    assert 'night' in used and len(used) >= 5
    assert tree['conditions']['dark']['candidates'] == 3 and tree['conditions']['dark']['chosen']
    assert sum(part['chosen'] for part in tree['recordings'].values()) == 8
    assert list(tree['quarantine']) == [f'file://{source}/broken.mcap']
    said = capsys.readouterr()
    assert 'broken.mcap' in said.out and 'calibrating on 8 of 63 frames (' in said.err
    assert {path.name for path in (tmp_path / 'one').iterdir()} == {
        CHOICE_FILE, 'contact_sheet.png', 'histogram.png'}
    assert len(list(feeds())) == 8 and len(read_left_out(feeds, 5)) == 5
    assert len(list(feeds.source)) == 13


def test_the_frames_are_those_of_the_recordings(tmp_path: Path, source: Path) -> None:
    feeds = choose(source / 'night', tmp_path, frames=2, hold_out_frames=1)
    found = [decode(frame).bgr() for _, frame in feeds.source]
    expected = [pictures(FRAMES, seed=99)[number] // 12 for number in (0, 2, 4)]
    assert len(found) == 3
    for image, picture in zip(found, expected, strict=True):
        np.testing.assert_array_equal(image, picture)


def test_one_and_three_workers_choose_the_same_frames(tmp_path: Path, source: Path) -> None:
    feeds = [choose(source, tmp_path / f'{workers}', workers) for workers in (1, 3)]
    assert read(tmp_path / '1') == read(tmp_path / '3')
    for first, second in zip(feeds[0](), feeds[1](), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_decoded_frames_are_deleted_with_the_feeds(tmp_path: Path, source: Path) -> None:
    feeds = choose(source / 'night', tmp_path, frames=1)
    folder: Path = feeds.source.path     # type: ignore[attr-defined]
    assert len(list(folder.glob('*.png'))) == 3
    del feeds
    assert not folder.exists()


def test_sources_without_frames_are_an_error(tmp_path: Path, source: Path) -> None:
    with pytest.raises(GraphError, match=r'no frame of .*broken\.mcap can be decoded'):
        choose(source / 'broken.mcap', tmp_path)
    with pytest.raises(SourceError, match='nowhere cannot be read'):
        choose(source / 'nowhere', tmp_path)


@pytest.mark.parametrize(('options', 'reason'), [
    ({'calibrate': ('a',), 'every': 2.0}, '--every is for workers; give --workers or --ray'),
    ({'calibrate': ('a',), 'work': 'w'}, '--work is for workers'),
    ({'calibrate': ('a', 'street'), 'workers': 1}, 'street cannot be used with --workers'),
    ({'calibrate': ('a',), 'ray': 'auto'}, '--ray needs .* --work'),
    ({'workers': 2}, '--workers and --ray are for a calibration')])
def test_wrong_options_are_named(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(GraphError, match=reason):
        BuildCommandOptions('street', 'int8', **options).check()
