# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run ``trt_seg segment``: read the sources, segment their images, and write the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
import sys
import time

from ...errors import EngineError, OutputError, SegmentationError
from ...frame import Segmentation
from ...memory import keep_freed_memory
from ...model.card import find_card, load_card, ModelCard
from ...segmented_image import SegmentedImage
from ...segmenter import Segmenter
from ...serving.stopping import StopSignals
from ...sources.find import open_sources, SourceOptions
from ...sources.image import as_frame, BadImage, ImageSource, OpenSource
from ...untrusted.output_files import write_json
from ...view.progress import ProgressBars
from ...view.window import PictureWindow
from .options import SegmentOptions
from .report import print_report, report_tree, SegmentReport
from .results import check_results, compose, find_renamed_results, ResultWriter

DEMO_MODEL = ('The demo model `street` was trained on drawings only, so its labels of photographs '
              'have errors. For your own images, give your own network with --model.')
NO_WINDOW = 'look at the written files, or use `--save-view FILE.rrd`'
Show = Callable[[SegmentedImage], bool]
"""Function that shows a segmented image. It returns False if the user closed the window."""


@dataclass
class _Run:
    segmenter: Segmenter
    writer: ResultWriter
    show: Show
    stop: StopSignals
    bars: ProgressBars
    report: SegmentReport = field(default_factory=SegmentReport)
    is_ended: bool = False

    def segment(self, sources: Sequence[ImageSource]) -> None:
        began = time.monotonic()
        try:
            for source in sources:
                try:
                    self._segment_source(source, source.open())
                except (EngineError, OutputError):
                    raise
                except SegmentationError as error:
                    if len(sources) == 1 and not self.report.segmented:
                        raise
                    self.report.add_bad(str(error))
                finally:
                    self.writer.end_source()
                if self.is_ended:
                    break
            self.writer.close()
        finally:
            self.report.seconds = time.monotonic() - began

    def _segment_source(self, source: ImageSource, opened: OpenSource) -> None:
        self.writer.begin_source(source)
        with closing(self.segmenter.segment_images(
                opened.images, stop_source=opened.close)) as answers:
            for answer in self.bars.track(source.title, answers, opened.count):
                if isinstance(answer, BadImage):
                    self.report.add_bad(str(answer.error), answer.count)
                else:
                    self.writer.write(answer, source, opened.rate)
                    self.report.segmented += 1
                    self.is_ended = not self.show(answer)
                if self.stop.caught or self.is_ended:
                    self.report.stopped_by, self.is_ended = self.stop.caught, True
                    break
        self.report.dropped += opened.count_dropped()


def run_segment(options: SegmentOptions) -> int:
    """Segment the sources with a progress bar, and print a table at the end.

    :returns: the exit code, see :attr:`.SegmentReport.exit_code`.
    :raises SegmentationError: if an option, the card or a source is wrong, if the engine fails, or
        if a result cannot be written. All results from before the error are complete.
    """
    options.check()
    keep_freed_memory()
    sources = open_sources(options.sources, SourceOptions(
        options.recursive, options.every, options.image_topic, options.out, _print_error))
    card = load_card(options.model)
    check_results(sources, options, card)
    with _views(card, options) as (show, window), Segmenter(
            card, engine=options.engine, gpu=options.gpu, precision=options.precision,
            overlay=options.overlay or options.show, alpha=options.alpha,
            confidence=options.confidence, log=_print_error) as segmenter:
        if options.confidence and not segmenter.gives_confidence:
            raise EngineError(f'the network of {card.name} outputs only class ids, so there is '
                              'no confidence; leave out --confidence')
        with StopSignals() as stop, ResultWriter(options, card) as writer, \
                ProgressBars(rate_unit='frames/s') as bars:
            run = _Run(segmenter, writer, show, stop, bars)
            run.segment(sources)
        identity = segmenter.identity
        engine = f'{identity.engine}, {identity.device}'
        if run.report.segmented:
            run.report.renamed = find_renamed_results(sources, options)
        result = run.report, writer.pixels, writer.all_pixels, card, engine
        print_report(*result, options.out)
        if card.source == find_card('street') and set(options.sources) != {'street'}:
            _print_error(DEMO_MODEL)
        if options.json:
            write_json(options.json, report_tree(*result, writer.images), '--json')
        if window and not run.is_ended:
            window.wait_until_closed()
    return run.report.exit_code


@contextmanager
def _views(card: ModelCard, options: SegmentOptions
           ) -> Iterator[tuple[Show, PictureWindow | None]]:
    window = PictureWindow('trt_seg segment', NO_WINDOW) if options.show else None
    try:
        with _rerun_view(card, options) as show_in_rerun:
            def show(answer: SegmentedImage) -> bool:
                show_in_rerun(answer)
                if window:
                    window.show(compose(answer, options.side_by_side))
                return not (window and window.is_closed)

            yield show, window
    finally:
        if window:
            window.close()


@contextmanager
def _rerun_view(card: ModelCard, options: SegmentOptions
                ) -> Iterator[Callable[[SegmentedImage], None]]:
    if not (options.view or options.save_view):
        yield lambda answer: None
        return
    from ...view.rerun_view import RerunView
    with RerunView(card, options.view, options.save_view) as view:
        shown = 0

        def show(answer: SegmentedImage) -> None:
            nonlocal shown
            shown += 1
            # Pictures have no time. So each picture gets one second on the time axis of Rerun.
            frame = as_frame(answer.image, stamp_ns=answer.time_ns or shown * 1_000_000_000)
            view.show(Segmentation(frame, answer.labels, timings=dict(answer.timings)))

        yield show


def _print_error(line: str) -> None:
    print(line, file=sys.stderr)
