# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Segment every frame of a recorded bag into another bag, and compare with a third."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import os
from pathlib import Path
import signal
import sys
import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from ..bags.golden import Expectation, label_topic
from ..bags.reader import BagReader, Recorded, stamp_text
from ..bags.writer import BagWriter, topic_root
from ..errors import BagError, EngineError, FrameError, ReplayError
from ..frame import Segmentation, Wanted
from ..model.card import load_card, ModelCard
from ..pipeline import open_pipeline, Pipeline, segment_one
from ..serving.stopping import StopSignals
from ..stats import percentiles
from ..untrusted.output_files import check_claim, claim_folder


@dataclass
class Replay:
    """What a replay did.

    :param total: frames on the topic.
    :param answered: frames segmented and written.
    :param bad: one line for each frame that could not be read.
    :param agreement: how far the frames agree with what was expected; None without expectation.
    :param difference: the first difference from what was expected; None where there is none.
    :param stopped_by: number of the signal that ended it early.
    :param seconds: from the first frame to the last.
    :param latency_ms: by stage, one number a frame.
    """

    total: int
    answered: int = 0
    bad: list[str] = field(default_factory=list)
    agreement: str | None = None
    difference: str | None = None
    stopped_by: int | None = None
    seconds: float = 0.0
    latency_ms: dict[str, list[float]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 when every frame was answered as expected, 1 when not, 128 + signal when stopped."""
        if self.stopped_by:
            return 128 + self.stopped_by
        return 1 if self.bad or self.difference else 0


def replay(bag: BagReader, topic: str, pipeline: Pipeline, writer: BagWriter,
           expectation: Expectation | None = None, wanted: Wanted = Wanted(), *,
           stop: StopSignals | None = None, seen: Callable[[Segmentation], None] | None = None,
           report: Callable[[Replay, str | None], None] = lambda done, line: None) -> Replay:
    """Segment every frame of a topic once, in order, and pass its camera infos on.

    A frame that cannot be read is noted and the next one taken. Ends at the first difference
    from the expectation.

    :param seen: given each answer after it was written, before it is released.
    :param report: called after each frame, with a line where there is something to say.
    :raises EngineError: naming the frame; what was answered before is written.
    :raises BagError: where the bag breaks off; likewise.
    """
    done = Replay(bag.image_topics()[topic])
    camera_info = bag.camera_info_topic(topic)
    start = time.monotonic()
    try:
        for recorded in bag.messages([topic] + ([camera_info] if camera_info else [])):
            if stop and stop.caught:
                done.stopped_by = stop.caught
                break
            if recorded.topic == camera_info:
                writer.write_camera_info(recorded)
                continue
            line = _one(recorded, done, pipeline, writer, expectation, wanted, seen)
            done.seconds = time.monotonic() - start
            report(done, line)
            if done.difference:
                break
    except (BagError, EngineError) as error:
        raise type(error)(f'{error}. {writer.path} holds the {done.answered} answers '
                          'before it') from error
    if expectation and not done.difference:
        done.agreement = expectation.summary()
        done.difference = None if done.stopped_by else expectation.missing()
    return done


def _one(recorded: Recorded, done: Replay, pipeline: Pipeline, writer: BagWriter,
         expectation: Expectation | None, wanted: Wanted,
         seen: Callable[[Segmentation], None] | None) -> str | None:
    where = f'frame {recorded.number} of {done.total} (stamp {stamp_text(recorded.stamp_ns)})'
    try:
        frame = recorded.frame()
        answer = segment_one(pipeline, frame, wanted)
    except FrameError as error:
        done.bad.append(f'{where}: {error}')
        return done.bad[-1]
    except EngineError as error:
        raise EngineError(f'{where}: {error}') from error
    writer.write(recorded.log_time_ns, answer)
    done.answered += 1
    for stage, ms in answer.timings.items():
        done.latency_ms.setdefault(stage, []).append(ms)
    if seen:
        seen(answer)
    difference = expectation.compare(frame.stamp_ns, answer.labels) if expectation else None
    answer.release()
    if difference:
        done.difference = f'{where}: {difference}'
    return None


def run_replay(bag_path: Path, out: Path, *, model: str = 'street', engine: str = 'auto',
               gpu: int = 0, precision: str = 'auto', image_topic: str | None = None,
               namespace: str = 'segmentation',
               overlay: bool = True, png: bool = False, expect: Path | None = None,
               expect_topic: str | None = None, min_agreement: float = 1.0,
               allow_missing: bool = False, overwrite: bool = False, view: bool = False,
               save_view: Path | None = None) -> int:
    """Replay a bag with a progress bar and a table at the end.

    :param gpu: and ``precision``, as :func:`.pipeline.open_pipeline`.
    :param namespace: of the topics written, see :class:`BagWriter`.
    :param expect: bag to compare label maps with; ``expect_topic``, ``min_agreement`` and
        ``allow_missing`` are :class:`Expectation`'s.
    :param view: show it in Rerun's viewer; ``save_view`` writes a file for it.
    :returns: the exit code, see :attr:`Replay.exit_code`.
    :raises ReplayError, ViewError, BagError, ModelCardError, EngineError, FileNotFoundError:
        before anything is written, except where the bag or the engine breaks on the way.
    """
    root = topic_root(namespace)
    for option, given in (('--expect-topic', expect_topic), ('--allow-missing', allow_missing),
                          ('--min-agreement', min_agreement != 1.0)):
        if given and not expect:
            raise ReplayError(f'{option} is for a comparison; give the bag to compare with: '
                              '--expect')
    card = load_card(model)
    check_out(out, overwrite, [bag_path] + ([expect] if expect else []))
    if view or save_view:
        from ..view.rerun_view import check_view
        check_view(view, save_view)
    with BagReader(bag_path) as bag:
        topic = bag.image_topic(image_topic)
        expected = BagReader(expect) if expect else None
        try:
            expectation = Expectation(
                expected, label_topic(expected, root, expect_topic), card.classes,
                min_agreement, allow_missing) if expected else None
            pipeline = open_pipeline(card, engine, gpu=gpu, precision=precision, log=_log)
            try:
                _make_room(out)
                with StopSignals() as stop, BagWriter(
                        out, card, namespace, overlay=overlay, png=png,
                        camera_info=bag.camera_info_topic(topic) is not None) as writer, \
                        _viewed(card, view, save_view) as seen:
                    done = _with_bar(bag, topic, pipeline, writer, expectation,
                                     Wanted(overlay=overlay), stop, seen)
            finally:
                pipeline.close()
        finally:
            if expected:
                expected.close()
    tell(done, out, f'{pipeline.identity.engine}, {pipeline.identity.device}')
    return done.exit_code


@contextmanager
def _viewed(card: ModelCard, view: bool, save_view: Path | None
            ) -> Iterator[Callable[[Segmentation], None] | None]:
    """What shows each answer, where they are to be seen."""
    if not (view or save_view):
        yield None
        return
    from ..view.rerun_view import RerunView
    with RerunView(card, view, save_view) as shown:
        yield shown.answer


def _log(line: str) -> None:
    print(line, file=sys.stderr)


def check_out(out: Path, overwrite: bool, sources: list[Path]) -> None:
    """Refuse an output folder that exists, unless it may be replaced and is a bag of ours.

    :raises ReplayError, OutputError: saying which.
    """
    for source in sources:
        # not resolve(), which fails on links that go in circles
        read = Path(os.path.realpath(source))
        if Path(os.path.realpath(out)) in (read, *read.parents):
            raise ReplayError(f'--out {out} holds {source}, which is read here; '
                              'give another folder')
    if out.is_symlink():
        raise ReplayError(f'--out {out} is a link; name the folder itself')
    if out.exists() and not overwrite:
        raise ReplayError(f'{out} exists already; give another folder, or --overwrite')
    check_claim(out, '--out')


def _make_room(out: Path) -> None:
    """Empty a bag of ours; its folder goes too, as the writer makes one of its own."""
    claim_folder(out, '--out')
    try:
        out.rmdir()
    except OSError as error:
        raise ReplayError(f'--out {out} cannot be replaced: {error.strerror}; name the folder '
                          'from outside') from error


def _with_bar(bag: BagReader, topic: str, pipeline: Pipeline, writer: BagWriter,
              expectation: Expectation | None, wanted: Wanted, stop: StopSignals,
              seen: Callable[[Segmentation], None] | None) -> Replay:
    console = Console(stderr=True)
    columns = ('{task.description}', BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(escape(topic), total=bag.image_topics()[topic])

        def report(_: Replay, line: str | None) -> None:
            bar.advance(task)
            if line:
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        return replay(bag, topic, pipeline, writer, expectation, wanted, stop=stop,
                      seen=seen, report=report)


def tell(done: Replay, out: Path, engine: str) -> None:
    """Print the counts, the latencies and whatever was not as it should be."""
    console = Console()
    table = Table('stage', 'p50 ms', 'p95 ms', 'p99 ms', title=f'latency on {engine}')
    for stage, values in done.latency_ms.items():
        table.add_row(stage, *(f'{ms:.2f}' for ms in percentiles(values).values()))
    if done.latency_ms:
        console.print(table)
    rate = done.answered / done.seconds if done.seconds else 0.0
    lines = [f'{done.answered} of {done.total} frames in {done.seconds:.1f} s '
             f'({rate:.1f} fps) → {out}']
    if done.bad:
        lines.append(f'bad frames, listed above: {len(done.bad)}')
    if done.stopped_by:
        lines.append(f'stopped by {signal.Signals(done.stopped_by).name}; {out} is closed and '
                     f'holds the first {done.answered} answers')
    if done.agreement and not done.difference:
        lines.append(done.agreement)
    if done.difference:
        lines.append(f'DIFFERENT: {done.difference}')
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
