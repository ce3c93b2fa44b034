# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg replay``: segment every frame of a bag, and write the results to a new bag.

The command can compare the new label maps with the label maps of a third bag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
import os
from pathlib import Path
import signal
import sys
import time

from rich.console import Console
from rich.table import Table

from ..bags.golden import choose_label_topic, Expectation
from ..bags.reader import BagReader, Recorded, stamp_text
from ..bags.writer import BagWriter, topic_root
from ..errors import BagError, EngineError, FrameError, ReplayError
from ..frame import Segmentation, Wanted
from ..model.card import load_card, ModelCard
from ..pipeline import open_pipeline, Pipeline, segment_one
from ..serving.stopping import StopSignals
from ..stats import percentiles
from ..untrusted.output_files import check_claim, claim_folder
from ..view.progress import ProgressBars
from .replay_options import ReplayOptions

ShowSegmentation = Callable[[Segmentation], None]

BAG_FILES = ('metadata.yaml', '*.mcap')
"""Names of the files in a bag that this command wrote."""


@dataclass
class ReplayResult:
    """The result of a replay.

    :param total: number of frames on the topic.
    :param segmented: number of frames that were segmented and written.
    :param bad: one line for each frame that could not be read.
    :param agreement: a sentence about the comparison with the expected label maps; None if
        nothing was compared.
    :param difference: the first difference from the expected label maps; None if there is none.
    :param stopped_by: number of the signal that stopped the replay; None if no signal
        stopped the replay.
    :param seconds: seconds from the start of the replay until the last frame was segmented.
    :param latency_ms: for each stage, the milliseconds of every segmented frame.
    """

    total: int
    segmented: int = 0
    bad: list[str] = field(default_factory=list)
    agreement: str | None = None
    difference: str | None = None
    stopped_by: int | None = None
    seconds: float = 0.0
    latency_ms: dict[str, list[float]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 if every frame was segmented as expected; 128 + N after signal number N; else 1."""
        if self.stopped_by:
            return 128 + self.stopped_by
        return 1 if self.bad or self.difference else 0


@dataclass(frozen=True)
class _Replay:
    """Reads one topic of a bag, segments the frames and writes the results."""

    bag: BagReader
    topic: str
    pipeline: Pipeline
    writer: BagWriter
    expectation: Expectation | None
    wanted: Wanted
    show: ShowSegmentation | None

    def run(self, stop: StopSignals, bars: ProgressBars) -> ReplayResult:
        """Segment every frame once, in order, and copy the camera infos.

        The replay skips frames that it cannot read. It stops at the first difference from the
        expected label maps, or after a signal. If an error ends the replay, the new bag contains
        the results of all earlier frames.
        """
        done = ReplayResult(self.bag.image_topics()[self.topic])
        step = bars.add_bar(self.topic, done.total)
        try:
            self._segment_all(done, stop, step, bars.print_line)
        except (BagError, EngineError) as error:
            kind = BagError if isinstance(error, BagError) else EngineError
            raise kind(f'{error}. {self.writer.path} holds the {done.segmented} results '
                       'that came before this error') from error
        if self.expectation and not done.difference:
            done.agreement = self.expectation.summary()
            done.difference = None if done.stopped_by else self.expectation.describe_missing()
        return done

    def _segment_all(self, done: ReplayResult, stop: StopSignals, step: Callable[[float], None],
                     print_line: Callable[[str], None]) -> None:
        camera_info = self.bag.camera_info_topic(self.topic)
        start = time.monotonic()
        for recorded in self.bag.messages([self.topic] + ([camera_info] if camera_info else [])):
            if stop.caught:
                done.stopped_by = stop.caught
                return
            if recorded.topic == camera_info:
                self.writer.write_camera_info(recorded)
                continue
            bad = len(done.bad)
            self._segment(recorded, done)
            done.seconds = time.monotonic() - start
            step(done.segmented + len(done.bad))
            for line in done.bad[bad:]:
                print_line(line)
            if done.difference:
                return

    def _segment(self, recorded: Recorded, done: ReplayResult) -> None:
        where = f'frame {recorded.number} of {done.total} (stamp {stamp_text(recorded.stamp_ns)})'
        try:
            frame = recorded.frame()
            segmentation = segment_one(self.pipeline, frame, self.wanted)
        except FrameError as error:
            done.bad.append(f'{where}: {error}')
            return
        except EngineError as error:
            raise EngineError(f'{where}: {error}') from error
        self.writer.write(recorded.log_time_ns, segmentation)
        done.segmented += 1
        for stage, ms in segmentation.timings.items():
            done.latency_ms.setdefault(stage, []).append(ms)
        if self.show:
            self.show(segmentation)
        if self.expectation and (difference := self.expectation.compare(
                frame.stamp_ns, segmentation.labels)):
            done.difference = f'{where}: {difference}'
        segmentation.release()


def run_replay(options: ReplayOptions) -> int:
    """Replay a bag with a progress bar, and print a table at the end.

    :returns: the exit code, see :attr:`ReplayResult.exit_code`.
    :raises ReplayError, ViewError, ModelCardError, FileNotFoundError: if an option, the card or a
        path is wrong. Nothing is written then.
    :raises BagError, EngineError: if the bag cannot be read or the engine fails. If the replay had
        begun, the new bag contains the results of all earlier frames.
    """
    root = topic_root(options.namespace)
    options.check()
    card = load_card(options.model)
    check_out(options.out, options.overwrite,
              [options.bag] + ([options.expect] if options.expect else []))
    if options.view or options.save_view:
        from ..view.rerun_view import check_view
        check_view(options.view, options.save_view)
    with BagReader(options.bag) as bag:
        topic = bag.image_topic(options.image_topic, _print_error)
        with _expectation(options, card, root) as expectation, closing(open_pipeline(
                card, options.engine, gpu=options.gpu, precision=options.precision,
                log=_print_error)) as pipeline:
            _make_room(options.out)
            with StopSignals() as stop, BagWriter(
                    options.out, card, options.namespace, overlay=options.overlay,
                    png=options.png, camera_info=bag.camera_info_topic(topic) is not None
                    ) as writer, _view(card, options) as show, ProgressBars() as bars:
                done = _Replay(bag, topic, pipeline, writer, expectation,
                               Wanted(overlay=options.overlay), show).run(stop, bars)
    print_result(done, options.out, f'{pipeline.identity.engine}, {pipeline.identity.device}')
    return done.exit_code


@contextmanager
def _expectation(options: ReplayOptions, card: ModelCard, root: str
                 ) -> Iterator[Expectation | None]:
    """Open the bag with the expected label maps. Yield None if the user gave no such bag."""
    if not options.expect:
        yield None
        return
    with BagReader(options.expect) as expected:
        yield Expectation(expected, choose_label_topic(expected, root, options.expect_topic),
                          card.classes, options.min_agreement, options.allow_missing)


@contextmanager
def _view(card: ModelCard, options: ReplayOptions) -> Iterator[ShowSegmentation | None]:
    """Open the view. Yield a function that shows a segmentation; None for no view."""
    if not (options.view or options.save_view):
        yield None
        return
    from ..view.rerun_view import RerunView
    with RerunView(card, options.view, options.save_view) as view:
        yield view.show


def _print_error(line: str) -> None:
    print(line, file=sys.stderr)


def check_out(out: Path, overwrite: bool, sources: list[Path]) -> None:
    """Refuse an output folder that exists already.

    With ``overwrite``, accept a folder with a bag that this package wrote.

    :param sources: bags that the replay reads; ``out`` must not contain these bags.
    :raises ReplayError, OutputError: if the folder is refused.
    """
    for source in sources:
        # realpath() accepts links that form a circle, but resolve() fails on such links.
        read = Path(os.path.realpath(source))
        if Path(os.path.realpath(out)) in (read, *read.parents):
            raise ReplayError(f'--out {out} contains {source}, which this command reads; give '
                              'another folder')
    if out.is_symlink():
        raise ReplayError(f'--out {out} is a symbolic link; give the folder behind '
                          'the link')
    if out.exists() and not overwrite:
        raise ReplayError(f'--out {out} exists already; give another folder, or add --overwrite')
    if os.path.realpath(out) == os.getcwd():
        raise ReplayError(f'--out {out} is the current folder; give a new folder')
    check_claim(out, '--out', BAG_FILES)


def _make_room(out: Path) -> None:
    """Delete an earlier bag of this package. The writer needs a path that does not exist."""
    claim_folder(out, '--out', BAG_FILES)
    try:
        out.rmdir()
    except OSError as error:
        raise ReplayError(f'--out {out} cannot be replaced: {error.strerror}; give another folder'
                          ) from error


def print_result(done: ReplayResult, out: Path, engine: str) -> None:
    """Print the latencies, the numbers of frames, and the first difference if there is one."""
    console = Console()
    table = Table('stage', 'p50 ms', 'p95 ms', 'p99 ms', title=f'latency on {engine}')
    for stage, values in done.latency_ms.items():
        table.add_row(stage, *(f'{ms:.2f}' for ms in percentiles(values).values()))
    if done.latency_ms:
        console.print(table)
    rate = done.segmented / done.seconds if done.seconds else 0.0
    lines = [f'{done.segmented} of {done.total} frames in {done.seconds:.1f} s '
             f'({rate:.1f} fps) → {out}']
    if done.bad:
        lines.append(f'{len(done.bad)} bad frames are listed above')
    if done.stopped_by:
        lines.append(f'{signal.Signals(done.stopped_by).name} stopped the replay; the bag {out} '
                     f'is complete up to there, with {done.segmented} results')
    if done.agreement and not done.difference:
        lines.append(done.agreement)
    if done.difference:
        lines.append(f'DIFFERENT: {done.difference}')
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
