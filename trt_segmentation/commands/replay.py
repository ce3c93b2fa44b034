# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg replay``: segment every frame of a bag, and write the results to a new bag."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
import os
from pathlib import Path
import signal
import sys

from rich.console import Console
from rich.table import Table

from ..bags.cameras import find_camera_topic
from ..bags.golden import choose_label_topic, Expectation
from ..bags.reader import BagReader
from ..bags.writer import BagWriter, topic_root
from ..errors import ReplayError
from ..frame import Wanted
from ..memory import keep_freed_memory
from ..model.card import load_card, ModelCard
from ..pipeline import open_pipeline
from ..serving.stopping import StopSignals
from ..stats import percentiles
from ..untrusted.output_files import check_claim, claim_folder
from ..untrusted.terminal_text import count_noun
from ..view.progress import ProgressBars
from .replay_frames import Replay, ReplayResult, ShowSegmentation
from .replay_options import ReplayOptions

BAG_FILES = ('metadata.yaml', '*.mcap')
"""Names of the files that this command writes into the folder of a bag."""
MAX_BATCH = 4
"""Largest number of frames in one run of the network. Only TensorRT on a GPU uses this number, and
only if the batch size of the ONNX file is dynamic."""
WAIT = 'block'
"""How the pipeline waits for the GPU. A thread that polls would take Python's lock (GIL) again and
again, and the many threads that decode and encode would wait for the lock."""


def run_replay(options: ReplayOptions) -> int:
    """Replay a bag, show a progress bar, and print a table at the end.

    :returns: the exit code, see :attr:`ReplayResult.exit_code`.
    :raises ReplayError, ViewError, ModelCardError, FileNotFoundError: if an option, the card or a
        path is wrong. In this case, nothing is written.
    :raises BagError, EngineError: if the bag cannot be read, or if the engine fails. After an
        error during the replay, the new bag contains the earlier results.
    """
    root = topic_root(options.namespace)
    options.check()
    card = load_card(options.model)
    keep_freed_memory()
    check_out(options.out, options.overwrite,
              [options.bag] + ([options.expect] if options.expect else []))
    if options.view or options.save_view:
        from ..view.rerun_view import check_view
        check_view(options.view, options.save_view)
    with BagReader(options.bag) as bag:
        topic = find_camera_topic(bag, options.image_topic, _print_error)
        with _expectation(options, card, root) as expectation, closing(open_pipeline(
                card, options.engine, gpu=options.gpu, precision=options.precision,
                max_batch=MAX_BATCH, wait=WAIT, log=_print_error)) as pipeline:
            _make_room(options.out)
            camera_info = bag.camera_info_topic(topic)
            with StopSignals() as stop, BagWriter(
                    options.out, card, options.namespace, overlay=options.overlay,
                    png=options.png, jpeg=options.jpeg, camera_info=camera_info is not None
                    ) as writer, _view(card, options) as show, ProgressBars() as bars:
                done = Replay(bag, topic, camera_info, pipeline, writer, expectation,
                              Wanted(overlay=options.overlay), show).run(stop, bars)
    print_result(done, options.out, f'{pipeline.identity.engine}, {pipeline.identity.device}')
    return done.exit_code


@contextmanager
def _expectation(options: ReplayOptions, card: ModelCard, root: str
                 ) -> Iterator[Expectation | None]:
    if not options.expect:
        yield None
        return
    with BagReader(options.expect) as expected:
        yield Expectation(expected, choose_label_topic(expected, root, options.expect_topic),
                          card.classes, options.min_agreement, options.allow_missing)


@contextmanager
def _view(card: ModelCard, options: ReplayOptions) -> Iterator[ShowSegmentation | None]:
    if not (options.view or options.save_view):
        yield None
        return
    from ..view.rerun_view import RerunView
    with RerunView(card, options.view, options.save_view) as view:
        yield view.show


def _print_error(line: str) -> None:
    print(line, file=sys.stderr)


def check_out(out: Path, overwrite: bool, sources: list[Path]) -> None:
    """Refuse an output folder that exists already, or that contains a bag of ``sources``.

    With ``overwrite``, an existing folder is accepted if ``trt_seg replay`` wrote the bag in this
    folder.

    :raises ReplayError, OutputError: if the folder is refused.
    """
    for source in sources:
        # realpath() accepts links that form a circle, but resolve() fails on such links.
        read = Path(os.path.realpath(source))
        if Path(os.path.realpath(out)) in (read, *read.parents):
            raise ReplayError(f'--out {out} contains {source}, which this command reads; give '
                              'another folder')
    if out.is_symlink():
        raise ReplayError(f'--out {out} is a symbolic link; give the folder behind the link')
    if out.exists() and not overwrite:
        raise ReplayError(f'--out {out} exists already; give another folder, or add --overwrite')
    if os.path.realpath(out) == os.getcwd():
        raise ReplayError(f'--out {out} is the current folder; give a new folder')
    check_claim(out, '--out', BAG_FILES)


def _make_room(out: Path) -> None:
    claim_folder(out, '--out', BAG_FILES)   # deletes an earlier bag
    try:
        out.rmdir()     # the writer needs a path that does not exist
    except OSError as error:
        raise ReplayError(f'--out {out} cannot be replaced: {error.strerror}; give another folder'
                          ) from error


def print_result(done: ReplayResult, out: Path, engine: str) -> None:
    """Print the latencies, the numbers of frames, and the result of the comparison."""
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
        frames = count_noun(len(done.bad), 'bad frame')
        lines.append(f'{frames}. The first frame for each reason is listed above')
    if done.stopped_by:
        lines.append(f'{signal.Signals(done.stopped_by).name} stopped the replay. The bag {out} '
                     f'contains all {done.segmented} earlier results')
    if done.difference:
        lines.append(f'DIFFERENT: {done.difference}')
    elif done.agreement:
        lines.append(done.agreement)
    print(*lines, sep='\n')
