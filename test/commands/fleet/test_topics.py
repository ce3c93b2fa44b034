# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Wrong topics are found before any work, in bags on this machine and in remote bags."""

from __future__ import annotations

from pathlib import Path

from fleets import TRUTH, write_labelled_bag
import fsspec
import pytest
from recordings import image_messages, pictures, TOPIC, write_bag

from trt_segmentation.bags.reader import BagReader
from trt_segmentation.commands.fleet.topics import check_topics
from trt_segmentation.errors import BagError, EvaluationError
from trt_segmentation.fleet.recordings import find_recordings, Recording


@pytest.fixture(params=['local', 'remote'])
def recordings(request: pytest.FixtureRequest, tmp_path: Path) -> list[Recording]:
    """Return a bag of depth images alone, and two bags with a camera and its label maps."""
    write_bag(tmp_path / 'in/a', image_messages(pictures(2, seed=7), '/depth'))
    for seed in range(2):
        write_labelled_bag(tmp_path / f'in/b{seed}', seed)
    if request.param == 'local':
        return find_recordings([str(tmp_path / 'in')])
    store = fsspec.filesystem('memory')
    store.store.clear()
    store.put(str(tmp_path / 'in'), '/bucket', recursive=True)
    return find_recordings(['memory://bucket'])


def test_topics_of_some_bags_are_found(recordings: list[Recording]) -> None:
    said: list[str] = []
    for image, label in ((None, None), ('/depth', None), (TOPIC + '/compressed', TRUTH),
                         (TOPIC, TRUTH)):
        check_topics(recordings, image, label, said.append)
    where = recordings[1].url
    assert said == ([] if recordings[0].local else [
        f'before the work, only the name of {TRUTH} is checked, because {where} is not on this '
        'machine'] * 2)


@pytest.mark.parametrize(('topics', 'message'), [
    (('/dept', None), "no recording has images on /dept, did you mean '/depth'? Image topics of "),
    (('/depth', '/truth'), 'no recording has label maps on /truth. Image topics of '),
    (('/x', TRUTH), 'no recording has images on /x. Image topics of ')])
def test_topics_of_no_bag_are_refused(recordings: list[Recording], message: str,
                                      topics: tuple[str, str | None]) -> None:
    with pytest.raises(BagError) as caught:
        check_topics(recordings, *topics, lambda line: None)
    assert str(caught.value) == f'{message}{recordings[0].url}: /depth (2)'


def test_only_the_first_bags_are_opened(recordings: list[Recording],
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    real = BagReader.__init__
    monkeypatch.setattr(BagReader, '__init__', lambda self, path: (
        opened.append(path), real(self, path))[1])
    check_topics(recordings, TOPIC, TRUTH, lambda line: None)
    assert opened == [recording.local for recording in recordings[:2] if recording.local]
    if recordings[0].local:
        with pytest.raises(EvaluationError, match='has camera images'):
            check_topics(recordings, TOPIC, TOPIC, lambda line: None)


def test_a_remote_bag_without_a_summary_gives_one_line() -> None:
    store = fsspec.filesystem('memory')
    store.store.clear()
    for name in ('a.db3', 'b.db3', 'video.mp4'):
        store.pipe(f'/bucket/{name}', name.encode())
    said: list[str] = []
    check_topics(find_recordings(['memory://bucket']), TOPIC, None, said.append)
    assert said == [f'the topic {TOPIC} is not checked before the work: memory:///bucket/a.db3 '
                    'cannot be read without a copy: only an .mcap file has a summary']
